"""Evoked responses: stacked traces with their waves marked, walks between two of them, and the grid of a swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from hvae_ref.abr.data import WAVES, time_axis
from hvae_ref.viz.style import CYCLE, FAINT, HALO, INK, axes_for, level_color, styled

Array = Tensor | np.ndarray
TIME_LABEL = "time after the click (ms)"
WALK = mpl.colors.LinearSegmentedColormap.from_list("walk", [CYCLE[0], "#8a5a9e", CYCLE[1]])
"""From one example to the other: blue to orange, dark enough throughout to be read on the ground."""


def _array(name: str, value: Array, ndim: int) -> np.ndarray:
    array = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else np.asarray(value, dtype=float)
    time = len(time_axis())
    if array.ndim != ndim or not array.size or array.shape[-1] != time:
        shape = ", ".join(["…"] * (ndim - 1) + [str(time)])
        raise ValueError(f"{name}: expected shape ({shape}), got {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}: expected finite numbers, got {array[place]} at {place}")
    return array


def _marks(name: str, value: Array | None, rows: int) -> np.ndarray:
    if value is None:
        return np.full((rows, len(WAVES)), np.nan)
    array = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else np.asarray(value, dtype=float)
    if array.shape != (rows, len(WAVES)):
        raise ValueError(f"{name}: expected latencies of shape ({rows}, {len(WAVES)}), got {array.shape}")
    last = time_axis()[-1].item()
    fine = np.isnan(array) | ((array > 0) & (array <= last + 1e-4))
    if not fine.all():
        raise ValueError(
            f"{name}: expected latencies above 0 and up to {last:g} ms, or NaN (absent), got {array[~fine][0]:g}"
        )
    return array


@styled
def response_stack(
    signals: Array,
    labels: Sequence[str],
    marks: Array | None = None,
    over: Array | None = None,
    over_marks: Array | None = None,
    spread: Array | None = None,
    names: tuple[str, str] = ("recorded", "model"),
    step: float | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Responses one under the other, as in the clinic, with a tick and a numeral where each wave is.

    Args:
        signals: (N, 200) µV, drawn in ink, the first one on top.
        labels: N texts at the left, such as levels with their unit.
        marks: (N, 5) ms, NaN for a wave that is absent.
        over: (N, 200) µV drawn over them in colour, such as reconstructions.
        over_marks: (N, 5) ms on `over`, drawn as dots.
        spread: (N, 200) µV around `over` (around `signals` without one), drawn as a band.
        names: what ink and colour stand for; shown where there are both.
        step: µV between two baselines; chosen from the signals by default.
        title: text above.
        ax: where to draw.

    Returns:
        The figure, with a bar that shows the scale in µV.

    Raises:
        ValueError: for shapes that don't fit, signals that are not finite, marks outside of the time axis (a zero is
            none: an absent wave is NaN), a negative spread, and a step that is not positive.
    """
    rows = _array("signals", signals, 2)
    count = len(rows)
    if len(labels) != count:
        raise ValueError(f"labels: expected {count}, one a response, got {len(labels)}")
    second = None if over is None else _array("over", over, 2)
    width = None if spread is None else _array("spread", spread, 2)
    for name, other in (("over", second), ("spread", width)):
        if other is not None and other.shape != rows.shape:
            raise ValueError(f"{name}: expected the shape of signals, {rows.shape}, got {other.shape}")
    if width is not None and width.min() < 0:
        raise ValueError(f"spread: expected at least 0 µV, got {width.min():.3g}")
    if step is not None and not 0 < step < np.inf:
        raise ValueError(f"step: expected a positive number of µV, got {step}")
    ticks, dots = _marks("marks", marks, count), _marks("over_marks", over_marks, count)
    time = time_axis().numpy()
    step = step or 0.75 * max(float(np.ptp(rows, axis=1).max()), 1e-3)
    figure, ax = axes_for(ax, (6.4, 1.0 + 0.62 * count))
    color = CYCLE[1]
    for row in range(count):
        base = -row * step
        ax.axhline(base, color="#e4e4e0", linewidth=0.8, zorder=0)
        ax.plot(time, base + rows[row], color=INK, linewidth=1.3 if second is None else 1.0)
        if second is not None:
            ax.plot(time, base + second[row], color=color, linewidth=1.6)
        if width is not None:
            middle = base + (rows if second is None else second)[row]
            ax.fill_between(time, middle - width[row], middle + width[row], color=color, alpha=0.2, linewidth=0)
        _draw_marks(ax, time, base + rows[row], ticks[row], base + (rows if second is None else second)[row], dots[row])
    for name, shade, at in zip(names, (INK, color), (0.72, 0.86), strict=True) if second is not None else ():
        ax.text(at, 1.01, name, color=shade, fontsize=9, fontweight="bold", transform=ax.transAxes)
    _scale_bar(ax, step, -(count - 1) * step + float(rows[-1].min()))
    ax.set_yticks([-row * step for row in range(count)], labels)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(0, time[-1] + 0.05)
    ax.margins(y=0.06)
    ax.set_xlabel(TIME_LABEL)
    if title:
        ax.set_title(title)
    return figure


