"""Pictures of samples. matplotlib is imported inside, because it is slow to load and training has no use for it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from torch import Tensor

from hvae_ref.errors import optional_import


def save_image_grid(path: Path, images: np.ndarray, num_values: int) -> None:
    """Images (n, H, W) in a grid, one dark pixel between them, grey levels 0 … `num_values` − 1."""
    image = optional_import("matplotlib.image", extra="viz", wanted_by="python -m hvae_ref sample --out FILE.png")
    image.imsave(path, _tiles(images), cmap="gray", vmin=0, vmax=num_values - 1)


def save_responses(path: Path, x: Tensor, mean: Tensor, title: str) -> None:
    """Responses (n, 200) in µV over time: as they would be recorded, and without their noise."""
    from hvae_ref.abr.data import time_axis

    matplotlib = optional_import("matplotlib.figure", extra="viz", wanted_by="python -m hvae_ref sample --out FILE.png")
    figure = matplotlib.Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, lines, of in zip(panels, (x, mean), ("draws x ~ p(x|z, c)", "their means E[x|z, c]"), strict=True):
        axes.plot(time_axis().numpy(), lines.T.numpy(), linewidth=0.8, alpha=max(0.15, min(1.0, 6 / len(lines))))
        axes.set(xlabel="ms after the click", title=of)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("µV")
    figure.suptitle("\n".join(textwrap.wrap(title, 110)), fontsize="small")
    figure.savefig(path, dpi=120)


def _tiles(images: np.ndarray) -> np.ndarray:
    """A grid of images (n, H, W), about as wide as it is high, with one dark pixel between them."""
    n, height, width = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = int(np.ceil(n / columns))
    grid = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1), images.dtype)
    for index, one in enumerate(images):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        grid[top : top + height, left : left + width] = one
    return grid
