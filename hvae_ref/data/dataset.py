"""The record that every loader returns, and the three ways to make its images binary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hvae_ref.errors import is_whole

SPLITS = ("train", "validation", "test")
"""Names of the splits."""
BINARIZATIONS = ("static", "dynamic", "threshold")
"""Ways to turn grey levels into zeros and ones."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images as rows of raw grey levels, with their classes.

    Attributes:
        x: (N, D) float32, or (N, 1, H, W) with layout "image". The values are the whole numbers 0 … `grey_levels` − 1,
            or {0, 1} after static or threshold binarisation. With dynamic binarisation it keeps the grey levels, and
            `batch_transform` gives {0, 1}.
        y: (N,) int64, the class of each image.
        image_shape: (H, W) with H·W = D.
        num_values: how many values a pixel of a *batch* can take: 17 for digits, 256 for MNIST, 2
            if binarised.
        name: name given to `load`.
        split: "train", "validation" or "test".
        labels: name of each class, in the order of `y`.
        binarize: None, "static", "dynamic" or "threshold".
        grey_levels: number of grey levels of the source.
        condition: (N,) int64, the classes again, for models that are told them; None for models that are not.
    """

    x: Tensor
    y: Tensor
    image_shape: tuple[int, int]
    num_values: int
    name: str
    split: str
    labels: tuple[str, ...]
    binarize: str | None = None
    grey_levels: int = 256
    condition: Tensor | None = None

    def __len__(self) -> int:
        """Number of images N."""
        return len(self.x)

    @property
    def data_dim(self) -> int:
        """Number of pixels D = H·W."""
        return self.x[0].numel()

    def subset(self, n: int) -> Dataset:
        """The first n images.

        Args:
            n: how many, 1 … N.

        Raises:
            ValueError: when n is no whole number in that range.
        """
        if not is_whole(n) or n > len(self):
            raise ValueError(f"n: expected 1 to {len(self)} images, got {n!r}")
        condition = None if self.condition is None else self.condition[:n]
        return replace(self, x=self.x[:n], y=self.y[:n], condition=condition)

    def batch_transform(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What a model sees of the rows x: fresh Bernoulli draws with dynamic binarisation, else x itself.

        Each pixel is drawn as Bernoulli(x / (grey_levels − 1)), anew at every call.

        Args:
            x: rows of `self.x`, on any device.
            generator: source of the draws, on the device of x; the global one by default.

        Returns:
            Same shape and dtype as x.
        """
        if self.binarize != "dynamic":
            return x
        return torch.bernoulli(x / (self.grey_levels - 1), generator=generator)

    def __repr__(self) -> str:
        """Name, split, size and what a pixel can be; never the pixels."""
        height, width = self.image_shape
        how = f", {self.binarize}ally binarised" if self.binarize in ("static", "dynamic") else ""
        how = ", binarised by threshold" if self.binarize == "threshold" else how
        size = f"{len(self)} images {height}×{width}, {self.num_values} values"
        return f"Dataset({self.name} {self.split}: {size}{how})"


def binarized(dataset: Dataset, how: str | None, seed: int) -> Dataset:
    """The same images with two values a pixel.

    Args:
        dataset: grey-level images.
        how: None (unchanged), "static" (one Bernoulli draw, kept), "dynamic" (a draw a batch) or "threshold"
            (1 where the grey level is at least half the highest).
        seed: of the static draw; each split has its own stream.

    Raises:
        ValueError: for any other `how`.
    """
    if how is None:
        return dataset
    if how not in BINARIZATIONS:
        raise ValueError(f"binarize: expected None or one of {', '.join(BINARIZATIONS)}, got {how!r}")
    highest = dataset.grey_levels - 1
    x = dataset.x
    if how == "threshold":
        x = (x >= highest / 2).to(x.dtype)
    elif how == "static":
        # The legacy generator's stream is frozen by numpy, so a "static" data set stays the same for good.
        uniform = np.random.RandomState([seed, SPLITS.index(dataset.split)]).random_sample(tuple(x.shape))
        x = (torch.from_numpy(uniform) < x / highest).to(x.dtype)
    return replace(dataset, x=x, num_values=2, binarize=how)
