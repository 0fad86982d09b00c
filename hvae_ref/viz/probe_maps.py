"""What probes read from each latent, as a map with its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvae_ref.evaluation.probes import ProbeScore
from hvae_ref.viz.style import FAINT, GROUND, INK, axes_for, styled

READS = mpl.colors.LinearSegmentedColormap.from_list("reads", [GROUND, "#b9cfe6", "#0058a8"])


@styled
def probe_map(
    scores: Sequence[ProbeScore],
    kind: str = "nonlinear",
    groups: Sequence[int] = (),
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """R² of every factor (a row) from every code (a column), as colour and number.

    A number that is not above 0 and the shuffled factors' highest is set faint: the probe reads nothing there.

    Args:
        scores: as `hvae_ref.evaluation.probe` returns them.
        kind: "linear" or "nonlinear".
        groups: numbers of factors after which a line is drawn, such as 7 for the seven statics before the rest.
        title: text above.
        ax: where to draw.

    Raises:
        ValueError: without a score of that kind.
    """
    chosen = [score for score in scores if score.kind == kind]
    if not chosen:
        kinds = ", ".join(sorted({score.kind for score in scores})) or "none"
        raise ValueError(f"kind: expected one of the scores' kinds, {kinds}, got {kind!r}")
    codes = list(dict.fromkeys(score.code for score in chosen))
    factors = list(dict.fromkeys(score.factor for score in chosen))
    table = np.full((len(factors), len(codes)), np.nan)
    for score in chosen:
        table[factors.index(score.factor), codes.index(score.code)] = score.r2
    figure, ax = axes_for(ax, (1.9 + 0.95 * len(codes), 0.9 + 0.3 * len(factors)))
    ax.imshow(np.clip(table, 0, 1), cmap=READS, vmin=0, vmax=1, aspect="auto")
    for score in chosen:
        row, column = factors.index(score.factor), codes.index(score.code)
        read = score.r2 > max(score.floor, 0)
        color = (GROUND if score.r2 > 0.72 else INK) if read else FAINT
        text = f"{round(score.r2, 2) + 0.0:.2f}".replace("-", "−")
        ax.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=9,
            color=color,
            fontstyle="normal" if read else "italic",
        )
    ax.set_xticks(range(len(codes)), codes)
    ax.set_yticks(range(len(factors)), factors)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    for after in groups:
        ax.axhline(after - 0.5, color=INK, linewidth=1.0)
    if title:
        ax.set_title(title)
    return figure
