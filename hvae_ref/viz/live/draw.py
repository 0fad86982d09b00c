"""Draw an image, and see what each level costs and what is left of it without z1."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from torch import nn

from hvae_ref.data import Dataset
from hvae_ref.nn import eval_mode
from hvae_ref.viz.live.figure import LiveFigure, put_image
from hvae_ref.viz.live.top_down import check_top_down, decoded, first_images, inferred, top_down_figure
from hvae_ref.viz.style import level_color

CAPTION = (
    "One test image of each digit; what the model draws from both of its levels, and from z2 with z1 drawn from "
    "p(z1|z2); the KL of each level. Posterior means; nats. Where scripts run, draw an image yourself."
)
ALT = (
    "Three rows of ten digits above bars. The second row, drawn from both levels, resembles the first, the images. In "
    "the third, where z1 is drawn anew, most digits stay and their strokes change; some become others. Below, bars of "
    "the KL of z2 and of z1 for each."
)


def draw(model: nn.Module, data: Dataset) -> LiveFigure:
    """A pad of grey levels, with the nats of each level and of the pixels.

    Args:
        model: a dense top-down model with two levels.
        data: images of all ten digits, of which the first of each is shown.

    Raises:
        ValueError: for a model or data that the page's arithmetic does not know.
    """
    check_top_down(model, data)
    with eval_mode(model, 0):
        x = first_images(model, data)
        seen = inferred(model, x)
        noise = torch.randn(10, model.shapes["z1"][0], generator=torch.Generator().manual_seed(0))
        rows = {
            "image": x.flatten(1),
            "both kept": decoded(model, seen["z"]["z2"], z1=seen["z"]["z1"]),
            "z2 kept": decoded(model, seen["z"]["z2"], noise=noise),
        }
    figure = plt.figure(figsize=(6.8, 3.9), layout="constrained")
    grid = figure.add_gridspec(4, 10, height_ratios=(1, 1, 1, 1.9))
    for number, (name, images) in enumerate(rows.items()):
        for digit, image in enumerate(images):
            panel = figure.add_subplot(grid[number, digit])
            put_image(panel, image, model.likelihood.num_values - 1)
            if not digit:
                panel.set_ylabel(name, fontsize=9)
    bars, places = figure.add_subplot(grid[3, :]), torch.arange(10)
    for shift, level in ((-0.2, "z2"), (0.2, "z1")):
        bars.bar((places + shift).numpy(), seen["kl"][level].cpu().numpy(), 0.36, color=level_color(level), label=level)
    bars.set(xlim=(-0.5, 9.5), xticks=range(10), ylabel="KL (nats)")
    bars.grid(axis="x", visible=False)
    bars.legend(ncols=2, loc="upper right", fontsize=9)
    bars.set_ylim(0, 1.25 * float(torch.cat([*seen["kl"].values()]).max()))
    return top_down_figure("draw", model, data, figure, ALT, CAPTION)
