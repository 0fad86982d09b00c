"""What two concentrations are worth to the divergence between von Mises-Fisher distributions, without cancellation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import Function, FunctionCtx

from hvae_ref.distributions.bessel import (
    bessel_ratio,
    bessel_ratio_complement,
    bessel_ratio_derivative,
    log_bessel_scaled,
)

# Gauss-Legendre nodes and weights on [0, 1].
_NODES = (0.04691007703066802, 0.23076534494715845, 0.5, 0.7692346550528415, 0.9530899229693319)
_WEIGHTS = (0.11846344252809454, 0.23931433524968324, 0.28444444444444444, 0.23931433524968324, 0.11846344252809454)


def _close(order: float, kappa_p: Tensor, kappa_q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where five nodes suffice, Δ = κ_q − κ_p there and 0 elsewhere, and A′ at the nodes.

    A′ varies on the scale κ + m/2: the poles of A lie on the imaginary axis, beyond m/2.
    """
    delta = kappa_q - kappa_p
    close = delta.abs() <= (kappa_p + order + 1) / 8
    delta = torch.where(close, delta, 0.0)
    return close, delta, bessel_ratio_derivative(order, torch.stack([kappa_p + u * delta for u in _NODES]))


class _RatioDifference(Function):
    """A(κ_q) − A(κ_p), which for close κ is Δ ∫_0^1 A′(κ_p + uΔ) du."""

    @staticmethod
    def forward(ctx: FunctionCtx, order: float, kappa_p: Tensor, kappa_q: Tensor) -> Tensor:
        """Three formulas, each where it does not cancel."""
        ctx.order = order
        ctx.save_for_backward(kappa_p, kappa_q)
        close, delta, slopes = _close(order, kappa_p, kappa_q)
        integral = delta * sum(w * slope for w, slope in zip(_WEIGHTS, slopes, strict=True))
        small = torch.maximum(kappa_p, kappa_q) <= order + 1
        of_ratios = bessel_ratio(order, kappa_q) - bessel_ratio(order, kappa_p)
        of_complements = bessel_ratio_complement(order, kappa_p) - bessel_ratio_complement(order, kappa_q)
        return torch.where(close, integral, torch.where(small, of_ratios, of_complements))

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[None, Tensor, Tensor]:
        """−A′(κ_p) and A′(κ_q)."""
        kappa_p, kappa_q = ctx.saved_tensors
        slope_p, slope_q = (bessel_ratio_derivative(ctx.order, kappa) for kappa in (kappa_p, kappa_q))
        return None, -grad * slope_p, grad * slope_q


class ConcentrationDivergence(Function):
    """L(κ_q) − L(κ_p) − (κ_q − κ_p) A(κ_p): the divergence of vMF(μ, κ_p) from vMF(μ, κ_q), at least 0.

    The three terms cancel where the two κ are close. There they are taken as the remainder of Taylor's formula,
    Δ² ∫_0^1 (1 − u) A′(κ_p + uΔ) du, whose integrand is positive. `apply` takes the order m/2 − 1, a number, and two
    float64 tensors of one shape.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, order: float, kappa_p: Tensor, kappa_q: Tensor) -> Tensor:
        """In nats, the shape of the concentrations."""
        ctx.order = order
        ctx.save_for_backward(kappa_p, kappa_q)
        close, delta, slopes = _close(order, kappa_p, kappa_q)
        terms = zip(_NODES, _WEIGHTS, slopes, strict=True)
        remainder = delta**2 * sum(w * (1 - u) * slope for u, w, slope in terms)
        scaled_p, scaled_q = (log_bessel_scaled(order, kappa) for kappa in (kappa_p, kappa_q))
        apart = scaled_q - scaled_p + (kappa_q - kappa_p) * bessel_ratio_complement(order, kappa_p)
        return torch.where(close, remainder, apart)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[None, Tensor, Tensor]:
        """−Δ A′(κ_p) and A(κ_q) − A(κ_p)."""
        kappa_p, kappa_q = ctx.saved_tensors
        to_p = (kappa_p - kappa_q) * bessel_ratio_derivative(ctx.order, kappa_p)
        return None, grad * to_p, grad * _RatioDifference.apply(ctx.order, kappa_p, kappa_q)
