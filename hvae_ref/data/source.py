"""What every source of batches has, and the one whose data lie in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from hvae_ref.data.batch import Batch, batch_size_of, cast, digest, is_cast, map_batch, moved
from hvae_ref.data.examples import BatchTransform, Examples

KEPT_ON_DEVICE = 2**30
"""Data in memory up to this size, in bytes, are copied to another device once; larger ones batch by batch."""


class Share(NamedTuple):
    """One process's part of a batch.

    Attributes:
        batch: its rows; one row of the batch where there are none for this process.
        weight: rows of this process × number of processes / rows of the batch. The mean over processes of weight × mean
            over the process's rows is the mean over the batch. 0 where the batch has no row for this process.
    """

    batch: Any
    weight: float


class Source(ABC):
    """Where batches come from.

    Attributes:
        name: of the argument that it was made of, for errors.
        dtype: floating-point type of its batches.
        transform: what is to be done anew to the x of each batch, or None. The reader of the batches applies it.
    """

    name: str
    dtype: torch.dtype
    transform: BatchTransform | None = None

    @abstractmethod
    def steps(self, batch_size: int) -> int | None:
        """Number of batches in an epoch; None where nobody can know before the end of it."""

    @abstractmethod
    def shares(
        self, batch_size: int, seed: int | None = None, epoch: int = 0, process: int = 0, processes: int = 1
    ) -> Iterator[Share]:
        """One process's part of every batch of an epoch; the last batch may be smaller.

        Args:
            batch_size: rows of a batch, over all processes together. A loader has its own.
            seed: of the order, and of what a data set draws; None for the rows in order.
            epoch: number of the epoch, told to samplers and data sets that have `set_epoch`.
            process: number of this process; it takes the rows process, process + processes, … of each batch.
            processes: how many share each batch.
        """

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What tells these data from others, as JSON has it."""

    def to(self, device: torch.device) -> Source:
        """The source with its data on a device, where they lie in memory and are not too large; else itself."""
        return self


class TensorSource(Source):
    """Examples, or tensors by name, that lie in memory or in a file that is mapped into it."""

    def __init__(self, name: str, data: Batch, dtype: torch.dtype, transform: BatchTransform | None = None) -> None:
        self.name, self.data, self.dtype, self.transform = name, data, dtype, transform
        self._is_cast = is_cast(data, dtype)

    def __len__(self) -> int:
        return batch_size_of(self.data)

    def steps(self, batch_size: int) -> int:
        """⌈N / batch_size⌉."""
        return -(-len(self) // batch_size)

    def shares(
        self, batch_size: int, seed: int | None = None, epoch: int = 0, process: int = 0, processes: int = 1
    ) -> Iterator[Share]:
        """The rows in an order that depends on the seed alone; it is drawn on the CPU, the same on every device."""
        order = None
        if seed is not None:
            order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).to(self._device())
        for start in range(0, len(self), batch_size):
            stop = min(start + batch_size, len(self))
            rows, weight = own_rows(start, stop, process, processes)
            rows = rows if order is None else order[rows]
            batch = self.data[rows] if isinstance(self.data, Examples) else map_batch(lambda v, r=rows: v[r], self.data)
            yield Share(batch if self._is_cast else cast(batch, self.dtype), weight)

    def fingerprint(self) -> dict[str, Any]:
        """Shape, type and a hash of every tensor."""
        parts = {"x": self.data.x} if isinstance(self.data, Examples) else dict(self.data)
        if isinstance(self.data, Examples):
            parts |= {} if self.data.condition is None else {"condition": self.data.condition}
            parts |= {f"targets.{name}": value for name, value in self.data.targets.items()}
        return {
            name: {"shape": list(value.shape), "dtype": str(value.dtype), "hash": digest(value)}
            for name, value in parts.items()
        }

    def to(self, device: torch.device) -> Source:
        """Everything on a device, unless it is larger than `KEPT_ON_DEVICE`."""
        sizes: list[int] = []
        map_batch(lambda value: sizes.append(value.numel() * value.element_size()) or value, self.data)
        if device == self._device() or sum(sizes) > KEPT_ON_DEVICE:
            return self
        return TensorSource(self.name, moved(self.data, device), self.dtype, self.transform)

    def _device(self) -> torch.device:
        return (self.data.x if isinstance(self.data, Examples) else next(iter(self.data.values()))).device


def own_rows(start: int, stop: int, process: int, processes: int) -> tuple[slice, float]:
    """The rows of one process among start … stop − 1, and their weight; see `Share`."""
    if processes == 1:
        return slice(start, stop), 1.0
    count = len(range(start + process, stop, processes))
    if count == 0:
        return slice(start, start + 1), 0.0
    return slice(start + process, stop, processes), count * processes / (stop - start)
