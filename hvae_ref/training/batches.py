"""Seeded batches of a data set, shared out over processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch

from hvae_ref.data import Dataset, Share, Source
from hvae_ref.data.batch import moved
from hvae_ref.data.examples import Examples
from hvae_ref.data.seeds import derived_seed
from hvae_ref.data.source import TensorSource


@dataclass
class Batches:
    """The batches of each epoch; which they are depends on (seed, epoch) alone.

    In an epoch the examples are permuted and cut into ⌈N / batch_size⌉ batches, of which the last may be smaller. The
    permutation does not depend on the number of processes: process r of n takes every n-th example of each batch, from
    the r-th on, so that n processes together see the very batches that one would. An example keeps its condition and
    its targets. What the source transforms is drawn from a stream of each process's own.

    Args:
        source: where the examples come from.
        batch_size: examples in a batch, over all processes together; more than there are give one batch of all.
        seed: of the order of the examples and of the source's transform.
        process: number of this process.
        processes: how many share each batch.
        device: where the batches are to be; None for where they are.
        at_most: batches in an epoch; None for all of them.
    """

    source: Source
    batch_size: int
    seed: int
    process: int = 0
    processes: int = 1
    device: torch.device | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        if self.device is not None:
            self.source = self.source.to(self.device)

    @property
    def steps(self) -> int | None:
        """Number of batches in an epoch; None where the source cannot tell."""
        steps = self.source.steps(self.batch_size)
        known = [number for number in (steps, self.at_most) if number is not None]
        return min(known) if known else None

    @property
    def whole(self) -> bool:
        """Whether every epoch shows the same rows, all of them: data in memory, without a transform of the user's."""
        own = isinstance(getattr(self.source.transform, "__self__", None), Dataset)
        return isinstance(self.source, TensorSource) and self.at_most is None and (own or self.source.transform is None)

    def epoch(self, epoch: int) -> Iterator[Any]:
        """This process's share of each batch of one epoch."""
        return (share.batch for share in self.shares(epoch))

    def shares(self, epoch: int) -> Iterator[Share]:
        """The same with the weight of each share; see `Share`.

        Raises:
            ValueError: at the end of an epoch without a single batch.
        """
        order, noise = derived_seed(self.seed, epoch, 0), derived_seed(self.seed, epoch, 1, self.process)
        yield from self._ready(order, noise, epoch)

    def in_order(self, seed: int) -> Iterator[Share]:
        """All batches in the source's own order, for measuring; the transform draws from `seed`."""
        yield from self._ready(None, seed, 0)

    def _ready(self, order: int | None, noise: int, epoch: int) -> Iterator[Share]:
        """Batches on their device, transformed."""
        shares = self.source.shares(self.batch_size, order, epoch, self.process, self.processes)
        transform, generator, empty = self.source.transform, None, True
        for share in shares if self.at_most is None else islice(shares, self.at_most):
            batch, empty = share.batch, False
            if self.device is not None:
                batch = moved(batch, self.device)
            if transform is not None and isinstance(batch, Examples):
                if generator is None:
                    generator = torch.Generator(batch.x.device).manual_seed(noise)
                batch = replace(batch, x=transform(batch.x, generator))
            yield Share(batch, share.weight)
        if empty:
            raise ValueError(
                f"{self.source.name}: expected at least one batch in epoch {epoch + 1}, got none; a loader has to give "
                "its batches anew whenever it is iterated over"
            )
