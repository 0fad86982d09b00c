"""Histograms of bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.viz.style import CYCLE, HALO, INK, axes_for, styled


@styled
def bound_histogram(
    bounds: Mapping[str, Tensor | np.ndarray | Sequence[float]],
    exact: float | None = None,
    bins: int = 40,
    x_label: str = "bound on log p(x) (nats)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """How estimates of log p(x) spread: one outline each, the mean marked, beside the exact value where it is known.

    Args:
        bounds: name of an estimator -> its values.
        exact: the true (mean) log p(x), nats.
        bins: the same for all estimators.
        x_label: name of the horizontal axis, with its unit.
        title: text above.
        ax: where to draw.

    Returns:
        The figure. Each outline has its name and mean at its mean.

    Raises:
        ValueError: for no estimator, or values that aren't finite.
    """
    values = {name: np.asarray(given, dtype=float).ravel() for name, given in bounds.items()}
    if not values or any(len(given) == 0 or not np.isfinite(given).all() for given in values.values()):
        raise ValueError("bounds: expected at least one estimator, all values finite")
    figure, ax = axes_for(ax)
    everything = np.concatenate(list(values.values()))
    edges = np.histogram_bin_edges(everything, bins)
    tallest = max(np.histogram(given, edges)[0].max() / len(given) for given in values.values())
    marks: list[tuple[float, str, str]] = []
    for color, (name, given) in zip(CYCLE * (1 + len(values) // len(CYCLE)), values.items(), strict=False):
        weights = np.full(len(given), 1 / len(given))
        ax.hist(given, edges, weights=weights, histtype="stepfilled", color=color, alpha=0.15)
        ax.hist(given, edges, weights=weights, histtype="step", color=color, linewidth=1.5)
        marks.append((given.mean(), name, color))
    if exact is not None:
        marks.append((exact, "exact", INK))
    # Names lean away from the middle, so that they don't lie on each other's lines.
    middle = np.mean([at for at, _, _ in marks])
    for row, (at, name, color) in enumerate(sorted(marks)):
        _mark(
            ax, at, f"{name}: " + f"{at:.2f}".replace("-", "−"), color, tallest * (1.1 + 0.11 * row), bool(at < middle)
        )
    ax.set_ylim(0, tallest * (1.15 + 0.11 * (len(values) + (exact is not None))))
    ax.set_xlabel(x_label)
    ax.set_ylabel("share of the examples")
    if title:
        ax.set_title(title)
    return figure


def _mark(ax: Axes, at: float, text: str, color: str, height: float, to_the_left: bool) -> None:
    ax.plot([at, at], [0, height], color=color, linewidth=1.3, linestyle=(0, (4, 2)))
    ax.annotate(
        text, (at, height), xytext=(-4 if to_the_left else 4, 0), textcoords="offset points",
        ha="right" if to_the_left else "left", va="center", color=color, fontsize=9, path_effects=HALO,
    )  # fmt: skip
