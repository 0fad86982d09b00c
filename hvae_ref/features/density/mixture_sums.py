"""Sums over rows that give the mixture of highest expected likelihood, under three kinds of covariances."""

from __future__ import annotations

import torch
from torch import Tensor

from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.pyramid.principal_components import ROUNDING

COVARIANCES = ("full", "diagonal", "tied")
"""Of each component for itself; of independent coordinates; one for all components."""


def free_parameters(components: int, dim: int, covariance: str) -> int:
    """How many numbers of a mixture can be chosen: weights that sum to 1, locations, and covariances.

    >>> [free_parameters(3, 2, kind) for kind in COVARIANCES]
    [17, 14, 11]
    """
    whole = dim * (dim + 1) // 2
    return (
        components
        - 1
        + components * dim
        + {"full": components * whole, "diagonal": components * dim, "tied": whole}[covariance]
    )


class Sums:
    """What the maximisation needs of all rows: sums of responsibilities, and of rows and squares around `origin`."""

    def __init__(self, origin: Tensor, covariance: str = "full") -> None:
        components, dim = origin.shape
        self.origin, self.covariance, self.rows = origin, covariance, 0
        self.count = origin.new_zeros(components)
        self.first = origin.new_zeros(components, dim)
        self.second = origin.new_zeros(components, dim, *[dim] * (covariance != "diagonal"))

    def add(self, x: Tensor, responsibilities: Tensor) -> None:
        """Take rows x (n, D) in, with their responsibilities (n, K)."""
        self.rows += len(x)
        self.count += responsibilities.sum(0)
        for k, r in enumerate(responsibilities.unbind(-1)):
            centred = x - self.origin[k]
            weighted = r.unsqueeze(-1) * centred
            self.first[k] += weighted.sum(0)
            self.second[k] += (weighted * centred).sum(0) if self.covariance == "diagonal" else weighted.mT @ centred

    def mixture(self, min_scale: float) -> GaussianMixture:
        """The mixture of highest expected likelihood. A component without rows keeps its place and has no weight."""
        tiny = 10 * torch.finfo(self.count.dtype).eps
        count = self.count + tiny
        shift = self.first / count.unsqueeze(-1)
        if self.covariance == "diagonal":
            variance = (self.second / count.unsqueeze(-1) - shift.square()).clamp_min(0)
            least = _least(variance.sum(-1), min_scale)
            scale_tril = torch.diag_embed((variance + least.unsqueeze(-1)).sqrt())
        else:
            scatter = self.second / count[:, None, None] - shift.unsqueeze(-1) * shift.unsqueeze(-2)
            if self.covariance == "tied":
                scatter = (count[:, None, None] * scatter).sum(0, keepdim=True) / count.sum()
            least = _least(scatter.diagonal(dim1=-2, dim2=-1).sum(-1), min_scale)
            identity = torch.eye(shift.shape[-1], dtype=shift.dtype, device=shift.device)
            scale_tril = torch.linalg.cholesky((scatter + scatter.mT) / 2 + least[:, None, None] * identity)
            scale_tril = scale_tril.expand(len(shift), -1, -1)
        return GaussianMixture(count.log(), self.origin + shift, scale_tril, validate_args=False)


def _least(size: Tensor, min_scale: float) -> Tensor:
    """What is added to a variance. No direction is known more exactly than rows are in float32: less is rounding."""
    return (ROUNDING**2 * size).clamp_min(min_scale**2)
