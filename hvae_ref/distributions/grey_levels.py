"""A categorical over numbers: grey levels, which have a mean and a variance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Categorical

from hvae_ref.distributions.base import checked_shape, expanded


class GreyLevels(Categorical):
    """A categorical over the grey levels 0 … V − 1 that also has the mean and the variance of its *values*."""

    def expand(self, batch_shape: Sequence[int], _instance: GreyLevels | None = None) -> GreyLevels:
        """The same distribution with a larger batch shape, without copying the parameters."""
        held = {name: 1 for name in ("probs", "logits", "_param") if name in vars(self)}
        return expanded(self, batch_shape, _instance, **held)

    @property
    def mean(self) -> Tensor:
        """Expected grey level, batch shape."""
        return (self.probs * self._levels).sum(-1)

    @property
    def variance(self) -> Tensor:
        """Variance of the grey level, batch shape."""
        return (self.probs * (self._levels - self.mean.unsqueeze(-1)) ** 2).sum(-1)

    @property
    def _levels(self) -> Tensor:
        return torch.arange(self.probs.shape[-1], device=self.probs.device)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw grey levels in the dtype of the logits, as the data sets hold them."""
        sample_shape = checked_shape("sample_shape", sample_shape)
        if 0 in sample_shape:
            return self.logits.new_zeros(self._extended_shape(sample_shape))
        return super().sample(sample_shape).to(self.logits.dtype)
