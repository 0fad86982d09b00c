"""What two concentrations are worth to the divergence between von Mises-Fisher distributions, without cancellation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function

from hvae_ref.distributions.base import apply, once_forwards
from hvae_ref.distributions.sphere.bessel import (
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


class _OfTwoConcentrations(Function):
    """A function of (order, κ_p, κ_q), of which the order has no derivative."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[float, Tensor, Tensor], output: Tensor) -> None:  # noqa: ANN401
        """Keep the inputs."""
        ctx.order, *concentrations = inputs
        ctx.save_for_backward(*concentrations)
        ctx.save_for_forward(*concentrations)


class _RatioDifferenceBackwards(_OfTwoConcentrations):
    """A(κ_q) − A(κ_p), which for close κ is Δ ∫_0^1 A′(κ_p + uΔ) du."""

    @staticmethod
    def forward(order: float, kappa_p: Tensor, kappa_q: Tensor) -> Tensor:
        """Three formulas, each where it does not cancel."""
        close, delta, slopes = _close(order, kappa_p, kappa_q)
        integral = delta * sum(w * slope for w, slope in zip(_WEIGHTS, slopes.unbind(0), strict=True))
        small = torch.maximum(kappa_p, kappa_q) <= order + 1
        of_ratios = bessel_ratio(order, kappa_q) - bessel_ratio(order, kappa_p)
        of_complements = bessel_ratio_complement(order, kappa_p) - bessel_ratio_complement(order, kappa_q)
        return torch.where(close, integral, torch.where(small, of_ratios, of_complements))

    @staticmethod
    def slopes(ctx: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """−A′(κ_p) and A′(κ_q)."""
        kappa_p, kappa_q = ctx.saved_tensors
        return -bessel_ratio_derivative(ctx.order, kappa_p), bessel_ratio_derivative(ctx.order, kappa_q)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor]:  # noqa: ANN401
        """The chain rule."""
        to_p, to_q = _RatioDifferenceBackwards.slopes(ctx)
        return None, grad * to_p, grad * to_q


class RatioDifference(_RatioDifferenceBackwards):
    """A(κ_q) − A(κ_p) with all its digits, also forwards."""

    @staticmethod
    def jvp(ctx: Any, _: None, tangent_p: Tensor | None, tangent_q: Tensor | None) -> Tensor:  # noqa: ANN401
        """The chain rule, forwards."""
        once_forwards()
        return _along(_RatioDifferenceBackwards.slopes(ctx), (tangent_p, tangent_q))


class DivergenceBackwards(_OfTwoConcentrations):
    """`ConcentrationDivergence` without a forward mode."""

    @staticmethod
    def forward(order: float, kappa_p: Tensor, kappa_q: Tensor) -> Tensor:
        """In nats, the shape of the concentrations."""
        close, delta, slopes = _close(order, kappa_p, kappa_q)
        terms = zip(_NODES, _WEIGHTS, slopes.unbind(0), strict=True)
        remainder = delta**2 * sum(w * (1 - u) * slope for u, w, slope in terms)
        scaled_p, scaled_q = (log_bessel_scaled(order, kappa) for kappa in (kappa_p, kappa_q))
        apart = scaled_q - scaled_p + (kappa_q - kappa_p) * bessel_ratio_complement(order, kappa_p)
        return torch.where(close, remainder, apart)

    @staticmethod
    def slopes(ctx: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """−Δ A′(κ_p) and A(κ_q) − A(κ_p)."""
        kappa_p, kappa_q = ctx.saved_tensors
        to_p = (kappa_p - kappa_q) * bessel_ratio_derivative(ctx.order, kappa_p)
        return to_p, apply(RatioDifference, _RatioDifferenceBackwards, ctx.order, kappa_p, kappa_q)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor]:  # noqa: ANN401
        """The chain rule."""
        to_p, to_q = DivergenceBackwards.slopes(ctx)
        return None, grad * to_p, grad * to_q


class ConcentrationDivergence(DivergenceBackwards):
    """L(κ_q) − L(κ_p) − (κ_q − κ_p) A(κ_p): the divergence of vMF(μ, κ_p) from vMF(μ, κ_q), at least 0.

    The three terms cancel where the two κ are close. There they are taken as the remainder of Taylor's formula,
    Δ² ∫_0^1 (1 − u) A′(κ_p + uΔ) du, whose integrand is positive. It is applied to the order m/2 − 1, a number, and two
    float64 tensors of one shape.
    """

    @staticmethod
    def jvp(ctx: Any, _: None, tangent_p: Tensor | None, tangent_q: Tensor | None) -> Tensor:  # noqa: ANN401
        """The chain rule, forwards."""
        once_forwards()
        return _along(DivergenceBackwards.slopes(ctx), (tangent_p, tangent_q))


def _along(slopes: tuple[Tensor, Tensor], tangents: tuple[Tensor | None, Tensor | None]) -> Tensor:
    """The sum of slope · tangent over the arguments that have one."""
    return sum(slope * tangent for slope, tangent in zip(slopes, tangents, strict=True) if tangent is not None)
