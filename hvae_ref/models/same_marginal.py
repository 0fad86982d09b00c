"""Many models of the same data distribution, from one whose latent is useless to ones that know almost all."""

from __future__ import annotations

import torch
from torch import Tensor

from hvae_ref.models.linear_gaussian import LinearGaussianModel
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian


def same_marginal_family(
    covariance: Tensor,
    t: float,
    latent_dim: int = 1,
    weight: Tensor | None = None,
    mean: Tensor | None = None,
) -> LinearGaussianModel:
    """p(x|z) = N(t W z + μ, Σ − t² W Wᵀ) with z ~ N(0, I): p(x) = N(μ, Σ) whatever t; eq. 1.4 in the book.

    By default W holds the leading principal directions of Σ, each scaled by its standard deviation. Then
    I(x; z) = −(d/2) log(1 − t²): nothing at t = 0, without bound as t → 1.

    Args:
        covariance: Σ, (D, D), symmetric positive definite.
        t: how much of W is used, from 0 up; below 1 for the default W.
        latent_dim: d, size of z, for the default W.
        weight: W (D, d), in place of the default one.
        mean: μ, (D,); zeros by default.

    Returns:
        A one-level model with the exact posterior.

    Raises:
        ValueError: where Σ or Σ − t² W Wᵀ is not positive definite (the latent would know a direction of x without
            error, which has no density), or a size does not fit.
    """
    data_dim = len(covariance)
    if not t >= 0:
        raise ValueError(f"t: expected a number of at least 0, got {t}")
    if covariance.shape != (data_dim, data_dim) or not torch.allclose(covariance, covariance.mT):
        raise ValueError(f"covariance: expected a symmetric matrix, got shape {tuple(covariance.shape)}")
    covariance = covariance.double()
    if weight is None:
        if not 1 <= latent_dim <= data_dim:
            raise ValueError(f"latent_dim: expected 1 … {data_dim}, got {latent_dim}")
        variances, directions = torch.linalg.eigh(covariance)
        if not variances[0] > 0:
            raise ValueError(f"covariance: expected a positive definite matrix, its least eigenvalue is {variances[0]}")
        weight = directions[:, -latent_dim:] * variances[-latent_dim:].sqrt()
    if weight.ndim != 2 or len(weight) != data_dim:
        raise ValueError(f"weight: expected shape ({data_dim}, latent_dim), got {tuple(weight.shape)}")
    noise = covariance - t**2 * weight.double() @ weight.double().mT
    least = torch.linalg.eigvalsh(noise)[0]
    if not least > 1e-12 * torch.linalg.eigvalsh(covariance)[-1]:
        raise ValueError(
            f"t: expected Σ − t² W Wᵀ to be positive definite, at t = {t} its least eigenvalue is {least:.3g}; "
            "take a smaller t (below 1 for the default weight)"
        )
    return LinearGaussianModel([ConditionalLinearGaussian(t * weight, covariance=noise, bias=mean)])
