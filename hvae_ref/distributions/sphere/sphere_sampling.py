"""Reparameterised draws from the von Mises-Fisher distribution: a cosine, a direction around it, a reflection."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.distributions.base import apply
from hvae_ref.distributions.sphere.cosine_gradient import reparameterised_cosine
from hvae_ref.distributions.sphere.direction_gradient import DirectionBackwards, DirectionGradient, inner


def sample_von_mises_fisher(
    loc: Float[Tensor, "*batch dim"], concentration: Float[Tensor, "*batch"], sample_shape: Sequence[int] = ()
) -> Float[Tensor, "*draws dim"]:
    """Draw z ~ vMF(μ, κ), differentiable in the mean direction and in the concentration.

    z = t μ + √(1 − t²) v,  v uniform among the unit vectors orthogonal to μ

    The gradient in κ is that of `FollowedCosine` (5.16), the one in μ that of `DirectionGradient` (5.10); both
    are unbiased for the expectation of any differentiable function of z.

    Args:
        loc: μ, unit vectors of m ≥ 2 coordinates.
        concentration: κ ≥ 0; 0 is the uniform distribution.
        sample_shape: how many draws for each of the batch.

    Returns:
        Unit vectors, `sample_shape + batch + (dim,)`, of the dtype of `loc`.
    """
    shape = torch.Size(sample_shape) + loc.shape[:-1]
    # Scalars are float64 until they meet the vectors: 1 − t has no digits left in float32 once κ ≫ m.
    cosine, sine = reparameterised_cosine(concentration.double(), loc.shape[-1], shape)
    noise = torch.randn_like(loc.expand(*shape, -1))
    z = place_around(loc.detach(), cosine.to(loc.dtype), sine.to(loc.dtype), noise)
    return apply(DirectionGradient, DirectionBackwards, z, loc.expand_as(z), concentration.detach().expand(shape))


def place_around(
    loc: Float[Tensor, "*#batch dim"],
    cosine: Float[Tensor, "*batch"],
    sine: Float[Tensor, "*batch"],
    noise: Float[Tensor, "*batch dim"],
) -> Float[Tensor, "*batch dim"]:
    """The unit vector at a given angle from μ, in the direction that Gaussian noise decides.

    z = −s H (t, √(1 − t²) v),  H = I − 2uuᵀ/uᵀu,  u = μ + s e₁,  s = sign μ₁,  v = noise₂..ₘ / ‖noise₂..ₘ‖     (5.15)

    H maps e₁ to −sμ, so that z has the cosine t with μ. The customary reflection has u = e₁ − μ, which is 0/0 where the
    two meet (misconception V7); the sign here keeps ‖u‖² = 2(1 + |μ₁|) ≥ 2 everywhere. −sv is as uniform as v, and
    stands for it below, and of the product little is left: z = t μ + √(1 − t²) (v − p μ − s p e₁),
    p = μᵀv / (1 + |μ₁|). What stands in brackets depends on neither t nor κ, and a backward pass does not enter it.

    Args:
        loc: μ, unit vectors.
        cosine: t.
        sine: √(1 − t²), given because it cannot be had from a rounded t.
        noise: standard normal. It is overwritten.

    Returns:
        z, of norm 1, differentiable in `loc`, `cosine` and `sine`.
    """
    first = loc[..., 0]
    with torch.no_grad():
        noise[..., 0] = 0
        length = torch.linalg.vector_norm(noise, dim=-1)
        # All zeros has a tiny probability in float32, and any direction will do for it.
        empty = length == 0
        noise[..., 1] += empty
        length += empty
        side = torch.ones_like(first).copysign(first)
    v = noise / length.unsqueeze(-1)
    p = inner(loc, v) / (1 + first.abs())
    across = v - p.unsqueeze(-1) * loc
    across[..., 0] -= side * p
    return torch.addcmul(cosine.unsqueeze(-1) * loc, sine.unsqueeze(-1), across)
