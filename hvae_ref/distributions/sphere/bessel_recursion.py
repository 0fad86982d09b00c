"""The recursions behind `hvae_ref.distributions.sphere.bessel`, as one function that autograd knows the derivatives of.

Every transform of torch passes through: `torch.func` by the rules of `Bessel`, and `torch.compile`, `torch.export` and
`torch.jit.trace` by an operator, `hvae_ref::bessel`, which stands in the graph as one node.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function

from hvae_ref.distributions.base import once_forwards
from hvae_ref.distributions.sphere.debye import LOWEST_ORDER, DebyeStart, Order


def _power(order: Order, x: Tensor) -> Tensor:
    """ν log(x/2) − log Γ(ν+1): what log I_ν has beside L_ν. At x = 0 it is 0 for ν = 0 and −∞ for ν > 0."""
    nu = order if isinstance(order, Tensor) else torch.full_like(x, order)
    zero = nu == 0
    return nu * torch.log(torch.where(zero, 2.0, x) / 2) - torch.lgamma(nu + 1)


def _evaluate(kind: str, order: Order, x: Tensor) -> Tensor:
    """One of the functions that `Bessel` names, at float64 `x`: start high, come down."""
    steps = math.ceil(LOWEST_ORDER) if isinstance(order, Tensor) else max(0, math.ceil(LOWEST_ORDER - order))
    start = DebyeStart(order + steps, x)
    # Where x is large beside the order, L is followed as L − x.
    far = x > 2 * (order + 1) if kind in ("log_scaled", "log_ive", "kl") else None
    log = start.log_normalized(far) if kind in ("log_normalized", "log_scaled", "log_ive", "kl") else None
    # log[e^{−x} I_ν(x)] where x is large beside the order: L and what makes it I_ν would cancel.
    log_ive = start.log_ive() if kind == "log_ive" else None
    derivatives = {"ratio_derivative": 1, "ratio_second_derivative": 2}.get(kind, 0)
    ratio, complement, first, second = start.ratios(kind in ("complement", "log_ive", "kl"), derivatives)

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
        if log_ive is not None:
            log_ive = log_ive - torch.log1p(-complement)
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
        case "log_ive":
            return torch.where(far, log_ive, log - x + _power(order, x))
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


def bessel(kind: str, order: Order, x: Tensor) -> Tensor:
    """One function of (order, x), see `Bessel`, through the door that the transform at work can pass."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        many = isinstance(order, Tensor)
        return _operator(kind, 0.0 if many else order, order if many else None, x)
    if kind == "ratio_second_derivative":
        # Beyond it there is no formula of its own: derivatives are those of the recursion.
        return _evaluate(kind, order, x.to(torch.float64)).to(x.dtype)
    return Bessel.apply(kind, order, x)


def _slope(kind: str, order: Order, x: Tensor) -> Tensor:
    """L′ = A, (L − x)′ = −(1 − A), A′, A″, (x A − L)′ = x A′, and (log I_ν − x)′ = ν/x − (1 − A)."""
    match kind:
        case "log_normalized":
            return bessel("ratio", order, x)
        case "log_scaled":
            return -bessel("complement", order, x)
        case "log_ive":
            zero = order == 0
            if isinstance(zero, bool):
                zero = torch.full_like(x, zero, dtype=torch.bool)
            return torch.where(zero, 0.0, order / torch.where(zero, 1.0, x)) - bessel("complement", order, x)
        case "ratio":
            return bessel("ratio_derivative", order, x)
        case "complement":
            return -bessel("ratio_derivative", order, x)
        case "ratio_derivative":
            return bessel("ratio_second_derivative", order, x)
        case "kl":
            return x * bessel("ratio_derivative", order, x)
        case _:
            raise NotImplementedError("bessel: a compiled I_{ν+1}/I_ν has derivatives up to the second, not beyond")


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
        ctx.order = None if isinstance(order, Tensor) else order
        saved = (x, order) if ctx.order is None else (x,)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:  # noqa: ANN401
        """The chain rule."""
        x, *rest = ctx.saved_tensors
        return None, None, grad * _slope(ctx.kind, rest[0] if rest else ctx.order, x)

    @staticmethod
    def jvp(ctx: Any, _kind: None, _order: Tensor | None, tangent: Tensor) -> Tensor:  # noqa: ANN401
        """The chain rule, forwards."""
        once_forwards()
        x, *rest = ctx.saved_tensors
        return tangent * _slope(ctx.kind, rest[0] if rest else ctx.order, x)


_SCHEMA = "(str kind, float order, Tensor? orders, Tensor x) -> Tensor"


@torch.library.custom_op("hvae_ref::bessel", mutates_args=(), schema=_SCHEMA)
def _operator(kind: str, order: float, orders: Tensor | None, x: Tensor) -> Tensor:
    """`Bessel` as one node of a graph."""
    return Bessel.forward(kind, order if orders is None else orders, x)


@_operator.register_fake
def _fake(kind: str, order: float, orders: Tensor | None, x: Tensor) -> Tensor:
    return torch.empty_like(x)


def _operator_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
    ctx.kind, ctx.order, orders, x = inputs
    ctx.save_for_backward(x, *(() if orders is None else (orders,)))


def _operator_backward(ctx: Any, grad: Tensor) -> tuple[None, None, None, Tensor]:  # noqa: ANN401
    x, *rest = ctx.saved_tensors
    return None, None, None, grad * _slope(ctx.kind, rest[0] if rest else ctx.order, x)


_operator.register_autograd(_operator_backward, setup_context=_operator_context)


@_operator.register_vmap
def _operator_vmap(info: Any, in_dims: tuple[Any, ...], kind: str, order: float, orders: Any, x: Tensor) -> Any:  # noqa: ANN401
    """Elementwise: the mapped dimension goes to the front of both."""
    first, second = (
        value if value is None else value.unsqueeze(0) if dim is None else value.movedim(dim, 0)
        for value, dim in zip((orders, x), in_dims[2:], strict=True)
    )
    if first is not None:
        first, second = torch.broadcast_tensors(first, second)
    return _operator(kind, order, first, second), 0