def _draw_marks(
    ax: Axes, time: np.ndarray, signal: np.ndarray, ticks: np.ndarray, over: np.ndarray, dots: np.ndarray
) -> None:
    for name, at in zip(WAVES, ticks, strict=True):
        if np.isfinite(at):
            height = np.interp(at, time, signal)
            ax.plot(at, height, marker="|", markersize=7, color=FAINT, zorder=3)
            ax.annotate(
                name, (at, height), xytext=(0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=8,
                color=FAINT, path_effects=HALO,
            )  # fmt: skip
    there = np.isfinite(dots)
    ax.scatter(dots[there], np.interp(dots[there], time, over), s=20, color=CYCLE[1], zorder=4, edgecolor="white")


def _scale_bar(ax: Axes, step: float, bottom: float) -> None:
    # The largest of 1, 2, 5 · 10^k µV that is no higher than the distance between two traces.
    exponent = np.floor(np.log10(step))
    size = max(m * 10**exponent for m in (1, 2, 5) if m * 10**exponent <= step * 1.0001)
    right = time_axis()[-1].item() + 0.2
    ax.plot([right, right], [bottom, bottom + size], color=INK, linewidth=2.5, solid_capstyle="butt", clip_on=False)
    ax.annotate(
        f"{size:g} µV", (right, bottom + size / 2), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9,
        annotation_clip=False,
    )  # fmt: skip


@styled
def response_walks(walks: Mapping[str, Array], title: str | None = None) -> Figure:
    """Walks between two responses in one level each, side by side: the start in blue, the end in orange.

    Args:
        walks: level (or another title) -> (steps, 200) µV, as `hvae_ref.evaluation.interpolate` returns it.
        title: text above.

    Raises:
        ValueError: without a walk, or for another shape.
    """
    import matplotlib.pyplot as plt

    if not walks:
        raise ValueError("walks: expected at least one, got none")
    paths = {name: _array(f"walks[{name!r}]", walk, 2) for name, walk in walks.items()}
    figure, axes = plt.subplots(1, len(paths), figsize=(3.6 * len(paths), 3.2), sharey=True, squeeze=False)
    plt.close(figure)
    time = time_axis().numpy()
    for ax, (name, path) in zip(axes[0], paths.items(), strict=True):
        for step, signal in enumerate(path):
            ax.plot(time, signal, color=WALK(step / max(len(path) - 1, 1)), linewidth=1.5)
        ax.set_title(name)
        ax.set_xlabel(TIME_LABEL)
        ax.set_xlim(0, time[-1])
        ax.margins(y=0.14)
    first = next(iter(paths.values()))
    for which, step in (("start", 0), ("end", -1)):
        # Named where the two ends are farthest apart.
        at = int(np.abs(first[0] - first[-1]).argmax())
        above = first[step, at] >= first[-1 if step == 0 else 0, at]
        axes[0, 0].annotate(
            which, (time[at], first[step, at]), xytext=(0, 9 if above else -9), textcoords="offset points", ha="center",
            va="bottom" if above else "top", color=WALK(0.0 if step == 0 else 1.0), fontsize=9, fontweight="bold",
            path_effects=HALO,
        )  # fmt: skip
    axes[0, 0].set_ylabel("response (µV)")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure


@styled
def swap_grid(
    signals: Array, labels: Sequence[str], levels: tuple[str, str] = ("z_global", "z_local"), title: str | None = None
) -> Figure:
    """Every response's first level with every response's second: rows share one, columns the other.

    Beside each swapped response in ink stand, thin, the two it was made of: that which gave the row's level in that
    level's colour, and that which gave the column's in the other's. On the diagonal all three are one. A key above
    says so.

    Args:
        signals: (n, n, 200) µV: row i has the first level of example i, column j the second of example j.
        labels: n names of the examples.
        levels: names of the two.
        title: text above.

    Raises:
        ValueError: for another shape, or another number of labels.
    """
    import matplotlib.pyplot as plt

    table = _array("signals", signals, 3)
    count = len(table)
    if table.shape[1] != count or len(labels) != count:
        raise ValueError(
            f"signals, labels: expected shape (n, n, {table.shape[2]}) and n names, got {table.shape}, {len(labels)}"
        )
    figure, axes = plt.subplots(
        count, count, figsize=(2.2 * count + 0.6, 1.5 * count + 0.6), sharex=True, sharey=True, squeeze=False
    )
    plt.close(figure)
    time = time_axis().numpy()
    row_color, column_color = (level_color(level) for level in levels)
    for row, column in np.ndindex(count, count):
        ax = axes[row, column]
        if row != column:
            ax.plot(time, table[row, row], color=row_color, linewidth=1.0, alpha=0.9)
            ax.plot(time, table[column, column], color=column_color, linewidth=1.0, alpha=0.9)
        ax.plot(time, table[row, column], color=INK, linewidth=1.6)
        ax.set_xlim(0, time[-1])
        ax.tick_params(labelsize=8)
    for number, label in enumerate(labels):
        axes[0, number].set_title(f"{levels[1]} of {label}", color=column_color, fontsize=9, loc="center")
        axes[number, 0].set_ylabel(f"{levels[0]} of {label}", color=row_color, fontsize=9)
    figure.supxlabel(TIME_LABEL, fontsize=9, color=INK)
    figure.supylabel("response (µV)", fontsize=9, color=INK)
    if count > 1:
        drawn = {"swapped": (INK, 1.6)}
        drawn |= {f"gave its {level}": (level_color(level), 1.0) for level in levels}
        handles = [Line2D([], [], color=color, linewidth=width) for color, width in drawn.values()]
        figure.legend(handles, list(drawn), loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure
