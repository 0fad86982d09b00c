"""Calibration: what central intervals promise against what they hold, and where observations lie among the draws."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.viz.curves import label_ends
from hvae_ref.viz.style import CYCLE, FAINT, INK, styled

BINS = 20


@styled
def calibration_curves(ranks: Mapping[str, Tensor | np.ndarray], title: str | None = None) -> Figure:
    """Left: share of the observations inside the central interval of each probability. Right: histogram of the ranks.

    A model that is right follows the diagonal and has a flat histogram. Above the diagonal its spread is too wide, and
    the histogram a hill; below it is too narrow, and the histogram a valley.

    Args:
        ranks: name -> ranks in (0, 1) of any shape, as `hvae_ref.evaluation.ranks` returns them; NaN are left out.
        title: text above.

    Raises:
        ValueError: without a name, or without a rank.
    """
    import matplotlib.pyplot as plt

    values = {}
    for name, given in ranks.items():
        array = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given, dtype=float).ravel()
        values[name] = array[np.isfinite(array)]
        if not len(values[name]) or values[name].min() < 0 or values[name].max() > 1:
            raise ValueError(f"ranks[{name!r}]: expected at least one number, all in [0, 1]")
    if not values:
        raise ValueError("ranks: expected at least one name, got none")
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.5))
    plt.close(figure)
    nominal = np.linspace(0, 1, 41)
    left.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=5)
    right.axhline(1, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    ends = []
    for number, (name, rank) in enumerate(values.items()):
        color = CYCLE[number % len(CYCLE)]
        inside = np.sort(np.abs(rank - 0.5) * 2)
        left.plot(nominal, np.searchsorted(inside, nominal, side="right") / len(inside), color=color, linewidth=1.4)
        heights, edges = np.histogram(rank, BINS, (0, 1), density=True)
        right.stairs(heights, edges, color=color, linewidth=1.6)
        right.stairs(heights, edges, color=color, alpha=0.1, fill=True)
        ends.append((1.0, float(heights[-1]), name, color))
    left.set(xlabel="probability of the interval", ylabel="share of the observations inside", aspect="equal")
    left.set(xlim=(0, 1), ylim=(0, 1))
    right.set(xlabel="rank of the observation among draws", ylabel="density", xlim=(0, 1))
    right.set_ylim(bottom=0)
    right.set_box_aspect(1)
    label_ends(right, ends)
    if title:
        left.set_title(title)
    return figure
