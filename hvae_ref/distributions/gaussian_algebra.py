"""Linear maps with Gaussian noise: conditioning, reversing and chaining them without sampling."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """y | u ~ N(W u + b, S S^T): an arrow of a graphical model whose algebra is known.

    Attributes:
        weight: W, (D_y, D_u).
        bias: b, (D_y,).
        scale_tril: S, lower Cholesky factor of the noise covariance, (D_y, D_y).
    """

    weight: Tensor
    bias: Tensor
    scale_tril: Tensor

    def __call__(self, given: Tensor) -> MultivariateNormal:
        """p(y | u) for u (B, D_u): batch (B,), event (D_y,)."""
        return MultivariateNormal(self.mean(given), scale_tril=self.scale_tril)

    def mean(self, given: Tensor) -> Tensor:
        """W u + b for u (B, D_u)."""
        return given @ self.weight.mT + self.bias

    @property
    def covariance(self) -> Tensor:
        """Covariance S S^T of the noise, (D_y, D_y)."""
        return self.scale_tril @ self.scale_tril.mT

    def reverse(self, mean: Tensor, covariance: Tensor) -> LinearGaussian:
        """The arrow u | y by Bayes' rule, where u ~ N(mean, covariance).

        With Λ = covariance⁻¹ + Wᵀ Σ⁻¹ W and Σ the noise covariance:
        u | y ~ N(Λ⁻¹ (Wᵀ Σ⁻¹ (y − b) + covariance⁻¹ mean), Λ⁻¹).

        Args:
            mean: (D_u,).
            covariance: (D_u, D_u), positive definite.
        """
        prior_precision = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
        information = torch.cholesky_solve(self.weight, self.scale_tril).mT
        posterior = torch.cholesky_inverse(torch.linalg.cholesky(prior_precision + information @ self.weight))
        bias = posterior @ (prior_precision @ mean - information @ self.bias)
        return LinearGaussian(posterior @ information, bias, torch.linalg.cholesky(posterior))


@dataclass(frozen=True)
class ChainMoments:
    """Means and covariances of the vectors of a Gaussian chain, in the order of the chain.

    Attributes:
        means: one a vector, (D_i,) or (B, D_i).
        blocks: `blocks[i][j]` is Cov(v_i, v_j), (D_i, D_j), the same for the whole batch.
    """

    means: list[Tensor]
    blocks: list[list[Tensor]]

    def joint(self, *order: int) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the vectors at these places, concatenated in this order."""
        rows = [torch.cat([self.blocks[i][j] for j in order], -1) for i in order]
        return torch.cat([self.means[i] for i in order], -1), torch.cat(rows, -2)


def chain_moments(mean: Tensor, covariance: Tensor, arrows: Iterable[LinearGaussian]) -> ChainMoments:
    """Moments of v_0 ~ N(mean, covariance), v_1 | v_0, v_2 | v_1, …, one arrow a step.

    Args:
        mean: of v_0, (D_0,) or (B, D_0).
        covariance: of v_0, (D_0, D_0).
        arrows: v_{i+1} | v_i for i = 0, 1, ….
    """
    means, blocks = [mean], [[covariance]]
    for arrow in arrows:
        means.append(arrow.mean(means[-1]))
        cross = [row[-1] @ arrow.weight.mT for row in blocks]
        for row, block in zip(blocks, cross, strict=True):
            row.append(block)
        blocks.append([block.mT for block in cross] + [arrow.weight @ cross[-1] + arrow.covariance])
    return ChainMoments(means, blocks)


def gaussian_entropy(covariance: Tensor) -> Tensor:
    """Entropy ½ log det(2πe Σ) of Gaussians with covariances Σ (…, D, D); (…) nats.

    It is also the most that any density of covariance Σ can have.
    """
    d = covariance.shape[-1]
    log_det = 2 * torch.linalg.cholesky(covariance).diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return 0.5 * (d * (1 + math.log(2 * math.pi)) + log_det)


def expected_log_normal(residual: Tensor, residual_covariance: Tensor, scale_tril: Tensor) -> Tensor:
    """E[log N(r; 0, Σ)] for a Gaussian r: log N(E r; 0, Σ) − ½ tr(Σ⁻¹ Cov r).

    Args:
        residual: E r, (B, D).
        residual_covariance: Cov r, (D, D).
        scale_tril: lower Cholesky factor of Σ, (D, D).

    Returns:
        (B,) nats.
    """
    at_mean = MultivariateNormal(torch.zeros_like(residual), scale_tril=scale_tril).log_prob(residual)
    return at_mean - 0.5 * torch.cholesky_solve(residual_covariance, scale_tril).trace()
