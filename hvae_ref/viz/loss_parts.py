"""The named parts of a loss over the epochs, with the phases of its weights shaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import lines as mlines
from matplotlib.figure import Figure

from hvae_ref.viz.style import CYCLE, FAINT, INK, level_color, styled

SHADES = ("#eef1f5", "#f7efe6", "#eef5ef")


def _color(part: str, number: int) -> str:
    try:
        return level_color(f"z_{part.removesuffix('_kl')}")
    except ValueError:
        return CYCLE[2 + number % (len(CYCLE) - 2)]


@styled
def loss_parts(
    parts: Mapping[str, Sequence[float]],
    phases: tuple[float, float] | None = (0.3, 0.7),
    validation: Mapping[str, Sequence[float]] | None = None,
    columns: int = 3,
    title: str | None = None,
) -> Figure:
    """A panel for each part of a loss, since their units and sizes differ; unweighted means over the epochs.

    Args:
        parts: name of a part -> one number an epoch, from training. Where the first epoch lies far from all others,
            the panel's limits are those of the others.
        phases: where the second and the third phase begin, as shares of the run; None for no phases.
        validation: the same from validation, dashed; parts that it lacks have one line alone.
        columns: panels side by side.
        title: text above.

    Raises:
        ValueError: without a part or an epoch, or for phases that are not in order.
    """
    import matplotlib.pyplot as plt

    if not parts or any(len(values) == 0 for values in parts.values()):
        raise ValueError("parts: expected at least one part, each with an epoch or more")
    if phases is not None and not 0 <= phases[0] <= phases[1] <= 1:
        raise ValueError(f"phases: expected two shares of the run in order, got {phases}")
    rows = -(-len(parts) // columns)
    figure, axes = plt.subplots(
        rows, min(columns, len(parts)), figsize=(7.6, 0.5 + 1.9 * rows), squeeze=False, sharex=True
    )
    plt.close(figure)
    for ax in axes.flat[len(parts) :]:
        ax.set_visible(False)
    for number, (ax, (name, values)) in enumerate(zip(axes.flat, parts.items(), strict=False)):
        count = len(values)
        edges = [0.5 + count * share for share in ((0.0, *phases, 1.0) if phases else (0.0, 1.0))]
        for phase, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            if phases and end > start:
                ax.axvspan(start, end, color=SHADES[phase], linewidth=0, zorder=0)
                if number == 0:
                    place = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "top"}
                    ax.text((start + end) / 2, 0.97, f"phase {phase + 1}", fontsize=8, color=FAINT, **place)
        color = _color(name, number)
        epochs = np.arange(1, count + 1)
        ax.plot(epochs, values, color=color, linewidth=1.6)
        other = (validation or {}).get(name)
        if other is not None:
            ax.plot(np.arange(1, len(other) + 1), other, color=color, linewidth=1.2, linestyle="--")
        ax.set_xlim(0.5, count + 0.5)
        if count > 3:
            later = np.concatenate([np.asarray(line, dtype=float)[1:] for line in (values, other) if line is not None])
            low, high = np.nanmin(later), np.nanmax(later)
            if abs(values[0] - np.clip(values[0], low, high)) > 2 * (high - low) > 0:
                ax.set_ylim(low - 0.08 * (high - low), high + 0.3 * (high - low))
        ax.set_title(name, fontsize=10, color=color)
        ax.tick_params(labelsize=8)
    for ax in axes.flat[max(0, len(parts) - axes.shape[1]) : len(parts)]:
        ax.set_xlabel("epoch", fontsize=9)
        ax.tick_params(labelbottom=True)
    if validation:
        lines = [
            mlines.Line2D([], [], color=INK, linestyle=style, label=label)
            for style, label in (("-", "training"), ("--", "validation"))
        ]
        figure.legend(handles=lines, loc="outside upper center", ncols=2, fontsize=9)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure
