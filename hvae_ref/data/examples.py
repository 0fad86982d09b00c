"""Examples of a data set: x, condition and targets, row by row, and how they are made of what a user has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.masked
from torch import Tensor

from hvae_ref.errors import unmasked

BatchTransform = Callable[[Tensor, torch.Generator], Tensor]
"""What is done anew to the x of each batch, such as dynamic binarisation: (B, …) in, (B, …) out."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Some examples of a data set, row by row.

    Attributes:
        x: (N, *event), what a model generates.
        condition: (N, C) numbers or (N,) labels (whole numbers), what a model is given beside x; or None.
        targets: by name, (N, …) each; what some losses compare with.

    >>> examples = Examples(torch.zeros(5, 3), condition=torch.arange(5))
    >>> len(examples[1:3]), examples[1:3].condition
    (2, tensor([1, 2]))
    """

    x: Tensor
    condition: Tensor | None = None
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Tensor | slice) -> Examples:
        """The examples of some rows."""
        return self.map(lambda value: value[rows])

    def map(self, function: Callable[[Tensor], Tensor]) -> Examples:
        """The examples with a function applied to every tensor."""
        condition = None if self.condition is None else function(self.condition)
        return Examples(function(self.x), condition, {name: function(value) for name, value in self.targets.items()})

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return self.map(lambda value: value.to(device, non_blocking=True))

    def split(self, size: int) -> Iterator[Examples]:
        """The examples in order, `size` at once; the last part may be smaller."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def transformed(self, transform: BatchTransform | None, noise: torch.Generator) -> Examples:
        """The same examples with x as `transform` returns it."""
        return self if transform is None else replace(self, x=transform(self.x, noise))


def as_tensor(name: str, value: Any, rows: int | None = None) -> Tensor:  # noqa: ANN401
    """A tensor or a NumPy array as a tensor, without a copy where torch knows its type.

    Args:
        name: of the argument, for the error.
        value: what the user gave.
        rows: how many rows it must have; None for any number.

    Raises:
        ValueError: for another kind of object, values that are no real numbers, or another number of rows.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = _from_numpy(name, np.asarray(unmasked(name, value)))
    masked = isinstance(value, torch.masked.MaskedTensor)
    if not isinstance(value, Tensor) or masked or value.is_complex() or value.layout != torch.strided:
        raise ValueError(f"{name}: expected a tensor or a NumPy array of real numbers, got {in_words(value)}")
    if rows is not None and (value.dim() == 0 or len(value) != rows):
        raise ValueError(f"{name}: expected a row for each of the {rows} examples, got {in_words(value)}")
    return value.detach()  # data are no part of what is learned


def as_examples(
    name: str,
    x: Any,  # noqa: ANN401
    condition: Any = None,  # noqa: ANN401
    targets: Any = None,  # noqa: ANN401
) -> Examples:
    """Examples from what a user gave, checked.

    Raises:
        ValueError: naming the part that is no array, or has not a row for each example.
    """
    x = as_tensor(name, x)
    if x.dim() < 2 or len(x) == 0:
        raise ValueError(f"{name}: expected at least one example, shape (N, …), got {in_words(x)}")
    if condition is not None:
        condition = as_tensor(f"{name}.condition", condition, len(x))
        if condition.dim() > 2 or (condition.dim() == 1 and condition.is_floating_point()):
            raise ValueError(
                f"{name}.condition: expected numbers (N, C), or labels (N,) that are whole numbers, "
                f"got {in_words(condition)}"
            )
    if targets is None:
        targets = {}
    if not isinstance(targets, Mapping):
        raise ValueError(
            f'{name}.targets: expected arrays by name, such as {{"label": array}}, got {in_words(targets)}'
        )
    return Examples(
        x, condition, {key: as_tensor(f"{name}.targets[{key!r}]", value, len(x)) for key, value in targets.items()}
    )


def in_words(value: object) -> str:
    """What a value is, for an error: its shape and type.

    >>> in_words(torch.zeros(3)), in_words([1, 2])
    ('shape (3,) float32', 'list')
    """
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return f"shape {value.shape} {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _from_numpy(name: str, array: np.ndarray) -> Tensor:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected real numbers, got {in_words(array)}")
    # Types that torch cannot index, or does not know, go to the next larger one; so does another order of bytes.
    wider = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64, "longdouble": np.float64}
    kind = array.dtype.newbyteorder("=")
    kind = np.dtype(wider.get(np.longdouble.__name__ if kind.itemsize > 8 else kind.name, kind))
    array = array.astype(kind, copy=False)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        # Of an array that must not be written to, such as a file that is mapped into memory. Nothing writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
