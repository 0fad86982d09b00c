"""The derivative in κ of a draw from the von Mises-Fisher distribution, through its cosine with the mean direction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from hvae_ref.distributions.base import all_true, apply, known_to_be_constant, once_forwards
from hvae_ref.distributions.sphere.bessel import bessel_ratio_complement
from hvae_ref.distributions.sphere.cosine_sampling import draw_cosine_complement

NODES = 24
_X, _W = np.polynomial.legendre.leggauss(NODES)
_NODES, _WEIGHTS = ((1 + _X) / 2).tolist(), (_W / 2).tolist()
# Below this κ the series of three dimensions has all digits, above it the closed form has.
SMALL = 2e-3
# The integrand is followed until it has fallen by this many nats.
DEPTH = 50.0
# Draws whose integrals are taken at once. On a processor a chunk stays in its cache, which is worth a factor of four.
CHUNK, CHUNK_OF_AN_ACCELERATOR = 1 << 9, 1 << 16


class _FollowedBackwards(Function):
    """`FollowedCosine` without a forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(complement: Tensor, concentration: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        """cos θ and sin θ of w = 1 − cos θ; the concentration has w's shape, or that of its last dimensions."""
        return 1 - complement, (complement * (2 - complement)).sqrt()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: tuple[Tensor, Tensor]) -> None:  # noqa: ANN401
        """Keep the draw."""
        complement, concentration, ctx.dim = inputs
        ctx.save_for_backward(complement, concentration)
        ctx.save_for_forward(complement, concentration)

    @staticmethod
    def slope(ctx: Any) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
        """cos θ, sin θ and dθ/dκ."""
        w, kappa = (known_to_be_constant(value, "a draw of vMF by κ") for value in ctx.saved_tensors)
        sine = (w * (2 - w)).sqrt()
        in_three = ctx.dim == 3
        return 1 - w, sine, _in_three_dimensions(w, kappa, sine) if in_three else angle_derivative(w, kappa, ctx.dim)

    @staticmethod
    def backward(ctx: Any, grad_cosine: Tensor, grad_sine: Tensor) -> tuple[None, Tensor | None, None]:  # noqa: ANN401
        """The chain rule by the angle, along which neither cosine nor sine has a singularity."""
        if not ctx.needs_input_grad[1]:
            return None, None, None
        cosine, sine, slope = _FollowedBackwards.slope(ctx)
        grad = (cosine * grad_sine - sine * grad_cosine) * slope
        return None, grad.sum_to_size(ctx.saved_tensors[1].shape), None


class FollowedCosine(_FollowedBackwards):
    """cos θ and sin θ, θ the angle between z ~ vMF(μ, κ) and μ, reparameterised implicitly in κ.

    dθ/dκ = −(∂F/∂κ) / f(θ) = −∫_θ^π (A − cos s) f(s)/f(θ) ds = −∫_0^θ (cos s − A) f(s)/f(θ) ds,
    f(θ) ∝ e^{κ cos θ} sin^{m−2} θ     (5.16)

    with A = E[cos θ]. No draw is differentiated through its rejection, which biases the gradient (misconception V6).
    It is applied to w = 1 − cos θ, κ and m. Differentiable once.

    Reference: Figurnov, Mohamed, Mnih, "Implicit Reparameterization Gradients", NeurIPS 2018.
    """

    @staticmethod
    def jvp(ctx: Any, _w: Tensor | None, tangent: Tensor | None, _dim: None) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """The chain rule, forwards."""
        once_forwards()
        cosine, sine, slope = _FollowedBackwards.slope(ctx)
        along = slope * (torch.zeros_like(slope) if tangent is None else tangent)
        return -sine * along, cosine * along


