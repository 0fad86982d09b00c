"""Seeded batches of a data set that lies in memory, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

BatchTransform = Callable[[Tensor, torch.Generator], Tensor]
"""What is done anew to each batch, such as dynamic binarisation: (B, D) in, (B, D) out."""


@runtime_checkable
class HasExamples(Protocol):
    """A data set: anything with the examples as one tensor `x` (N, D)."""

    x: Tensor


def derived_seed(*parts: int) -> int:
    """A seed that depends on every part: runs, epochs and processes get unrelated streams.

    >>> derived_seed(0, 1) != derived_seed(1, 0)
    True
    """
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


@dataclass
class Batches:
    """The batches of each epoch; which they are depends on (seed, epoch) alone.

    In an epoch the examples are permuted and cut into ⌊N / batch_size⌋ batches; the few examples left over are others
    in each epoch. The permutation does not depend on the number of processes: process r of n takes every n-th example
    of each batch, from the r-th on, so that n processes together see the very batches that one would.

    Args:
        x: (N, D) examples, already on the training device.
        batch_size: examples in a batch, over all processes together.
        seed: of the order of the examples and of `transform`.
        process: number of this process.
        processes: how many share each batch.
        transform: applied to each batch, or None.

    Raises:
        ValueError: where no batch can be cut, or a batch cannot be shared equally.
    """

    x: Tensor
    batch_size: int
    seed: int
    process: int = 0
    processes: int = 1
    transform: BatchTransform | None = None

    def __post_init__(self) -> None:
        if self.x.dim() != 2:
            raise ValueError(f"train: expected examples of shape (N, D), got {tuple(self.x.shape)}")
        if self.batch_size > len(self.x):
            raise ValueError(
                f"batch_size: expected at most the number of training examples, {len(self.x)}, got {self.batch_size}"
            )
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size: expected a multiple of the number of processes, {self.processes}, got {self.batch_size}"
            )

    def __len__(self) -> int:
        return len(self.x) // self.batch_size

    def epoch(self, epoch: int) -> Iterator[Tensor]:
        """This process's share of each batch of one epoch."""
        order = torch.Generator().manual_seed(derived_seed(self.seed, epoch, 0))
        # Made on the CPU, so that every kind of device sees the same batches.
        permutation = torch.randperm(len(self.x), generator=order).to(self.x.device)
        noise = torch.Generator(self.x.device).manual_seed(derived_seed(self.seed, epoch, 1, self.process))
        for step in range(len(self)):
            chosen = permutation[step * self.batch_size : (step + 1) * self.batch_size]
            batch = self.x[chosen if self.processes == 1 else chosen[self.process :: self.processes]]
            yield batch if self.transform is None else self.transform(batch, noise)


def examples_of(name: str, data: HasExamples | Tensor) -> tuple[Tensor, BatchTransform | None]:
    """The tensor of a data set and what is done to each of its batches.

    Args:
        name: of the argument, for the error.
        data: a data set with `x` and perhaps `batch_transform`, or a tensor (N, D).

    Raises:
        ValueError: where there is no tensor of examples.
    """
    x = getattr(data, "x", data)
    if not isinstance(x, Tensor) or x.dim() != 2 or len(x) == 0:
        actual = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(data).__name__
        raise ValueError(f"{name}: expected a data set or a tensor of examples (N, D), got {actual}")
    return x, getattr(data, "batch_transform", None)
