"""A relative posterior follows its prior; one that stays where it was becomes dear when the prior moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from hvae_ref.data import Dataset
from hvae_ref.nn import eval_mode
from hvae_ref.viz.live.figure import LiveFigure
from hvae_ref.viz.live.top_down import check_top_down, first_images, inferred, side_path, top_down_figure
from hvae_ref.viz.style import CYCLE, INK

FROM, TO = 3, 5
CAPTION = (
    "The number of z1 whose prior moves most, for a test image x, a 3, while z2 moves from that of x to that of a 5. "
    "Dashed: the prior p(z1|z2). Solid: a posterior. The relative one follows the prior; the other one keeps the "
    "numbers that it had for z2 of x. The KL is that of all numbers of z1 together. Where scripts run, choose images "
    "and number, and move z2."
)
ALT = (
    "Six panels with two bell curves each. From left to right the dashed prior moves. In the upper row the solid "
    "posterior moves along; in the lower row it stays behind, and its divergence from the prior grows."
)


def on_the_way(model: nn.Module, x: Tensor, start: int, end: int, t: float) -> dict[str, Normal]:
    """Of images x (10, …): prior, relative posterior of image `start` and the one that stayed, (D1,) each.

    z2 lies at a share t of the way from its posterior mean for image `start` to that for image `end`.
    """
    z = inferred(model, x)
    z2 = (1 - t) * z["z"]["z2"][start] + t * z["z"]["z2"][end]
    prior = model.prior["z1"](model.descent["z2"](z2[None]))
    relative = model.posterior["z1"](prior, side_path(model, x[start : start + 1])["z1"])
    stayed = z["q"]["z1"].base_dist
    found: dict[str, Any] = {"absolute": Normal(stayed.loc[start], stayed.scale[start])}
    for name, one in {"prior": prior, "relative": relative}.items():
        found[name] = Normal(one.base_dist.loc[0], one.base_dist.scale[0])
    return found


def farthest(prior: Normal, later: Normal) -> int:
    """The number of z1 whose prior goes farthest, in units of its σ."""
    return int(((later.loc - prior.loc).abs() / prior.scale).argmax())


def prior_follows(model: nn.Module, data: Dataset) -> LiveFigure:
    """Densities of one number of z1 while z2 moves away from x.

    Args:
        model: a dense top-down model with two levels.
        data: images of all ten digits, of which the first of each is shown.

    Raises:
        ValueError: for a model or data that the page's arithmetic does not know.
    """
    check_top_down(model, data)
    with eval_mode(model, 0):
        x = first_images(model, data)
        steps = [on_the_way(model, x, FROM, TO, t) for t in (0.0, 0.5, 1.0)]
    number = farthest(steps[0]["prior"], steps[2]["prior"])
    ends = torch.stack(
        [q.loc[number] + s * 3.2 * q.scale[number] for step in steps for q in step.values() for s in (-1, 1)]
    )
    line = np.linspace(float(ends.min()), float(ends.max()), 300)
    figure, grid = plt.subplots(2, 3, figsize=(6.8, 3.3), sharex=True, sharey=True, layout="constrained")
    for row, (name, color) in zip(grid, {"relative": CYCLE[0], "absolute": CYCLE[3]}.items(), strict=True):
        for ax, step, words in zip(row, steps, ("z2 of x", "half-way", "z2 of the 5"), strict=True):
            for one, style in ((step[name], {"color": color}), (step["prior"], {"color": INK, "ls": "--", "lw": 1.3})):
                loc, scale = float(one.loc[number]), float(one.scale[number])
                ax.plot(line, np.exp(-0.5 * ((line - loc) / scale) ** 2) / scale, **style)
            total = float(kl_divergence(step[name], step["prior"]).sum())
            ax.set_title(f"{words}: KL {total:.1f}" if ax in grid[0] else f"KL {total:.1f}", fontsize=9)
            ax.set(yticks=[])
        row[0].set_ylabel({"relative": "relative", "absolute": "fixed"}[name])
    for ax in grid[1]:
        ax.set_xlabel(f"z1, number {number + 1}")
    return top_down_figure("prior-follows", model, data, figure, ALT, CAPTION)
