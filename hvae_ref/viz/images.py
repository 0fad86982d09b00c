"""Images side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.errors import unmasked
from hvae_ref.viz.style import axes_for, styled

INCHES_A_ROW = 0.62
WIDEST = 7.0


def mosaic(images: np.ndarray, gap: int) -> np.ndarray:
    """Tile (rows, columns, H, W) into one picture, with NaN in the gaps, so that the ground shows there.

    Args:
        images: grey levels; an image of NaN leaves its place empty.
        gap: pixels between two images.
    """
    rows, columns, height, width = images.shape
    tiled = np.full((rows, columns, height + gap, width + gap), np.nan, dtype=np.float64)
    tiled[:, :, :height, :width] = images
    tiled = tiled.transpose(0, 2, 1, 3).reshape(rows * (height + gap), columns * (width + gap))
    return tiled[:-gap, :-gap] if gap else tiled


def _in_rows(images: np.ndarray, columns: int | None) -> np.ndarray:
    # (N, D) -> (rows, columns, D), the last row filled up with empty images
    if images.ndim == 3:
        return images
    count = len(images)
    columns = columns or min(count, 10)
    rows = math.ceil(count / columns)
    filled = np.full((rows * columns, images.shape[1]), np.nan)
    filled[:count] = images
    return filled.reshape(rows, columns, -1)


@styled
def image_grid(
    images: Tensor | np.ndarray,
    image_shape: tuple[int, int],
    num_values: int,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Images in rows, dark ink on a light ground.

    Args:
        images: (N, D), or (rows, columns, D), values 0 … num_values − 1, means in between allowed.
        image_shape: (H, W).
        num_values: grey levels; the highest is drawn black in every image.
        columns: images a row for (N, D); 10 by default.
        row_labels: text left of each row.
        column_labels: text above each column.
        title: text above all.
        ax: where to draw; a new figure by default.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that don't fit each other.
    """
    values = (
        images.detach().cpu().numpy() if isinstance(images, torch.Tensor) else np.asarray(unmasked("images", images))
    )
    height, width = image_shape
    if values.ndim not in (2, 3) or values.shape[-1] != height * width or 0 in values.shape:
        raise ValueError(
            f"images: expected shape (N, {height * width}) or (rows, columns, {height * width}), got {values.shape}"
        )
    grid = _in_rows(values.astype(np.float64), columns)
    rows, columns = grid.shape[:2]
    for name, labels, count in (("row_labels", row_labels, rows), ("column_labels", column_labels, columns)):
        if labels is not None and len(labels) != count:
            raise ValueError(f"{name}: expected {count} labels, got {len(labels)}")
    gap = max(1, height // 14)
    picture = mosaic(grid.reshape(rows, columns, height, width), gap)
    cell = min(INCHES_A_ROW, WIDEST / columns)
    label_inches = 0.085 * max((len(label) for label in row_labels or [""]), default=0)
    figure, ax = axes_for(ax, (columns * cell + label_inches + 0.2, rows * cell + 0.2 + 0.25 * bool(column_labels)))
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=num_values - 1, interpolation="nearest", aspect="equal")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    down, right = np.arange(rows), np.arange(columns)
    ax.set_yticks(down * (height + gap) + (height - 1) / 2 if row_labels else [], row_labels)
    ax.set_xticks(right * (width + gap) + (width - 1) / 2 if column_labels else [], column_labels)
    ax.tick_params(length=0, labelsize=9, top=False, labeltop=True, labelbottom=False)
    if title:
        ax.set_title(title)
    return figure
