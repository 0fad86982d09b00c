"""A stratified split whose index lists are the same on every machine and with every library version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from hvae_ref.errors import unmasked


def _hash(seed: int, index: int) -> bytes:
    return hashlib.sha256(f"{seed}:{index}".encode("ascii")).digest()


def stratified_split(labels: Sequence[int] | np.ndarray, sizes: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Cut a data set into parts that hold each class in the proportion of the whole.

    The members of a class are ordered by a SHA-256 hash of `seed` and index, never by a random number
    generator, because generators change between versions and this order may not. Member r of a class with c
    members then gets the place (r + ½) / c, all places are sorted, and the parts are cut off one after the
    other. So neighbours in a part belong to different classes too, and its first n examples are themselves
    stratified.

    Args:
        labels: class of each of the N examples.
        sizes: number of examples in each part; together at most N.
        seed: another seed, another split.

    Returns:
        One int64 array of indices per part.

    Raises:
        ValueError: when a size is negative or the sizes add up to more than N.
    """
    labels = np.asarray(unmasked("labels", labels))
    if any(size < 0 for size in sizes) or sum(sizes) > len(labels):
        message = f"sizes: expected counts >= 0 with a sum of at most {len(labels)}, got {list(sizes)}"
        raise ValueError(message)
    places = []
    for label in np.unique(labels):
        members = sorted(np.flatnonzero(labels == label).tolist(), key=lambda index: _hash(seed, index))
        count = len(members)
        places += [((rank + 0.5) / count, _hash(seed, index), index) for rank, index in enumerate(members)]
    order = np.array([index for _, _, index in sorted(places)], dtype=np.int64)
    ends = np.cumsum(sizes)
    return [order[end - size : end] for size, end in zip(sizes, ends, strict=True)]
