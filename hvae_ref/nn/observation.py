"""What a model is given, checked and put on the scale of nets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from hvae_ref.nn.likelihoods import Likelihood


def event_shape(x_shape: int | Sequence[int]) -> torch.Size:
    """The shape of one example: D stands for (D,).

    Raises:
        ValueError: for no size, or a size below 1.

    >>> event_shape(64), event_shape((1, 28, 28))
    (torch.Size([64]), torch.Size([1, 28, 28]))
    """
    shape = (x_shape,) if isinstance(x_shape, int) else tuple(x_shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"x_shape: expected a size or sizes of at least 1, got {x_shape!r}")
    return torch.Size(shape)


class Observation(nn.Module):
    """What a model is given: x of a known shape and support, and a condition where the model has one.

    Args:
        x_shape: event shape of x, (D,) or (C, H, W).
        likelihood: what x may be and how nets see it; None for any finite numbers, seen as they are.
        condition: checks and embeds a condition; None for a model without one.
    """

    def __init__(self, x_shape: Sequence[int], likelihood: Likelihood | None, condition: nn.Module | None) -> None:
        super().__init__()
        self.x_shape, self.likelihood, self.condition = torch.Size(x_shape), likelihood, condition
        self.scale, self.shift = (1.0, 0.0) if likelihood is None else likelihood.affine

    def forward(self, x: Tensor, condition: Tensor | None, like: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Check x (B, *x_shape) and the condition, and return what nets see of both: x as embedded, and a tuple of c.

        Raises:
            ValueError: for a shape, dtype or device that is not the model's (`like`), or values out of the support.
        """
        self.check(x, like)
        alone = self.condition is None and condition is None
        return x * self.scale + self.shift, () if alone else self.given(condition, len(x))

    def check(self, x: Tensor, like: Tensor) -> None:
        """Refuse an x that is not (B, *x_shape), or not of the model's dtype, device and support.

        Raises:
            ValueError: with what was expected, what came and what to do.
        """
        if not isinstance(x, Tensor) or x.shape[1:] != self.x_shape or not len(x):
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            expected = ", ".join(map(str, ("batch", *self.x_shape)))
            raise ValueError(f"x: expected a tensor of shape ({expected}), batch at least 1, got {got}")
        if x.dtype != like.dtype or x.device != like.device:
            raise ValueError(
                f"x: expected {like.dtype} on {like.device}, the model's, got {x.dtype} on {x.device}; "
                "convert it with x.to(…)"
            )
        if not torch.compiler.is_compiling():
            support = constraints.real if self.likelihood is None else self.likelihood.support
            if not (support.check(x) & torch.isfinite(x)).all():
                wanted = "finite numbers" if self.likelihood is None else self.likelihood.wanted
                raise ValueError(f"x: expected {wanted}; got values from {x.min():g} to {x.max():g}")

    def given(self, condition: Tensor | None, rows: int) -> tuple[Tensor, ...]:
        """A condition as nets see it, (rows, C) in a tuple; an empty tuple for a model without one."""
        if self.condition is None:
            if condition is not None:
                raise ValueError("condition: expected None, for this model has no condition; leave it out")
            return ()
        if condition is None:
            raise ValueError("condition: expected one, for this model is conditional, got None")
        return (self.condition(condition, rows),)
