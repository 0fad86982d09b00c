"""A distribution over vectors whose elements are drawn one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from hvae_ref.distributions.base import checked_shape, expanded
from hvae_ref.distributions.tracing import values_are_known
from hvae_ref.errors import whole_number


class Autoregressive(Distribution):
    """p(x) = Π_i p(x_i | x_1 … x_{i−1}), the conditionals given by one call of a masked net.

    Args:
        conditionals: maps x (…, D) to a distribution of batch shape (…, D) whose element i must depend on
            x_1 … x_{i−1} only. This is not checked here; a `MADE` guarantees it.
        batch_shape: shape of a sample without its last dimension.
        data_dim: D.
        like: a tensor with the dtype and device of the samples.

    Raises:
        ValueError: where the sizes are no whole numbers, D is below 1, or `like` is no tensor.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_rsample = False

    def __init__(
        self,
        conditionals: Callable[[Tensor], Distribution],
        batch_shape: Sequence[int],
        data_dim: int,
        like: Tensor,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(like, Tensor):
            raise ValueError(f"like: expected a tensor, got {type(like).__name__}")
        self.conditionals, self.like = conditionals, like
        event_shape = torch.Size((whole_number("data_dim", data_dim),))
        super().__init__(checked_shape("batch_shape", batch_shape), event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Autoregressive | None = None) -> Autoregressive:
        """The same distribution with a larger batch shape; the net has to take x with more dimensions before D."""
        return expanded(self, batch_shape, _instance)

    @constraints.dependent_property(event_dim=1)
    def support(self) -> constraints.Constraint:
        """Vectors whose elements each lie in the support of their conditional."""
        empty = self.like.new_zeros(self.batch_shape + self.event_shape)
        return constraints.independent(self.conditionals(empty).support, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value) for values (…, D) that broadcast with the batch, one pass through the net; (…), nats.

        Raises:
            ValueError: for another last dimension than D, which a net may not notice, other shapes that do not
                broadcast, no tensor, and values outside of the support.
        """
        if not isinstance(value, Tensor) or value.shape[-1:] != self.event_shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"value: expected a tensor (…, {self.event_shape[0]}), got {got}")
        try:
            shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        except RuntimeError as error:
            wanted = (*self.batch_shape, *self.event_shape)
            raise ValueError(
                f"value: expected a shape that broadcasts with {wanted}, got {tuple(value.shape)}"
            ) from error
        value = value.expand(*shape, -1)
        conditionals = self.conditionals(value)
        if self._validate_args and not conditionals._validate_args and values_are_known():
            conditionals._validate_sample(value)
        return conditionals.log_prob(value).sum(-1)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw `sample_shape + batch_shape + (D,)`; D passes through the net, one an element."""
        sample_shape = checked_shape("sample_shape", sample_shape)
        if len(sample_shape):
            draws = [self.sample() for _ in range(sample_shape.numel())]
            shape = self._extended_shape(sample_shape)
            return torch.stack(draws).view(shape) if draws else self.like.new_zeros(shape)
        with torch.no_grad():
            x = self.like.new_zeros(self.batch_shape + self.event_shape)
            for i in range(self.event_shape[0]):
                x[..., i] = self.conditionals(x).sample()[..., i]
        return x

    @property
    def mean(self) -> Tensor:
        """A chain of conditional means: each element's mean given the *means* of those before it.

        The exact mean has no closed form; this is the noise-free picture usually shown in its place.
        """
        with torch.no_grad():
            x = self.like.new_zeros(self.batch_shape + self.event_shape)
            for i in range(self.event_shape[0]):
                x[..., i] = self.conditionals(x).mean[..., i]
        return x
