"""The principal components of the vectors at the positions of one map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hvae_ref.features.pyramid.running_covariance import RunningCovariance

ROUNDING = torch.finfo(torch.float32).eps
"""Vectors of features are known to this share of their length."""


class PrincipalComponents(nn.Module):
    """u = diag(scale)⁻¹ Wᵀ (f − mean) at every position of a map f, and back.

    The columns of W (C, D) are orthonormal: the directions of largest variance, largest first. The scale is 1, or with
    whitening the standard deviation along each direction. A variance that is no more than the rounding of float32
    counts as 0, and such a direction keeps its unit: constant features give u = 0, and come back as they were.

    Args:
        channels: C.
        dim: D, at most C.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("directions", torch.eye(channels, dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("variance", torch.zeros(dim))
        self.register_buffer("discarded_variance", torch.zeros(()))

    def set(self, found: RunningCovariance, whiten: bool, like: Tensor) -> None:
        """Read everything off the mean and the covariance of the vectors.

        Args:
            found: of at least one vector.
            whiten: take the standard deviations as the scale.
            like: the buffers take its dtype and device.
        """
        dim = len(self.variance)
        variance, directions = torch.linalg.eigh(found.covariance)
        variance, directions = variance.flip(0), directions.flip(1)
        size = found.mean.square().sum() + found.covariance.trace()
        variance = torch.where(variance > ROUNDING**2 * size, variance, 0)
        # A direction and its opposite are equally right: the largest entry is made positive, on every machine.
        largest = directions.abs().argmax(0, keepdim=True)
        directions = directions * directions.gather(0, largest).sign()
        scale = torch.where((variance > 0) & whiten, variance.sqrt(), 1)
        self.mean = found.mean.to(like)
        self.directions = directions[:, :dim].to(like).contiguous()
        self.scale, self.variance = scale[:dim].to(like), variance[:dim].to(like)
        self.discarded_variance = variance[dim:].sum().to(like)

    def forward(self, f: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim height width"]:
        """Reduce a map (B, C, H, W) to (B, D, H, W)."""
        mean, reduce = self.mean.to(f), (self.directions / self.scale).to(f)
        return torch.einsum("bchw,cd->bdhw", f - mean[:, None, None], reduce)

    def inverse(self, u: Float[Tensor, "batch dim height width"]) -> Float[Tensor, "batch channels height width"]:
        """The map (B, C, H, W) whose every vector is the nearest of those that reduce to `u` (B, D, H, W)."""
        mean, expand = self.mean.to(u), (self.directions * self.scale).to(u)
        return torch.einsum("bdhw,cd->bchw", u, expand) + mean[:, None, None]
