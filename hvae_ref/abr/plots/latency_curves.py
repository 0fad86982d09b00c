"""Latency–intensity functions: a measure of a wave against the level, model beside generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.viz.curves import label_ends
from hvae_ref.viz.style import CYCLE, axes_for, styled


@styled
def latency_intensity(
    series: Mapping[str, Tensor | np.ndarray],
    levels: Sequence[float],
    y_label: str = "latency of wave V (ms)",
    x_label: str = "level (dB nHL)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Mean over draws as a line, mean ± standard deviation as a band: a series for the truth, and one for each model.

    Args:
        series: name -> (K, L), K draws at each of the L levels; NaN where a draw does not have the wave, and a level is
            left out where fewer than half of the draws have it.
        levels: L values.
        y_label: name of the measure, with its unit.
        x_label: name of what varies, with its unit.
        title: text above.
        ax: where to draw.

    Raises:
        ValueError: without a series, or for another shape.
    """
    if not series:
        raise ValueError("series: expected at least one, got none")
    at = np.asarray(levels, dtype=float)
    figure, ax = axes_for(ax, (6.0, 3.8))
    ends = []
    for number, (name, values) in enumerate(series.items()):
        table = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=float)
        if table.ndim != 2 or table.shape[1] != len(at) or not len(table):
            raise ValueError(f"series[{name!r}]: expected shape (K, {len(at)}), got {table.shape}")
        known = np.isfinite(table)
        count = known.sum(0)
        enough = count >= max(2, len(table) / 2)
        mean = np.where(enough, np.where(known, table, 0).sum(0) / count.clip(1), np.nan)
        spread = np.sqrt(np.where(known, (table - mean) ** 2, 0).sum(0) / (count - 1).clip(1))
        color = CYCLE[number % len(CYCLE)]
        ax.fill_between(at, mean - spread, mean + spread, color=color, alpha=0.18, linewidth=0)
        ax.plot(at, mean, color=color, linestyle="-" if number == 0 else "--", marker="o", markersize=3.5)
        if enough.any():
            last = int(np.flatnonzero(enough)[at[enough].argmax()])
            ends.append((at[last], float(mean[last]), name, color))
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if title:
        ax.set_title(title)
    label_ends(ax, ends)
    return figure
