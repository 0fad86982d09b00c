"""Bars of KL per level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvae_ref.viz.style import INK, axes_for, level_color, styled

Runs = float | int | Sequence[float] | np.ndarray | np.generic


@styled
def kl_bars(
    kl: Mapping[str, Mapping[str, Runs]],
    title: str | None = None,
    x_label: str = "KL (nats an example)",
    ax: Axes | None = None,
) -> Figure:
    """KL of each level, one group of bars a model: mean, with the standard deviation over runs as a whisker.

    Args:
        kl: model -> level -> one number, or one a run (seed), nats. Levels from top to bottom, as models
            return them.
        title: text above.
        x_label: name of the measure with its unit.
        ax: where to draw.

    Returns:
        The figure. Each bar is labelled with its level, mean and standard deviation.

    Raises:
        ValueError: without a model or a level.
    """
    bars = [
        (model, level, np.atleast_1d(np.asarray(runs, dtype=float)))
        for model, levels in kl.items()
        for level, runs in levels.items()
    ]
    if not bars:
        raise ValueError("kl: expected at least one model with one level, got none")
    groups = list(dict.fromkeys(model for model, _, _ in bars))
    # One line a bar and an empty one between groups.
    places = [row + 0.7 * groups.index(model) for row, (model, _, _) in enumerate(bars)]
    figure, ax = axes_for(ax, (6.4, 0.9 + 0.3 * (places[-1] + 1)))
    widest = max(runs.mean() + (runs.std(ddof=1) if len(runs) > 1 else 0.0) for _, _, runs in bars)
    for place, (_, level, runs) in zip(places, bars, strict=True):
        mean, spread = runs.mean(), runs.std(ddof=1) if len(runs) > 1 else None
        ax.barh(place, mean, height=0.78, color=level_color(level), xerr=spread, ecolor=INK, capsize=2.5)
        text = f"{level}  {mean:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")
        ax.text(mean + (spread or 0.0) + 0.015 * widest, place, text, va="center", fontsize=9, color=level_color(level))
    middles = [
        np.mean([place for place, (model, _, _) in zip(places, bars, strict=True) if model == group])
        for group in groups
    ]
    ax.set_yticks(middles, groups)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.25 * max(widest, 1e-3))
    ax.set_xlabel(x_label)
    ax.grid(axis="y", visible=False)
    if title:
        ax.set_title(title)
    return figure
