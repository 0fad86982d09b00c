"""Images out of features, and maps of what a density expects, laid over the image they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.features.pyramid.map_geometry import MapGeometry, checked_geometry
from hvae_ref.features.validation import checked_tensor
from hvae_ref.viz.style import CYCLE, FAINT, GROUND, INK, axes_for, styled

MOST = 2.0
"""Brighter than any image in [0, 1], whatever a decoder adds to it: such numbers are on another scale."""

CELL = 0.95
WIDEST = 7.4
OUTLINE = CYCLE[1]
VALUES = mpl.colors.LinearSegmentedColormap.from_list("values", ["#00264a", CYCLE[0], "#b9cfe6", GROUND])
"""From the darkest blue for low values to the ground for high ones: what is unlikely stands out."""


@styled
def picture_rows(
    rows: Mapping[str, Tensor],
    column_labels: Sequence[str] | None = None,
    outline: Tensor | None = None,
    notes: Mapping[str, str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Colour or grey images in rows, all of one size: originals over what was made of them, or a strip of steps.

    Args:
        rows: label -> images (N, 3, H, W) or (N, 1, H, W) in [0, 1]; shorter rows leave places empty on the right.
        column_labels: text above each column of the longest row.
        outline: pixels (H, W), true in a region whose border is drawn on every image.
        notes: row label -> text at the right of the row, such as its PSNR.
        title: text above all.
        ax: where to draw; a new figure by default.

    Raises:
        ValueError: for no row, sizes, labels or notes that do not fit, values that are not finite, or an outline that
            is no mask of the images.
    """
    height, width, columns = _check_rows(rows, column_labels, outline, notes)
    gap = max(1, height // 24)
    tall, wide = height + gap, width + gap
    # Nothing is drawn in gaps and empty places: the fourth channel is how much of a pixel is there.
    canvas = np.zeros((len(rows) * tall - gap, columns * wide - gap, 4))
    for row, images in enumerate(rows.values()):
        for column, image in enumerate(images.detach().cpu().double().clamp(0, 1)):
            place = canvas[row * tall : row * tall + height, column * wide : column * wide + width]
            place[..., :3], place[..., 3] = image.movedim(0, -1).expand(-1, -1, 3).numpy(), 1
    right = max((len(note) for note in (notes or {}).values()), default=0)
    labels = 0.09 * max(len(label) for label in rows) + 0.075 * right
    cell = min(CELL, (WIDEST - labels) / columns)
    above = 0.25 * bool(column_labels) + 0.3 * bool(title)
    size = (columns * cell + labels + 0.3, len(rows) * cell * tall / wide + above + 0.2)
    figure, ax = axes_for(ax, size)
    ax.set_anchor("E" if not notes else "C")
    ax.imshow(canvas, interpolation="nearest", aspect="equal")
    if outline is not None and outline.any() and not outline.all():
        for row, images in enumerate(rows.values()):
            for column in range(len(images)):
                _outline(ax, outline, row * tall, column * wide)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    middle = np.arange(len(rows)) * tall + (height - 1) / 2
    ax.set_yticks(middle, list(rows))
    across = np.arange(columns) * wide + (width - 1) / 2
    ax.set_xticks(across if column_labels else [], column_labels or [])
    ax.tick_params(length=0, labelsize=9, top=False, labeltop=True, labelbottom=False)
    for label, place in zip(rows, middle, strict=True):
        if notes and label in notes:
            ax.text(columns * wide, place, notes[label], va="center", fontsize=8, color=INK)
    if title:
        ax.set_title(title)
    return figure


@styled
def feature_maps(
    image: Tensor,
    maps: Mapping[str, Tensor],
    marks: Mapping[str, tuple[int, int]] | None = None,
    opacity: float = 0.75,
    title: str | None = None,
    geometry: Mapping[str, MapGeometry] | None = None,
) -> Figure:
    """An image, and each map of numbers over it, at the map's own resolution, with its scale.

    Args:
        image: (3, H, W) or (1, H, W) in [0, 1].
        maps: label -> (h, w), such as the "uncertainty" or the "log_prob" of `FeatureEstimator.maps`. Low values are
            dark.
        marks: text -> (y, x) of a pixel that is marked in every panel.
        opacity: of the maps over the image, 0 … 1; with 1 there is no image below them.
        title: text above all.
        geometry: label -> where the positions of the map lie, as `FeaturePyramid.geometry` gives it: each is drawn
            around its centre. A map without one is spread evenly over the image.

    Raises:
        ValueError: for no map, shapes or geometries that do not fit, values that are not finite, or marks outside of
            the image.
    """
    import matplotlib.pyplot as plt

    _check_maps(image, maps, marks, opacity)
    placed = {label: maps[label].shape for label in geometry or {} if label in maps}
    if unknown := [label for label in geometry or {} if label not in maps]:
        raise ValueError(f"geometry: expected labels of maps, {list(maps)}, got {unknown}")
    grids = checked_geometry(geometry or {}, placed, image.shape[1:])
    height, width = image.shape[1:]
    columns = len(maps) + 1
    side = min(1.9, WIDEST / columns)
    size = (side * columns + 0.1, side * height / width + 0.65 + 0.3 * bool(title))
    figure, axes = plt.subplots(2, columns, figsize=size, squeeze=False, height_ratios=[1, 0.06])
    plt.close(figure)
    figure.delaxes(axes[1, 0])
    picture = image.detach().cpu().double().clamp(0, 1).movedim(0, -1).expand(-1, -1, 3).numpy()
    for ax in axes[0]:
        ax.set_anchor("S")  # next to its scale
        if ax is axes[0, 0] or opacity < 1:
            ax.imshow(picture, extent=(0, width, height, 0), interpolation="nearest")
        ax.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
        ax.grid(False)
        ax.spines[:].set_visible(False)
        for text, (y, x) in (marks or {}).items():
            ax.plot(x + 0.5, y + 0.5, "o", markersize=7, markerfacecolor="none", color=OUTLINE, markeredgewidth=1.6)
            halo = [patheffects.withStroke(linewidth=2.4, foreground=GROUND)]
            ax.annotate(text, (x + 0.5, y + 0.5), (5, 4), textcoords="offset points", fontsize=9, color=OUTLINE).set(
                path_effects=halo
            )
    axes[0, 0].set_title("image", fontsize=9, loc="center")
    for ax, scale, (label, values) in zip(axes[0, 1:], axes[1, 1:], maps.items(), strict=True):
        array = values.detach().cpu().double().numpy()
        extent = grids[label].extent if label in grids else (0, width, height, 0)
        drawn = ax.imshow(array, cmap=VALUES, alpha=opacity, extent=extent, interpolation="nearest")
        ax.set(xlim=(0, width), ylim=(height, 0))
        ax.set_title(label, fontsize=9, loc="center")
        bar = figure.colorbar(drawn, cax=scale, orientation="horizontal")
        low, high = float(array.min()), float(array.max())
        ticks = [low, high] if high > low else [low]
        digits = ".1f" if high - low > 1 else ".3g"
        bar.set_ticks(ticks, labels=[f"{tick:{digits}}".replace("-", "−") for tick in ticks])
        bar.ax.tick_params(labelsize=8, length=0)
        for tick, side in zip(bar.ax.get_xticklabels(), ("left", "right"), strict=False):
            tick.set_horizontalalignment(side)
        bar.outline.set_edgecolor(FAINT)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def _outline(ax: Axes, mask: Tensor, down: int, right: int) -> None:
    """The border of a mask (H, W) along the edges of its pixels, moved to an image's place."""
    padded = np.pad(mask.cpu().numpy(), 1).astype(int)
    ys, xs = np.nonzero(np.diff(padded, axis=0))
    lines = [((x - 1.5, y - 0.5), (x - 0.5, y - 0.5)) for y, x in zip(ys, xs, strict=True)]
    ys, xs = np.nonzero(np.diff(padded, axis=1))
    lines += [((x - 0.5, y - 1.5), (x - 0.5, y - 0.5)) for y, x in zip(ys, xs, strict=True)]
    moved = [[(x + right, y + down) for x, y in line] for line in lines]
    ax.add_collection(mpl.collections.LineCollection(moved, colors=GROUND, linewidths=2.2))
    ax.add_collection(mpl.collections.LineCollection(moved, colors=OUTLINE, linewidths=1.1))


def _check_rows(
    rows: Mapping[str, Tensor],
    column_labels: Sequence[str] | None,
    outline: Tensor | None,
    notes: Mapping[str, str] | None,
) -> tuple[int, int, int]:
    if not rows:
        raise ValueError("rows: expected at least one, got none")
    size = tuple(getattr(next(iter(rows.values())), "shape", ())[2:])
    for label, images in rows.items():
        checked_tensor(f"rows[{label!r}]", images, "images (N, 3 or 1, H, W)")
        if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.numel() or tuple(images.shape[2:]) != size:
            raise ValueError(
                f"rows[{label!r}]: expected images (N, 3 or 1, H, W) of one size, got {tuple(images.shape)}"
            )
        if not images.is_floating_point():
            raise ValueError(f"rows[{label!r}]: expected floating-point values in [0, 1], got {images.dtype}")
        if not images.isfinite().all():
            raise ValueError(f"rows[{label!r}]: expected finite values, got NaN or infinity")
        if images.amax() > MOST:
            raise ValueError(f"rows[{label!r}]: expected values in [0, 1], got up to {images.amax():.4g}")
    columns = max(len(images) for images in rows.values())
    if column_labels is not None and len(column_labels) != columns:
        raise ValueError(f"column_labels: expected {columns} labels, got {len(column_labels)}")
    if outline is not None and (tuple(outline.shape) != size or outline.dtype != torch.bool):
        raise ValueError(f"outline: expected booleans {size}, got {tuple(outline.shape)}, {outline.dtype}")
    if unknown := [label for label in notes or {} if label not in rows]:
        raise ValueError(f"notes: expected labels of rows, {list(rows)}, got {unknown}")
    return *size, columns


def _check_maps(
    image: Tensor, maps: Mapping[str, Tensor], marks: Mapping[str, tuple[int, int]] | None, opacity: float
) -> None:
    checked_tensor("image", image, "a tensor (3, H, W) or (1, H, W)")
    if image.ndim != 3 or image.shape[0] not in (1, 3) or not image.numel() or not image.isfinite().all():
        raise ValueError(f"image: expected finite values (3, H, W) or (1, H, W), got {tuple(image.shape)}")
    if not image.is_floating_point():
        raise ValueError(f"image: expected floating-point values in [0, 1], got {image.dtype}; divide by 255")
    if image.amax() > MOST:
        raise ValueError(f"image: expected values in [0, 1], got up to {image.amax():.4g}")
    if not maps:
        raise ValueError("maps: expected at least one, got none")
    for label, values in maps.items():
        checked_tensor(f"maps[{label!r}]", values, "a tensor (h, w)")
        if values.ndim != 2 or not values.numel() or not values.isfinite().all():
            raise ValueError(f"maps[{label!r}]: expected finite numbers (h, w), got shape {tuple(values.shape)}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity: expected 0 … 1, got {opacity}")
    for text, (y, x) in (marks or {}).items():
        if not (0 <= y < image.shape[1] and 0 <= x < image.shape[2]):
            raise ValueError(f"marks[{text!r}]: expected a pixel of {tuple(image.shape[1:])}, got {(y, x)}")
