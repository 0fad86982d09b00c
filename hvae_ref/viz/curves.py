"""Curves over training: the bound, and the KL of each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvae_ref.viz.style import CYCLE, axes_for, level_color, styled


@runtime_checkable
class Recorded(Protocol):
    """A training history: `hvae_ref.training.History`, or anything that has curves by name."""

    def curve(self, name: str) -> list[float]:
        """One number an epoch, by a dotted name such as "train.kl.z1"."""
        ...


Runs = Recorded | Sequence[Recorded]


def _table(runs: Runs, name: str) -> np.ndarray:
    # (runs, epochs); runs that stopped early are cut to the shortest, so that each mean is over all runs
    histories = runs if isinstance(runs, Sequence) else [runs]
    if not histories:
        raise ValueError("histories: expected at least one run, got none")
    curves = [history.curve(name) for history in histories]
    shortest = min(len(curve) for curve in curves)
    return np.array([curve[:shortest] for curve in curves], dtype=float)


def _line(ax: Axes, values: np.ndarray, color: str, style: str = "-") -> tuple[float, float]:
    epochs = np.arange(1, values.shape[1] + 1)
    mean = values.mean(0)
    ax.plot(epochs, mean, color=color, linestyle=style)
    if len(values) > 1:
        spread = values.std(0, ddof=1)
        ax.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.18, linewidth=0)
    return float(epochs[-1]), float(mean[-1])


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names at the right ends of lines, apart from each other where the lines meet.

    Args:
        ax: axes with their limits set.
        ends: x, y, text and colour of each line's end.
    """
    low, high = ax.get_ylim()
    least = (high - low) * 0.062
    placed: list[float] = []
    for x, y, text, color in sorted(ends, key=lambda end: end[1]):
        at = max(y, placed[-1] + least) if placed else y
        placed.append(at)
        ax.annotate(
            text, (x, at), xytext=(5, 0), textcoords="offset points", va="center", color=color, fontsize=9,
            annotation_clip=False,
        )  # fmt: skip


@styled
def training_curves(
    histories: Runs | Mapping[str, Runs],
    skip: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """−ELBO over the epochs: validation as a line, training dashed, mean ± standard deviation over runs.

    Args:
        histories: one run, several runs (seeds), or name -> run or runs.
        skip: epochs left out at the start, where the fall would hide the rest.
        title: text above.
        ax: where to draw.

    Returns:
        The figure, lines labelled at their ends.

    Raises:
        ValueError: without a run, or when every epoch is skipped.
    """
    named = histories if isinstance(histories, Mapping) else {"": histories}
    figure, ax = axes_for(ax)
    ends = []
    for color, (name, runs) in zip(CYCLE * (1 + len(named) // len(CYCLE)), named.items(), strict=False):
        for split, style in (("train", "--"), ("validation", "-")):
            values = _table(runs, f"{split}.negative_elbo")
            if values.shape[1] <= skip:
                raise ValueError(f"skip: expected fewer than the {values.shape[1]} epochs recorded, got {skip}")
            values[:, :skip] = np.nan
            x, y = _line(ax, values, color, style)
            ends.append((x, y, f"{name} {split}".strip(), color))
    ax.set_xlabel("epoch")
    ax.set_ylabel("−ELBO (nats an example)")
    if title:
        ax.set_title(title)
    label_ends(ax, ends)
    return figure


@styled
def kl_curves(
    histories: Runs,
    levels: Sequence[str],
    split: str = "train",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """KL of each level over the epochs, mean ± standard deviation over runs.

    Args:
        histories: one run or several (seeds).
        levels: names, such as `model.levels`.
        split: "train" or "validation".
        title: text above.
        ax: where to draw.

    Returns:
        The figure, one line a level, labelled at its end.
    """
    figure, ax = axes_for(ax)
    ends = []
    for level in levels:
        x, y = _line(ax, _table(histories, f"{split}.kl.{level}"), level_color(level))
        ends.append((x, y, level, level_color(level)))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"KL (nats an example, {split})")
    if title:
        ax.set_title(title)
    label_ends(ax, ends)
    return figure
