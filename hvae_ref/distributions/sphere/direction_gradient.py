"""How a draw from the von Mises-Fisher distribution follows its mean direction: a gradient with a choice in it."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from hvae_ref.distributions.base import all_true, known_to_be_constant, once_forwards

FEW = 4
"""Coordinates that are added one by one."""

TERMS = 48
"""Of the series below, whose terms shrink by a factor of 2 or more wherever it is used."""


def kummer(dim: int, x: Tensor) -> Tensor:
    """1F1(1; m; −x) = Σ_k (−x)^k / (m (m + 1) … (m + k − 1)) for |x| ≤ m/2, elementwise.

    It is (m − 1) ∫_0^1 (1 − q)^{m−2} e^{−xq} dq: 1 at x = 0, and about m / (m + x).
    """
    factors = -x.unsqueeze(-1) / (dim + torch.arange(TERMS, dtype=x.dtype, device=x.device))
    return 1 + torch.cumprod(factors, -1).sum(-1)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """aᵀb along the last dimension; a few coordinates are added column by column, which is faster than a sum."""
    product = a * b
    return reduce(torch.add, product.unbind(-1)) if product.shape[-1] <= FEW else product.sum(-1)


def _unread(value: Tensor) -> bool:
    """Whether what is computed must not depend on values: on an accelerator they are far, and a graph has none."""
    return value.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing()


class DirectionBackwards(Function):
    """`DirectionGradient` without a forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, loc: Tensor, concentration: Tensor) -> Tensor:
        """Return z (…, m) for μ (…, m) and κ (…), all of one batch shape."""
        # In forward mode torch wants the derivative of a view to be a view, and this one is none.
        return z.clone() if torch.autograd.forward_ad._current_level >= 0 else z.view_as(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:  # noqa: ANN401
        """Keep all three."""
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def saved(ctx: Any) -> tuple[Tensor, ...]:  # noqa: ANN401
        """z, μ and κ."""
        return tuple(known_to_be_constant(value, "a draw of vMF by μ") for value in ctx.saved_tensors)

    @staticmethod
    def field(z: Tensor, loc: Tensor, concentration: Tensor) -> tuple[Tensor, ...]:
        """The cosine between z and μ, w and (1 − w) a(t)."""
        dim = z.shape[-1]
        cosine = inner(z, loc)
        kappa = concentration.double()
        second = (1 - (2 * kappa / dim).square()).clamp(min=0)
        # The series is dear, and concentrated draws do not need it; where values are not read, it is always summed.
        if _unread(second) or not all_true(second == 0):
            x = torch.where(second > 0, kappa * cosine, 0)
            second = second * (kappa / (dim - 1) * kummer(dim, x))
        second = second.to(z.dtype)
        return cosine, (2 * concentration / dim).square().clamp(max=1), second

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:  # noqa: ANN401
        """The gradient passes to z as it is, and to μ through the two fields, without its part along μ."""
        if not ctx.needs_input_grad[1]:
            return grad, None, None
        z, loc, concentration = DirectionBackwards.saved(ctx)
        along_loc = inner(grad, loc)
        if not _unread(z) and all_true(concentration >= z.shape[-1] / 2):
            # The turn alone, w = 1; of what follows all else is 0.
            cosine = inner(z, loc)
            return grad, cosine.unsqueeze(-1) * grad - along_loc.unsqueeze(-1) * z, None
        cosine, turn, second = DirectionBackwards.field(z, loc, concentration)
        along_z = inner(grad, z)
        # Both fields, transposed: w (t g − (μᵀg) z) + (1 − w) a (g − (zᵀg) z).
        by_grad = turn * cosine + second
        by_z = turn * along_loc + second * along_z
        # What is left of it along μ, to be taken out: μ stays a unit vector.
        rest = by_grad * along_loc - by_z * cosine
        to_loc = by_grad.unsqueeze(-1) * grad - by_z.unsqueeze(-1) * z - rest.unsqueeze(-1) * loc
        return grad, to_loc, None


class DirectionGradient(DirectionBackwards):
    """The identity on z, with a gradient in μ that stays small where z knows little of μ.

    A draw may follow its mean direction along any field u on the sphere with  div(p u) = −∂p/∂μ.  For a change e ⟂ μ
    two of them are, with t = μᵀz,

        u = t e − (eᵀz) μ          the turn of the whole sphere, and
        u = a(t) (e − (eᵀz) z),    a(t) = κ ∫_0^1 r^{m−2} e^{−κt(1−r)} dr = κ/(m−1) · 1F1(1; m; −κt).     (5.10)

    Both give E[f(z)] the same gradient. The turn moves z by a length of the order of 1 however small κ is, so that its
    gradient is noise where z is nearly uniform; the second field vanishes with κ, as the distribution's dependence on μ
    does. Used is (1 − w) of the second and w of the first, w = (2κ/m)² up to κ = m/2 and 1 beyond. A gradient through a
    reflection that carries e₁ to μ, as public code has it, is noisier than either of them.

    Differentiable once.
    """

    @staticmethod
    def jvp(ctx: Any, along_z: Tensor | None, along_loc: Tensor | None, _: Tensor | None) -> Tensor:  # noqa: ANN401
        """z follows its own tangent, and that of μ along the two fields."""
        once_forwards()
        z, loc, concentration = DirectionBackwards.saved(ctx)
        cosine, turn, second = DirectionBackwards.field(z, loc, concentration)
        moved = torch.zeros_like(z) if along_z is None else along_z
        if along_loc is None:
            return moved.clone()
        e = along_loc - (along_loc * loc).sum(-1, keepdim=True) * loc
        e_z = (e * z).sum(-1)
        by_e, by_loc, by_z = turn * cosine + second, turn * e_z, second * e_z
        return moved + by_e.unsqueeze(-1) * e - by_loc.unsqueeze(-1) * loc - by_z.unsqueeze(-1) * z
