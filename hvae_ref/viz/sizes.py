"""A measure against the size of something, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvae_ref.viz.curves import label_ends
from hvae_ref.viz.style import CYCLE, axes_for, styled

CLOSEST = 1.3
"""Labels of sizes of a smaller ratio would touch."""


def _apart(sizes: Sequence[int]) -> list[str]:
    # The label of each size, empty where it would touch the one before it.
    labels, last = [], 0
    for size in sizes:
        labels.append(str(size) if size >= CLOSEST * last else "")
        last = size if labels[-1] else last
    return labels


@styled
def size_curves(
    series: Mapping[str, Mapping[int, Sequence[float]]],
    x_label: str,
    y_label: str,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """One line a series over sizes on a logarithmic axis: mean ± standard deviation over runs, each run as a dot.

    Args:
        series: name -> size -> values, one a run (seed).
        x_label: name of the size.
        y_label: name of the measure, with its unit.
        title: text above.
        ax: where to draw.

    Raises:
        ValueError: without a series, or for a size without a run.
    """
    if not series or any(not sizes or any(len(values) == 0 for values in sizes.values()) for sizes in series.values()):
        raise ValueError("series: expected at least one series, each with a size or more, each size with a run or more")
    figure, ax = axes_for(ax, (6.4, 3.8))
    ends = []
    for color, (name, by_size) in zip(CYCLE * (1 + len(series) // len(CYCLE)), series.items(), strict=False):
        sizes = sorted(by_size)
        mean = np.array([np.mean(by_size[size]) for size in sizes])
        spread = np.array([np.std(by_size[size], ddof=1) if len(by_size[size]) > 1 else 0.0 for size in sizes])
        ax.plot(sizes, mean, color=color)
        ax.fill_between(sizes, mean - spread, mean + spread, color=color, alpha=0.18, linewidth=0)
        runs = [(size, value) for size in sizes for value in by_size[size]]
        ax.scatter(*zip(*runs, strict=True), s=10, color=color, alpha=0.6, linewidths=0)
        ends.append((sizes[-1], float(mean[-1]), name, color))
    ax.set_xscale("log")
    ticks = sorted({size for by_size in series.values() for size in by_size})
    ax.set_xticks(ticks, _apart(ticks))
    ax.minorticks_off()
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if title:
        ax.set_title(title)
    label_ends(ax, ends)
    return figure
