"""An event of several axes seen as one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, kl_divergence
from torch.distributions.kl import register_kl


class FlattenedEvent(Distribution):
    """A distribution with its event axes joined into one: event (S, m) becomes (S·m,), densities stay as they are.

    A product of S spheres is `FlattenedEvent(Independent(VonMisesFisher(loc, concentration), 1))`, loc (B, S, m): models see one
    latent of size S·m. KL(FlattenedEvent(q) ‖ FlattenedEvent(p)) = KL(q ‖ p); for a product that is the sum over its factors.

    Args:
        base: with an event of at least two axes.

    Raises:
        ValueError: for a scalar or vector event.

    >>> from torch.distributions import Independent, Normal
    >>> FlattenedEvent(Independent(Normal(torch.zeros(5, 2, 3), torch.ones(5, 2, 3)), 2)).event_shape
    torch.Size([6])
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector

    def __init__(self, base: Distribution) -> None:
        if len(base.event_shape) < 2:
            raise ValueError(f"base: expected an event of two axes or more, got {tuple(base.event_shape)}")
        self.base = base
        super().__init__(base.batch_shape, torch.Size([base.event_shape.numel()]), validate_args=False)

    @property
    def has_rsample(self) -> bool:
        """Whether samples carry gradients."""
        return self.base.has_rsample

    @property
    def mean(self) -> Tensor:
        """E[z], batch shape + (size,)."""
        return self._join(self.base.mean)

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate, batch shape + (size,)."""
        return self._join(self.base.variance)

    def expand(self, batch_shape: Sequence[int], _instance: FlattenedEvent | None = None) -> FlattenedEvent:
        """Answer the same distribution with a larger batch shape, without copying the parameters."""
        return FlattenedEvent(self.base.expand(torch.Size(batch_shape)))

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw from the base, sample_shape + batch shape + (size,)."""
        return self._join(self.base.rsample(torch.Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value) for value (…, size)."""
        if value.shape[-1:] != self.event_shape:
            raise ValueError(f"value: expected a last dimension of {self.event_shape[0]}, got {tuple(value.shape)}")
        return self.base.log_prob(value.unflatten(-1, self.base.event_shape))

    def entropy(self) -> Tensor:
        """Entropy of the base, batch shape."""
        return self.base.entropy()

    def _join(self, value: Tensor) -> Tensor:
        return value.flatten(-len(self.base.event_shape))


@register_kl(FlattenedEvent, FlattenedEvent)
def _kl_flat(q: FlattenedEvent, p: FlattenedEvent) -> Tensor:
    return kl_divergence(q.base, p.base)
