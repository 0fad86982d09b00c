"""A density of features as a whole, drawn from what it makes of one image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib import transforms as mtransforms
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from torch import Tensor

from hvae_ref.features.plots.feature_maps import VALUES
from hvae_ref.viz.style import FAINT, INK, styled

HEADINGS = ("features of a\nfrozen network", "few components,\nwhitened", "log p of every\nposition")


@styled
def density_architecture(
    image: Tensor,
    features: Mapping[str, Tensor],
    reduced: Mapping[str, Tensor],
    log_p: Mapping[str, Tensor],
    decoded: Tensor,
) -> Figure:
    """From an image to its features, their components and their log-density, and back to pixels; one row a level.

    Arrows between rows say that each level is given the coarser one. Maps of several channels are shown by their first
    three principal components (features) or their first three channels (components) as colours.

    Args:
        image: (3, H, W) in [0, 1].
        features: level -> (C_l, H_l, W_l), the finest level first.
        reduced: level -> (D_l, H_l, W_l).
        log_p: level -> (H_l, W_l), nats.
        decoded: (3, H, W), what a decoder makes of the components.

    Raises:
        ValueError: where the maps are not of the same levels, or there is none.
    """
    import matplotlib.pyplot as plt

    levels = tuple(features)
    if not levels or any(tuple(maps) != levels for maps in (reduced, log_p)):
        raise ValueError(f"features, reduced, log_p: expected one map a level in each, got {levels}")
    rows = len(levels)
    figure, axes = plt.subplots(
        rows, 5, figsize=(7.4, 1.45 * rows + 0.5), squeeze=False, width_ratios=[1.3, 1, 1, 1, 1.3]
    )
    plt.close(figure)
    figure.get_layout_engine().set(hspace=0.16)  # room for the arrows from row to row
    for row, level in enumerate(reversed(levels)):
        maps = (_colours(features[level]), _colours(reduced[level], turned=False), log_p[level].detach().cpu().numpy())
        for column, (values, whole) in enumerate(zip(maps, (features, reduced, log_p), strict=True), 1):
            ax = axes[row, column]
            ax.imshow(values, cmap=VALUES, interpolation="nearest")
            shape = " × ".join(str(size) for size in whole[level].shape)
            ax.set_xlabel(f"{level}: {shape}" if column == 1 else shape, fontsize=7.5, labelpad=2)
            if row == 0:
                ax.set_title(HEADINGS[column - 1], fontsize=9, loc="center")
            if column > 1:
                _arrow(figure, axes[row, column - 1], ax)
        if row:
            _arrow(figure, axes[row - 1, 3], axes[row, 3], down=True)
    middle = (rows - 1) // 2
    for column, picture, name in ((0, image, "image"), (4, decoded, "decoded from\nthe components")):
        ax = axes[middle, column]
        ax.imshow(picture.detach().cpu().clamp(0, 1).movedim(0, -1).numpy(), interpolation="nearest")
        ax.set_title(name, fontsize=9, loc="center")
    for ax in axes.flat:
        ax.grid(False)
        ax.patch.set_visible(False)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for row in range(rows):
        _arrow(figure, axes[middle, 0], axes[row, 1])
    _bus(figure, axes[:, 2], axes[middle, 4])
    return figure


def _colours(f: Tensor, turned: bool = True) -> np.ndarray:
    """Three numbers a position, as colours: (H, W, 3) in [0, 1]."""
    f = f.detach().cpu().double()
    flat = f.flatten(1).T - f.flatten(1).mean(1)
    three = flat @ torch.linalg.svd(flat, full_matrices=False).Vh[:3].T if turned else flat[:, :3]
    colours = (0.5 + three / (5 * three.std(0, correction=0).clamp(min=1e-9))).clamp(0, 1)
    return colours.T.reshape(3, *f.shape[1:]).movedim(0, -1).numpy()


def _bus(figure: Figure, starts: np.ndarray, end: Axes) -> None:
    """One line that collects from every map and ends, below all of them, in an arrow up to `end`."""
    for ax in starts:
        ax.annotate(
            "", (1.16, 0.3), (1.0, 0.3), xycoords="axes fraction", arrowprops={"arrowstyle": "-", "color": FAINT}
        )
    last = starts[-1]
    parts = (
        ((1.16, 0.3), starts[0].transAxes, (1.16, -0.42), last.transAxes, "-"),
        ((1.16, -0.42), last.transAxes, (0.5, -0.42), (end.transAxes, last.transAxes), "-"),
        ((0.5, -0.42), (end.transAxes, last.transAxes), (0.5, -0.06), end.transAxes, "-|>"),
    )
    for start, at, stop, there, style in parts:
        at, there = (
            mtransforms.blended_transform_factory(*pair) if isinstance(pair, tuple) else pair for pair in (at, there)
        )
        figure.add_artist(
            ConnectionPatch(start, stop, at, there, arrowstyle=style, mutation_scale=9, color=FAINT, zorder=-1)
        )


def _arrow(figure: Figure, start: Axes, end: Axes, down: bool = False, color: str = INK) -> None:
    ends = ((0.5, -0.24), (0.5, 1.02)) if down else ((1.03, 0.5), (-0.04, 0.5))
    figure.add_artist(
        ConnectionPatch(
            ends[0],
            ends[1],
            start.transAxes,
            end.transAxes,
            arrowstyle="-|>",
            mutation_scale=9,
            color=color,
            lw=1.0,
            zorder=-1,
        )
    )
