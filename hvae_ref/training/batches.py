"""Seeded batches of a data set that lies in memory, shared out over processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from hvae_ref.training.examples import BatchTransform, Examples


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
    of each batch, from the r-th on, so that n processes together see the very batches that one would. An example keeps
    its condition and its targets.

    Args:
        examples: N examples, already on the training device.
        batch_size: examples in a batch, over all processes together.
        seed: of the order of the examples and of `transform`.
        process: number of this process.
        processes: how many share each batch.
        transform: applied to the x of each batch, or None.

    Raises:
        ValueError: where no batch can be cut, or a batch cannot be shared equally.
    """

    examples: Examples
    batch_size: int
    seed: int
    process: int = 0
    processes: int = 1
    transform: BatchTransform | None = None

    def __post_init__(self) -> None:
        if self.batch_size > len(self.examples):
            raise ValueError(
                f"batch_size: expected at most the number of training examples, {len(self.examples)}, "
                f"got {self.batch_size}"
            )
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size: expected a multiple of the number of processes, {self.processes}, got {self.batch_size}"
            )

    def __len__(self) -> int:
        return len(self.examples) // self.batch_size

    def epoch(self, epoch: int) -> Iterator[Examples]:
        """This process's share of each batch of one epoch."""
        order = torch.Generator().manual_seed(derived_seed(self.seed, epoch, 0))
        device = self.examples.x.device
        # Made on the CPU, so that every kind of device sees the same batches.
        permutation = torch.randperm(len(self.examples), generator=order).to(device)
        noise = torch.Generator(device).manual_seed(derived_seed(self.seed, epoch, 1, self.process))
        for step in range(len(self)):
            chosen = permutation[step * self.batch_size : (step + 1) * self.batch_size]
            chosen = chosen if self.processes == 1 else chosen[self.process :: self.processes]
            yield self.examples[chosen].transformed(self.transform, noise)
