"""What training takes from a data set: x and, where there are any, the condition and the targets of each example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

BatchTransform = Callable[[Tensor, torch.Generator], Tensor]
"""What is done anew to each batch, such as dynamic binarisation: (B, D) in, (B, D) out."""


@runtime_checkable
class HasExamples(Protocol):
    """A data set: anything with the examples as one tensor `x` (N, D).

    It may have more: `condition` (N, C), what the model is given beside x; `targets`, a dict of tensors (N, …), what
    some bounds compare with; and `batch_transform`.
    """

    x: Tensor


@dataclass(frozen=True, eq=False)
class Examples:
    """Some examples of a data set, row by row.

    Attributes:
        x: (N, D).
        condition: (N, C) or None.
        targets: by name, (N, …) each.
    """

    x: Tensor
    condition: Tensor | None = None
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Tensor | slice) -> Examples:
        """The examples of some rows."""
        return self._each(lambda value: value[rows])

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return self._each(lambda value: value.to(device))

    def split(self, size: int) -> Iterator[Examples]:
        """The examples in order, `size` at once."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def transformed(self, transform: BatchTransform | None, noise: torch.Generator) -> Examples:
        """The same examples with x as `transform` answers it."""
        return self if transform is None else replace(self, x=transform(self.x, noise))

    def _each(self, function: Callable[[Tensor], Tensor]) -> Examples:
        condition = None if self.condition is None else function(self.condition)
        return Examples(function(self.x), condition, {name: function(value) for name, value in self.targets.items()})


def examples_of(name: str, data: HasExamples | Tensor) -> tuple[Examples, BatchTransform | None]:
    """The tensors of a data set and what is done to each of its batches.

    Args:
        name: of the argument, for the error.
        data: a data set with `x` and perhaps `condition`, `targets` and `batch_transform`, or a tensor (N, D).

    Raises:
        ValueError: where there is no tensor of examples, or condition and targets don't have a row for each.
    """
    x = getattr(data, "x", data)
    if not isinstance(x, Tensor) or x.dim() < 2 or len(x) == 0:
        raise ValueError(f"{name}: expected a data set or a tensor of examples (N, D), got {_in_words(x)}")
    condition, targets = getattr(data, "condition", None), getattr(data, "targets", None) or {}
    if condition is not None and not (isinstance(condition, Tensor) and condition.dim() == 2):
        raise ValueError(f"{name}.condition: expected a tensor (N, C), got {_in_words(condition)}")
    parts = {} if condition is None else {"condition": condition}
    for part, value in (parts | {f"targets[{key!r}]": value for key, value in targets.items()}).items():
        if not isinstance(value, Tensor) or value.dim() == 0 or len(value) != len(x):
            raise ValueError(f"{name}.{part}: expected a row for each of the {len(x)} examples, got {_in_words(value)}")
    return Examples(x, condition, dict(targets)), getattr(data, "batch_transform", None)


def _in_words(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
