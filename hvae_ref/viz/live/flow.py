"""A Gaussian that a planar flow bends step by step, and the account of its density."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from hvae_ref.flows import PlanarFlow
from hvae_ref.flows.base import FlowOutput
from hvae_ref.viz.densities import square_grid
from hvae_ref.viz.live.figure import LiveFigure, drawn
from hvae_ref.viz.live.weights import fingerprint
from hvae_ref.viz.style import CYCLE

REACH, CELLS, DRAWS = 5.2, 61, 800
CAPTION = (
    "Draws from a Gaussian, moved by the steps of a planar flow that was trained to make the grey density. Below "
    "each picture: the mean log |det| of all steps so far. The density of every draw falls by as much as the area "
    "around it grows. Where scripts run, go through the steps yourself, and follow a patch: its area is measured "
    "by its outline."
)
ALT = (
    "Points in the plane after 0 to {last} steps of a flow: a round cloud is spread, split in two and "
    "squeezed, until most of it lies on the two grey arcs."
)


def flow(bending: nn.Module, log_target: Callable[[Tensor], Tensor]) -> LiveFigure:
    """A slider over the steps of a flow in the plane, with the mean log-determinant of each.

    Args:
        bending: a planar flow of two dimensions without a context.
        log_target: from points (…, 2) to the log density that the flow was trained for, up to a constant.

    Raises:
        ValueError: for another flow, or with a context.
    """
    sizes = [getattr(bending, name, None) for name in ("latent_dim", "context_dim")]
    if not isinstance(bending, PlanarFlow) or sizes != [2, 0]:
        got = f"{type(bending).__name__} with {' and '.join(map(str, sizes))}"
        raise ValueError(f"bending: expected a PlanarFlow of 2 dimensions and a context of 0, got {got}")
    generator = torch.Generator().manual_seed(0)
    path = trajectory(bending, torch.randn(DRAWS, 2, generator=generator))
    shown = [round(share * bending.steps / 4) for share in range(5)]
    figure, axes = plt.subplots(1, len(shown), figsize=(9.0, 2.15), layout="constrained")
    grid = square_grid(REACH, 121)
    target = log_target(grid)
    for ax, step in zip(axes, shown, strict=True):
        at = path[step]
        ax.contourf(grid[..., 0], grid[..., 1], (target - target.max()).exp(), 6, cmap="Greys", vmax=2.5)
        ax.scatter(*at.z.T, s=2.5, linewidths=0, color=CYCLE[0])
        log = f"{float(at.log_abs_det.mean()):+.2f}".replace("-", "−")
        ax.set(
            xlim=(-REACH, REACH),
            ylim=(-REACH, REACH),
            aspect="equal",
            xticks=[],
            yticks=[],
            xlabel=f"Σ log |det| {log}",
        )
        ax.set_title(f"{step} steps")
        ax.grid(False)
    picture, size = drawn(figure)
    alt = ALT.format(last=bending.steps)
    weights = fingerprint(bending.state_dict())
    return LiveFigure(
        "flow", lambda: stored(bending, log_target), picture, size, alt, CAPTION, ("chart",), weights=weights
    )


def trajectory(bending: PlanarFlow, z: Tensor) -> list[FlowOutput]:
    """The points z (N, 2) before the first step and after each, with the log-determinants so far."""
    with torch.no_grad():
        return bending.trajectory(z, z.new_empty(len(z), 0))


def stored(bending: PlanarFlow, log_target: Callable[[Tensor], Tensor]) -> dict[str, object]:
    """What a page is given: u, w and b of every step, mean log-determinants, and the target as shades 0 … 255."""
    numbers = bending.hyper.bias.detach().view(bending.steps, 5).tolist()
    generator = torch.Generator().manual_seed(1)
    path = trajectory(bending, torch.randn(20_000, 2, generator=generator))
    means = torch.stack([at.log_abs_det.mean() for at in path]).diff()
    edge = REACH * (1 - 1 / CELLS)  # middles of the cells, from top to bottom as images are
    target = log_target(square_grid(edge, CELLS)).flip(0).flatten()
    shades = (255 * (target - target.max()).exp()).round().int()
    return {
        "weights": fingerprint(bending.state_dict()),
        "steps": [[row[:2], row[2:4], row[4]] for row in numbers],
        "means": means.tolist(),
        "reach": REACH,
        "target": shades.tolist(),
    }