def reparameterised_cosine(concentration: Tensor, dim: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Draws of cos θ and sin θ, of `shape`, whose last dimensions are those of the float64 `concentration`."""
    w = draw_cosine_complement(concentration.detach().expand(shape).reshape(-1), dim).view(shape)
    return apply(FollowedCosine, _FollowedBackwards, w, concentration, dim)


def angle_derivative(complement: Tensor, concentration: Tensor, dim: int) -> Tensor:
    """dθ/dκ at 1 − cos θ = `complement` (…, *batch) for κ (*batch); equation (5.16), by Gauss-Legendre quadrature.

    Of the two integrals, the one over the side of θ away from the mean has a positive integrand: nothing cancels. For
    m = 3 there is a closed form.
    """
    if dim == 3:
        return _in_three_dimensions(complement, concentration, (complement * (2 - complement)).sqrt())
    flat = [complement, concentration, bessel_ratio_complement(dim / 2 - 1, concentration)]
    chunk = CHUNK if complement.device.type == "cpu" else CHUNK_OF_AN_ACCELERATOR
    flat = [part.expand_as(complement).reshape(-1).split(chunk) for part in flat]
    return -torch.cat([_integral(*parts, dim) for parts in zip(*flat, strict=True)]).view_as(complement)


def _in_three_dimensions(w: Tensor, kappa: Tensor, sine: Tensor) -> Tensor:
    """dθ/dκ for m = 3, where F(w) = (1 − e^{−κw}) / (1 − e^{−2κ}), from both ends, so that neither tail cancels.

    For small κ, where all of it cancels, the first terms of its series:
    dw/dκ = −w (2 − w) Σ_j κ^j/(j+2)! (w^j + 2 w^{j−1} + … + 2^j) · 2κ/(e^{2κ} − 1).
    """
    rest = 2 - w
    near = w < 1
    whole = -torch.expm1(-2 * kappa)
    part = -torch.expm1(-kappa * torch.where(near, w, rest)) / whole
    change = torch.where(near, 2 * torch.exp(-kappa * rest) * part - w, rest - 2 * part)
    # All that is divided by may be 0, and the quotient is then not used.
    exact = change / (kappa * sine)
    small_kappa = (kappa < SMALL) | (sine == 0)
    # The series is dear, and rarely needed; where values are not read, it is always summed.
    unread = w.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing()
    if not unread and all_true(~small_kappa):
        return exact
    k, second = kappa.clamp(max=SMALL), w * w
    third = 2 * (second + 2 * w + 4)
    series = 0.5 + k / 6 * (w + 2) + k * k / 24 * (second + 2 * w + 4) + k**3 / 120 * (second * w + third)
    small = -sine * series * (1 - k + k * k / 3 - k**4 / 45)
    return torch.where(small_kappa, small, exact)


@lru_cache(maxsize=8)
def _gauss_legendre(device: torch.device) -> tuple[Tensor, Tensor]:
    """Nodes and weights for [0, 1], as columns."""
    return tuple(torch.tensor(values, dtype=torch.float64, device=device)[:, None] for values in (_NODES, _WEIGHTS))


def _integral(w: Tensor, kappa: Tensor, mean_complement: Tensor, dim: int) -> Tensor:
    """∫ |cos s − A| f(s)/f(θ) ds over the side of θ away from the bulk."""
    cosine, sine = 1 - w, (w * (2 - w)).sqrt()
    angle = 2 * torch.atan2(w.sqrt(), (2 - w).sqrt())
    outwards = torch.where(w > mean_complement, 1.0, -1.0).to(w.dtype)
    tangent = cosine / sine.clamp(min=1e-150)

    # How far the log-density takes to fall by DEPTH, were it a parabola with the curvature that it has at the mode.
    twice = dim - 2 + torch.hypot(2 * kappa, torch.full_like(kappa, dim - 2))
    curvature = 2 * kappa * kappa / twice.clamp(min=1e-150) + twice / 2
    slope = outwards * (kappa * sine - (dim - 2) * tangent)
    reach = 2 * DEPTH / (slope + (slope * slope + 2 * DEPTH * curvature).sqrt())
    # e^{κ cos s} flattens towards π: for small κ it has not fallen there, and the way leads to the end.
    end = torch.where(outwards > 0, torch.pi - angle, angle)
    reach = torch.where(reach > end / torch.where(kappa < DEPTH / 2, 2.0, 1.0), end, reach)

    # s = θ ± δ by ρ = tan(δ/4): sine and cosine of δ/2 are then rational.
    nodes, weights = _gauss_legendre(w.device)
    last = (reach / 4).tan()
    rho = nodes * last
    square = rho * rho
    over = 1 / (1 + square)
    half_sine, half_cosine = 2 * rho * over, (1 - square) * over
    both = 2 * outwards * half_sine * half_cosine
    versine = 2 * half_sine * half_sine
    # cos θ − cos s and sin s / sin θ
    fall = cosine * versine + sine * both
    ratio = 1 - versine + tangent * both
    density = torch.exp((dim - 2) * ratio.clamp(min=1e-300).log() - kappa * fall)
    distance = outwards * (w - mean_complement + fall)
    return (weights * 4 * over * density * distance).sum(0) * last
