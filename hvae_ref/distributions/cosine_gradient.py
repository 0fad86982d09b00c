"""The derivative in κ of a draw from the von Mises-Fisher distribution, through its cosine with the mean direction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from hvae_ref.distributions.bessel import bessel_ratio_complement
from hvae_ref.distributions.cosine_sampling import sample_cosine_complement

NODES = 24
# The integrand is followed until it has fallen by this many nats.
DEPTH = 50.0
# Draws whose integrals are taken at once. On a processor a chunk stays in its cache, which is worth a factor of four.
CHUNK, CHUNK_OF_AN_ACCELERATOR = 1 << 9, 1 << 16


class ReparameterisedCosine(torch.autograd.Function):
    """Draw cos θ and sin θ, θ the angle between z ~ vMF(μ, κ) and μ, reparameterised implicitly in κ.

    dθ/dκ = −(∂F/∂κ) / f(θ) = −∫_θ^π (A − cos s) f(s)/f(θ) ds = −∫_0^θ (cos s − A) f(s)/f(θ) ds,
    f(θ) ∝ e^{κ cos θ} sin^{m−2} θ     (5.16)

    with A = E[cos θ]. No draw is differentiated through its rejection, which biases the gradient (misconception V6).

    Reference: Figurnov, Mohamed, Mnih, "Implicit Reparameterization Gradients", NeurIPS 2018.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, concentration: Tensor, dim: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Draws of `shape`, whose last dimensions are those of the float64 `concentration`."""
        w = sample_cosine_complement(concentration.expand(shape).reshape(-1), dim).view(shape)
        ctx.save_for_backward(concentration, w)
        ctx.dim = dim
        return 1 - w, (w * (2 - w)).sqrt()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: FunctionCtx, grad_cosine: Tensor, grad_sine: Tensor) -> tuple[Tensor | None, None, None]:
        """The chain rule by the angle, along which neither cosine nor sine has a singularity."""
        if not ctx.needs_input_grad[0]:
            return None, None, None
        concentration, w = ctx.saved_tensors
        along = (1 - w) * grad_sine - (w * (2 - w)).sqrt() * grad_cosine
        grad = along * angle_derivative(w, concentration, ctx.dim)
        return grad.sum_to_size(concentration.shape), None, None


def angle_derivative(complement: Tensor, concentration: Tensor, dim: int) -> Tensor:
    """dθ/dκ at 1 − cos θ = `complement` (…, *batch) for κ (*batch); equation (5.16), by Gauss-Legendre quadrature.

    Of the two integrals, the one over the side of θ away from the mean has a positive integrand: nothing cancels.
    """
    flat = [complement, concentration, bessel_ratio_complement(dim / 2 - 1, concentration)]
    chunk = CHUNK if complement.device.type == "cpu" else CHUNK_OF_AN_ACCELERATOR
    flat = [part.expand_as(complement).reshape(-1).split(chunk) for part in flat]
    return -torch.cat([_integral(*parts, dim) for parts in zip(*flat, strict=True)]).view_as(complement)


@lru_cache(maxsize=8)
def _gauss_legendre(device: torch.device) -> tuple[Tensor, Tensor]:
    """Nodes and weights for [0, 1], as columns."""
    x, weights = np.polynomial.legendre.leggauss(NODES)
    return tuple(torch.tensor(values, device=device)[:, None] for values in ((1 + x) / 2, weights / 2))


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
