"""The von Mises-Fisher distribution of highest likelihood for given unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from hvae_ref.distributions.base import all_true
from hvae_ref.distributions.sphere.bessel import bessel_ratio_complement, bessel_ratio_derivative
from hvae_ref.distributions.sphere.hyperspherical_uniform import unit_vector

ITERATIONS = 12
"""Newton steps from a bound that is at most a factor of 2 below the root; each doubles the number of right digits."""


@torch.no_grad()
def fit_von_mises_fisher(value: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """μ and κ in float64; `VonMisesFisher.fit` has the arguments.

    A_m is concave, and Newton's method from below the root never crosses it. Solved is 1 − A_m(κ) = 1 − R̄, with
    1 − R̄ = ½ Σ_i w_i ‖z_i − μ‖² / Σ_i w_i, which keeps its digits where all z_i are close.
    """
    z, w = _checked(value, weights)
    w = w / w.sum(0)
    total = (w.unsqueeze(-1) * z).sum(0)
    length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
    first_axis = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)[0]
    loc = torch.where(length > 0, total / torch.where(length > 0, length, 1.0), first_axis)
    complement = 0.5 * (w * (z - loc).square().sum(-1)).sum(0)
    if not all_true(complement > 0):
        raise ValueError("value: expected at least two different unit vectors with a weight above 0, got a single one")
    length, dim = length.squeeze(-1), z.shape[-1]
    complement = torch.where(length > 0, complement, 1.0)
    # Amos' bound A_m(κ) ≤ κ / (a + √(κ² + a²)), a = (m − 1)/2, turned round.
    kappa = (dim - 1) * length / (complement * (2 - complement))
    for _ in range(ITERATIONS):
        missing = bessel_ratio_complement(dim / 2 - 1, kappa) - complement
        kappa = (kappa + missing / bessel_ratio_derivative(dim / 2 - 1, kappa)).clamp(min=0)
    return loc, kappa


def _checked(value: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Unit vectors (n, …, m) and weights (n, …) in float64."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = getattr(value, "dtype", type(value).__name__)
        raise ValueError(f"value: expected a floating-point tensor of unit vectors, got {kind}")
    if value.ndim < 2 or value.shape[-1] < 2 or not len(value):
        raise ValueError(f"value: expected shape (n, …, m) with n ≥ 1 and m ≥ 2, got {tuple(value.shape)}")
    if not all_true(unit_vector.check(value)):
        raise ValueError("value: expected vectors of length 1, got others")
    z = torch.nn.functional.normalize(value.to(torch.float64), dim=-1)
    if weights is None:
        return z, z.new_ones(z.shape[:-1])
    if not isinstance(weights, Tensor) or weights.shape not in (z.shape[:1], z.shape[:-1]):
        raise ValueError(
            f"weights: expected a tensor of shape {tuple(z.shape[:1])} or {tuple(z.shape[:-1])}, "
            f"got {tuple(weights.shape) if isinstance(weights, Tensor) else type(weights).__name__}"
        )
    w = weights.to(z).reshape(len(z), *weights.shape[1:], *[1] * (z.ndim - 1 - weights.ndim)).expand(z.shape[:-1])
    if not all_true((w >= 0).all() & torch.isfinite(w).all() & (w.sum(0) > 0).all()):
        raise ValueError("weights: expected finite values of at least 0 with a sum above 0, got others")
    return z, w
