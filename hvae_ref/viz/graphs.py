"""The graph of a model as it was found in its gradients: arrows of p and of q."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from hvae_ref.evaluation.dependency_graph import DependencyGraph
from hvae_ref.viz.style import FAINT, GROUND, INK, level_color, styled


@styled
def model_graphs(models: Mapping[str, DependencyGraph]) -> Figure:
    """One panel a model: what p reads on the left (solid arrows), what q reads on the right (dashed).

    DependencyGraph between neighbours run straight; those that pass a level bend around it.

    Args:
        models: name -> arrows, as `hvae_ref.evaluation.dependency_graph` finds them.

    Raises:
        ValueError: without a model.
    """
    import matplotlib.pyplot as plt

    if not models:
        raise ValueError("models: expected at least one, got none")
    tallest = max(len(found.levels) for found in models.values())
    figure, axes = plt.subplots(1, len(models), figsize=(2.5 * len(models), 0.9 + 0.95 * tallest), squeeze=False)
    plt.close(figure)
    for ax, (name, found) in zip(axes[0], models.items(), strict=True):
        names = (*found.levels, "x")
        height = {node: len(names) - 1 - row for row, node in enumerate(names)}
        for column, (text, edges, style) in enumerate(
            (("p", found.generative, "-"), ("q", found.inference, (0, (4, 2))))
        ):
            for start, end in sorted(edges):
                _arrow(ax, (column, height[start]), (column, height[end]), style)
            for node in names:
                color = INK if node == "x" else level_color(node)
                ax.scatter(column, height[node], s=620, color=GROUND, edgecolors=color, linewidths=1.6, zorder=3)
                ax.text(column, height[node], node, ha="center", va="center", color=color, fontsize=10, zorder=4)
            ax.text(column, len(names) - 0.35, text, ha="center", va="center", color=FAINT, fontsize=11, style="italic")
        ax.set(xlim=(-0.55, 1.55), ylim=(-0.45, tallest + 0.9), title=name)
        ax.axis("off")
    return figure


def _arrow(ax: object, start: tuple[float, float], end: tuple[float, float], style: object) -> None:
    # A jump of n levels bends the more the longer it is, to the right on the way down and to the left on the way up.
    length = abs(end[1] - start[1])
    bend = 0.0 if length <= 1 else float(np.clip(0.28 + 0.06 * length, 0, 0.5))
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, color=INK, linewidth=1.3, linestyle=style,
            connectionstyle=f"arc3,rad={bend}", shrinkA=14, shrinkB=14,
        )
    )  # fmt: skip
