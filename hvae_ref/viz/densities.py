"""Densities in the plane, on regular grids and on grids that a flow has bent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.viz.style import CYCLE, FAINT, GROUND, INK, styled

INCHES = 1.35
DENSE = LinearSegmentedColormap.from_list("dense", [GROUND, "#9cc3e6", CYCLE[0], "#00203f"])
"""From the ground of every figure to the darkest blue: no density looks like no ink."""

Panel = tuple[Tensor, Tensor]


def square_grid(limit: float, n: int) -> Tensor:
    """Points of the square [−limit, limit]², row by row from below: (n, n, 2).

    Args:
        limit: half the side of the square.
        n: points along a side.

    Raises:
        ValueError: for a limit that is not positive, or n below 2.
    """
    if not limit > 0 or n < 2:
        raise ValueError(f"limit, n: expected a positive number and at least 2, got {limit} and {n}")
    side = torch.linspace(-limit, limit, n)
    return torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)


@styled
def densities_2d(
    rows: Mapping[str, Sequence[Panel]],
    column_labels: Sequence[str],
    limit: float = 4.0,
    lines: int = 0,
    darkest: float | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    images: Sequence[np.ndarray | Tensor] | None = None,
) -> Figure:
    """Small multiples of densities over the plane: one panel a row and column.

    A panel's grid need not be regular. Points that were carried along by a flow, with the log density they arrived
    with, draw the density of the flow without its inverse, and the lines of the grid show how the plane was bent.

    Args:
        rows: label -> one (points (n, m, 2), log density (n, m)) a column; an empty tensor leaves its place empty.
        column_labels: text above each column.
        limit: the panels show [−limit, limit]².
        lines: draw every such line of the grid, 0 for none.
        darkest: the density that is drawn darkest, in all panels; by default the highest of each panel.
        notes: row label -> one text a column, set below its panel.
        images: (H, W) grey levels drawn above each column, dark ink on light ground.

    Returns:
        The figure; ink grows with the square root of the density, so that tails can be seen.

    Raises:
        ValueError: for no row, or rows, labels, notes or images that differ in number or shape.
    """
    import matplotlib.pyplot as plt

    _checked(rows, column_labels, notes, images)
    above = int(images is not None)
    heights = [0.6] * above + [1.0] * len(rows)
    tall = INCHES + (0.17 if notes else 0)
    figure, axes = plt.subplots(
        len(rows) + above,
        len(column_labels),
        figsize=(INCHES * len(column_labels) + 0.5, tall * sum(heights) + 0.3),
        squeeze=False,
        height_ratios=heights,
    )
    plt.close(figure)
    for ax, image in zip(axes[0] if above else (), images or (), strict=False):
        ax.imshow(np.asarray(image, dtype=float), cmap="gray_r", interpolation="nearest")
    for number, (label, panels) in enumerate(rows.items()):
        texts = notes.get(label, [""] * len(panels)) if notes else [""] * len(panels)
        for ax, (points, log_density), text in zip(axes[number + above], panels, texts, strict=True):
            if points.numel():
                _panel(ax, points, log_density, limit, lines, darkest)
            ax.set_xlabel(text, fontsize=8, color=INK, labelpad=2)
        axes[number + above, 0].set_ylabel(label, color=INK)
    for ax, text in zip(axes[0], column_labels, strict=True):
        ax.set_title(text, fontsize=10, loc="center")
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    return figure


def _panel(ax: Axes, points: Tensor, log_density: Tensor, limit: float, lines: int, darkest: float | None) -> None:
    x, y = np.moveaxis(points.detach().cpu().double().numpy(), -1, 0)
    density = log_density.detach().cpu().double().exp().numpy()
    # A linear scale hides the tails; a root shows them without changing the order.
    top = np.sqrt(density.max() if darkest is None else darkest)
    ax.pcolormesh(x, y, np.sqrt(density), shading="gouraud", cmap=DENSE, vmin=0, vmax=top, rasterized=True)
    for curves in ((x[::lines].T, y[::lines].T), (x[:, ::lines], y[:, ::lines])) if lines else ():
        ax.plot(*curves, color=FAINT, linewidth=0.35, alpha=0.7)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")


def _checked(
    rows: Mapping[str, Sequence[Panel]],
    column_labels: Sequence[str],
    notes: Mapping[str, Sequence[str]] | None,
    images: Sequence[object] | None,
) -> None:
    columns = len(column_labels)
    if not rows or not columns:
        raise ValueError(f"rows, column_labels: expected at least one each, got {len(rows)} and {columns}")
    for label, panels in rows.items():
        if len(panels) != columns:
            raise ValueError(f"rows[{label!r}]: expected {columns} panels, one a column label, got {len(panels)}")
        for points, log_density in panels:
            fits = points.ndim == 3 and points.shape[-1] == 2 and points.shape[:2] == log_density.shape
            if points.numel() and not fits:
                raise ValueError(
                    f"rows[{label!r}]: expected points (n, m, 2) and log densities (n, m), "
                    f"got {tuple(points.shape)} and {tuple(log_density.shape)}"
                )
    for label, texts in (notes or {}).items():
        if label not in rows or len(texts) != columns:
            raise ValueError(f"notes[{label!r}]: expected a row's label with {columns} texts, got {len(texts)}")
    if images is not None and len(images) != columns:
        raise ValueError(f"images: expected {columns}, one a column, got {len(images)}")
