"""The condition of an evoked response: static parameters in their own units, checked and put on a common scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvae_ref.abr.data import STATIC_NAMES, STATICS, check_condition
from hvae_ref.distributions.tracing import values_are_known
from hvae_ref.errors import did_you_mean
from hvae_ref.nn.conditions import Condition

COUNTS = ("sweeps",)
"""Static parameters that act by their ratios, and are put on a logarithmic scale."""


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of static parameters, in the order of `STATIC_NAMES`.

    Raises:
        ValueError: for no names, a string, an unknown name (with the closest one), a repetition, or another order.
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"covariates: expected a sequence of names out of {', '.join(STATIC_NAMES)}, got {names!r}")
    for name in names:
        if name not in STATIC_NAMES:
            hint = did_you_mean(name, STATIC_NAMES, f"; expected some of {', '.join(STATIC_NAMES)}")
            raise ValueError(f"covariates: unknown {name!r}{hint}")
    ordered = tuple(name for name in STATIC_NAMES if name in names)
    if tuple(names) != ordered:
        raise ValueError(
            f"covariates: expected each name once, in the order {', '.join(ordered)}, got {', '.join(names)}"
        )
    return ordered


class ScaledCovariates(Condition):
    """Static parameters in their own units, brought to [−1, 1] by their ranges; counts by their logarithms.

    Args:
        names: of the static parameters that the model reads, in the order of `STATIC_NAMES`.

    Attributes:
        names: the same.
        size: C, their number.

    Raises:
        ValueError: for no names, an unknown one, a repetition, or another order.

    >>> covariates = ScaledCovariates(("level", "sex"))
    >>> covariates(torch.tensor([[90.0, 0.0]]), rows=2)
    tensor([[ 1., -1.],
            [ 1., -1.]])
    """

    def __init__(self, names: Sequence[str] = STATIC_NAMES) -> None:
        super().__init__()
        self.names = check_names(names)
        self.size = len(self.names)
        chosen = [parameter for parameter in STATICS if parameter.name in self.names]
        self.register_buffer("is_count", torch.tensor([p.name in COUNTS for p in chosen]), persistent=False)
        for bound in ("low", "high"):
            self.register_buffer(bound, torch.tensor([float(getattr(p, bound)) for p in chosen]), persistent=False)

    def forward(self, condition: Tensor, rows: int) -> Tensor:
        """Check a condition and scale the columns that the model reads.

        Args:
            condition: (rows, C) or (1, C) in raw units, the model's covariates in its order; or all seven columns of
                `STATIC_NAMES`, of which the model takes its own.
            rows: number of examples.

        Returns:
            (rows, C), each parameter's range on [−1, 1].

        Raises:
            ValueError: for another shape, dtype or device, or a value out of its parameter's range.
        """
        return self.scale(self.checked(condition, rows)).expand(rows, -1)

    def example(self, rows: int) -> Tensor:
        """The lowest value of each parameter."""
        return self.low.expand(rows, -1)

    def checked(self, condition: Tensor, rows: int) -> Tensor:
        """The columns of a condition that the model reads, (rows, C) or (1, C) in raw units; raises as `forward`."""
        columns = dict.fromkeys((self.size, len(STATIC_NAMES)))
        shapes = [(n, count) for n in dict.fromkeys((rows, 1)) for count in columns]
        if not isinstance(condition, Tensor) or tuple(condition.shape) not in shapes:
            got = tuple(condition.shape) if isinstance(condition, Tensor) else type(condition).__name__
            expected = f"a tensor of shape {' or '.join(map(str, shapes))}, columns {', '.join(self.names)}"
            raise ValueError(f"condition: expected {expected}; got {got}")
        if condition.dtype != self.low.dtype or condition.device != self.low.device:
            raise ValueError(
                f"condition: expected {self.low.dtype} on {self.low.device}, the model's, got {condition.dtype} on "
                f"{condition.device}; convert it with condition.to(…)"
            )
        if condition.shape[1] > self.size:
            condition = condition[:, [STATIC_NAMES.index(name) for name in self.names]]
        if values_are_known():
            check_condition(condition, self.names)
        return condition

    def scale(self, raw: Tensor) -> Tensor:
        """Raw values (B, C) on [−1, 1], same shape, without a check."""
        low, high = self._unwound(self.low), self._unwound(self.high)
        return 2 * (self._unwound(raw) - low) / (high - low) - 1

    def inverse(self, scaled: Tensor) -> Tensor:
        """Scaled values (B, C) back in their units; values beyond [−1, 1] come out beyond the range."""
        low, high = self._unwound(self.low), self._unwound(self.high)
        value = low + (scaled + 1) * (high - low) / 2
        return torch.where(self.is_count, torch.where(self.is_count, value, 0).exp(), value)

    def _unwound(self, value: Tensor) -> Tensor:
        """Counts as their logarithms, other values as they are; both branches keep finite gradients."""
        return torch.where(self.is_count, torch.where(self.is_count, value, 1).log(), value)
