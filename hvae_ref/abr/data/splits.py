"""The book's generated set of responses, split by split."""

from __future__ import annotations

from hvae_ref.abr.data.dataset import AbrDataset
from hvae_ref.abr.data.generator import generate

# split -> (seed, number of responses). Seeds that differ give streams of random numbers that do not overlap; these are
# far from the seeds that a study counts through, so that what it generates was not trained on.
SPLITS = {"train": (600_001, 12_000), "validation": (600_002, 500), "test": (600_003, 500)}


def load_split(split: str) -> AbrDataset:
    """The responses of "train", "validation" or "test": what `hvae_ref.data.load("abr", split)` gives.

    Raises:
        ValueError: for another split.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    seed, size = SPLITS[split]
    return generate(size, seed, split=split)
