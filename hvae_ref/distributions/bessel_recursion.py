"""The recursions behind `hvae_ref.distributions.bessel`, as one function that autograd knows the derivatives of."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function

from hvae_ref.distributions.debye import LOWEST_ORDER, DebyeStart, Order


def _evaluate(kind: str, order: Order, x: Tensor) -> Tensor:
    """One of the functions that `Bessel` names, at float64 `x`: start high, come down."""
    steps = math.ceil(LOWEST_ORDER) if isinstance(order, Tensor) else max(0, math.ceil(LOWEST_ORDER - order))
    start = DebyeStart(order + steps, x)
    # Where x is large beside the order, L is followed as L − x.
    far = x > 2 * (order + 1) if kind in ("log_scaled", "kl") else None
    log = start.log_normalized(far) if kind in ("log_normalized", "log_scaled", "kl") else None
    derivatives = {"ratio_derivative": 1, "ratio_second_derivative": 2}.get(kind, 0)
    ratio, complement, first, second = start.ratios(kind in ("complement", "kl"), derivatives)

    for step in range(steps, 0, -1):
        # From the order ν + 1 = order + step to ν, where `above` is A_{ν+1}.
        above, b = ratio, 0.5 / (order + step)
        a = b * x
        scale = 1 / (1 + a * above)
        ratio = a * scale
        if log is not None:
            log = log + torch.log1p(a * above)
        if complement is not None:
            # (1 − a (1 − A_{ν+1})) / (1 + a A_{ν+1}), multiplied through by 2(ν+1).
            complement = (1 / b - x * complement) / (1 / b + x * above)
        if first is not None:
            slope_above, first = first, b * scale**2 - ratio**2 * first
            if second is not None:
                scale_slope = -(scale**2) * (b * above + a * slope_above)
                second = 2 * b * scale * scale_slope - 2 * ratio * first * slope_above - ratio**2 * second

    match kind:
        case "log_normalized":
            return log
        case "log_scaled":
            return torch.where(far, log, log - x)
        case "kl":
            return torch.where(far, -x * complement, x * ratio) - log
        case "ratio":
            return ratio
        case "complement":
            return complement
        case "ratio_derivative":
            return first
        case _:
            return second


class Bessel(Function):
    """One function of (order, x) whose derivative in x is another one, computed from its own accurate formula."""

    generate_vmap_rule = True

    @staticmethod
    def forward(kind: str, order: Order, x: Tensor) -> Tensor:
        """Compute in float64, return in x's dtype."""
        return _evaluate(kind, order, x.to(torch.float64)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[str, Order, Tensor], output: Tensor) -> None:  # noqa: ANN401
        """Keep the inputs; the derivative is computed only where it is asked for."""
        ctx.kind, order, x = inputs
        if isinstance(order, Tensor):
            ctx.order = None
            ctx.save_for_backward(x, order)
        else:
            ctx.order = order
            ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:  # noqa: ANN401
        """L′ = A, (L − x)′ = −(1 − A), A′, A″, and (x A − L)′ = x A′."""
        x, *rest = ctx.saved_tensors
        order = rest[0] if rest else ctx.order

        def f(kind: str) -> Tensor:
            return Bessel.apply(kind, order, x)

        match ctx.kind:
            case "log_normalized":
                slope = f("ratio")
            case "log_scaled":
                slope = -f("complement")
            case "ratio":
                slope = f("ratio_derivative")
            case "complement":
                slope = -f("ratio_derivative")
            case "ratio_derivative":
                slope = f("ratio_second_derivative")
            case "kl":
                slope = x * f("ratio_derivative")
            case _:
                raise NotImplementedError("bessel: I_{ν+1}/I_ν has derivatives up to the second here, not beyond")
        return None, None, grad * slope
