"""Where EM begins: centres far from each other, found in a sample that fits in memory."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

LLOYD_STEPS = 20
"""Rounds of k-means after the start: EM does the rest."""


class Reservoir:
    """At most `rows` rows of all that pass, each as likely to be kept as any other, in the order they came.

    Each row draws a uniform number as it passes, and those with the largest numbers stay.

    Args:
        rows: how many to keep.
        generator: of the numbers.
    """

    def __init__(self, rows: int, generator: torch.Generator) -> None:
        self.rows, self.generator = rows, generator
        self._keys = torch.empty(0, dtype=torch.float64)
        self._kept: Tensor | None = None

    def add(self, chunk: Float[Tensor, "count dim"]) -> None:
        """Let rows (n, D) pass."""
        fresh = torch.rand(len(chunk), generator=self.generator, dtype=torch.float64)
        keys, kept = torch.cat([self._keys, fresh]), chunk if self._kept is None else torch.cat([self._kept, chunk])
        if len(keys) > self.rows:
            index = keys.topk(self.rows).indices.sort().values
            keys, kept = keys[index], kept[index.to(kept.device)]
        self._keys, self._kept = keys, kept

    @property
    def kept(self) -> Float[Tensor, "count dim"]:
        """The rows that stayed; a ValueError where none has passed."""
        if self._kept is None or not len(self._kept):
            raise ValueError("x: expected at least one row, got none")
        return self._kept


def plus_plus(x: Float[Tensor, "rows dim"], k: int, generator: torch.Generator) -> Float[Tensor, "components dim"]:
    """Choose k rows as centres, each with a probability that grows with its squared distance from those before it.

    Of 2 + log k candidates the one stays that brings the rows closest to their nearest centre.

    Reference:
        Arthur and Vassilvitskii (2007), k-means++: The Advantages of Careful Seeding,
        http://ilpubs.stanford.edu:8090/778/
    """
    first = torch.randint(len(x), (1,), generator=generator).to(x.device)
    centres = x[first]
    nearest = torch.cdist(x, centres).square().squeeze(-1)
    trials = 2 + k.bit_length()
    for _ in range(k - 1):
        # Where all rows coincide with a centre, any row is as good as another.
        weight = nearest if nearest.sum() > 0 else torch.ones_like(nearest)
        ladder = weight.cumsum(0)
        drawn = torch.rand(trials, generator=generator, dtype=torch.float64).to(ladder) * ladder[-1]
        candidates = torch.searchsorted(ladder, drawn).clamp_max(len(x) - 1)
        closer = torch.minimum(nearest, torch.cdist(x[candidates], x).square())
        best = closer.sum(-1).argmin()
        centres, nearest = torch.cat([centres, x[candidates[best]][None]]), closer[best]
    return centres


def kmeans(x: Float[Tensor, "rows dim"], k: int, generator: torch.Generator) -> Int[Tensor, " rows"]:
    """Label each row by its centre: k-means++, then at most `LLOYD_STEPS` rounds; a centre left alone stays put."""
    # Around their mean, distances between rows have all their digits.
    x = x - x.mean(0)
    centres = plus_plus(x, k, generator)
    labels = torch.cdist(x, centres).argmin(-1)
    for _ in range(LLOYD_STEPS):
        counts = torch.bincount(labels, minlength=k).to(x).unsqueeze(-1)
        sums = torch.zeros_like(centres).index_add_(0, labels, x)
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
        moved = torch.cdist(x, centres).argmin(-1)
        if torch.equal(moved, labels):
            break
        labels = moved
    return labels
