"""The graph of a model as it was found in its gradients: arrows of p and of q."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from hvae_ref.evaluation.dependency_graph import DependencyGraph
from hvae_ref.viz.style import FAINT, GROUND, INK, level_color, styled

CONDITION = "c"
LABELS = {"z_global": "$z_g$", "z_local": "$z_l$"}
"""What stands in the circle of a node whose name is too long for it."""


@styled
def model_graphs(models: Mapping[str, DependencyGraph]) -> Figure:
    """One panel a model: what p reads on the left (solid arrows), what q reads on the right (dashed).

    Arrows between neighbours run straight; those that pass a level bend around it. The condition of a conditional model
    stands beside the others.

    Args:
        models: name -> arrows, as `hvae_ref.evaluation.dependency_graph` finds them.

    Raises:
        ValueError: without a model.
    """
    import matplotlib.pyplot as plt

    if not models:
        raise ValueError("models: expected at least one, got none")
    tallest = max(len(found.levels) for found in models.values())
    arrows = [edge for found in models.values() for edge in found.generative | found.inference]
    conditional = any(start == CONDITION for start, _ in arrows)
    width = 1.7 if conditional else 1.0
    size = 2.5 * len(models) * (1.2 if conditional else 1), 0.9 + 0.95 * tallest
    figure, axes = plt.subplots(1, len(models), figsize=size, squeeze=False)
    plt.close(figure)
    for ax, (name, found) in zip(axes[0], models.items(), strict=True):
        for column, (text, edges, style) in enumerate(
            (("p", found.generative, "-"), ("q", found.inference, (0, (4, 2))))
        ):
            places = _places(found, edges, column * width)
            for start, end in sorted(edges):
                _arrow(ax, places[start], places[end], style)
            for node, place in places.items():
                color = INK if node in ("x", CONDITION) else level_color(node)
                ax.scatter(*place, s=620, color=GROUND, edgecolors=color, linewidths=1.6, zorder=3)
                label = "$z$" if found.levels == (node,) else LABELS.get(node, node)
                ax.text(*place, label, ha="center", va="center", color=color, fontsize=10, zorder=4)
            above = (column * width, tallest + 0.65)
            ax.text(*above, text, ha="center", va="center", color=FAINT, fontsize=11, style="italic")
        left = -1.1 if conditional else -0.55
        ax.set(xlim=(left, width + 0.55), ylim=(-0.45, tallest + 0.9), title=name)
        ax.axis("off")
    return figure


def _places(found: DependencyGraph, edges: frozenset[tuple[str, str]], column: float) -> dict[str, tuple[float, float]]:
    """Where each node stands: the levels above x in one column, the condition beside them where an arrow leaves it."""
    names = (*found.levels, "x")
    places = {node: (column, float(len(names) - 1 - row)) for row, node in enumerate(names)}
    if any(start == CONDITION for start, _ in edges):
        places[CONDITION] = (column - 0.78, (len(names) - 1) / 2)
    return places


def _arrow(ax: object, start: tuple[float, float], end: tuple[float, float], style: object) -> None:
    # A jump of n levels bends the more the longer it is, to the right on the way down and to the left on the way up.
    beside = start[0] != end[0]
    length = 0.0 if beside else abs(end[1] - start[1])
    bend = 0.0 if length <= 1 else float(np.clip(0.28 + 0.06 * length, 0, 0.5))
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, color=INK, linewidth=1.3, linestyle=style,
            connectionstyle=f"arc3,rad={bend}", shrinkA=14, shrinkB=14,
        )
    )  # fmt: skip
