"""Move z2 and draw z1 again: which of the two levels holds the digit?"""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from torch import nn

from hvae_ref.data import Dataset
from hvae_ref.nn import eval_mode
from hvae_ref.viz.live.figure import LiveFigure, put_image
from hvae_ref.viz.live.top_down import check_top_down, decoded, plane, top_down_figure

PLACES = ((-1.6, 0.4), (0.2, 1.4), (1.3, -0.6), (-0.3, -1.4))
CAPTION = (
    "Images that a two-level model draws. The upper level is called z2, the lower one z1. Each row of the picture "
    "holds z2 still and draws z1 six times. Where scripts run, move z2 yourself: each digit in the plane is an image, "
    "placed by the z2 that the model finds for it."
)
ALT = (
    "Four rows of six small handwritten digits. The images of a row share the numbers of the upper level and differ "
    "in those of the lower level."
)


def two_level(model: nn.Module, data: Dataset) -> LiveFigure:
    """A plane of z2 to move in, and twelve images with a z1 each.

    Args:
        model: a dense top-down model with two levels.
        data: images of all ten digits.

    Raises:
        ValueError: for a model or data that the page's arithmetic does not know.
    """
    check_top_down(model, data)
    start = plane(model, data)
    center, axes = torch.tensor(start["center"]), torch.tensor(start["axes"])
    generator = torch.Generator().manual_seed(0)
    figure, grid = plt.subplots(4, 6, figsize=(6, 4.2), layout="constrained")
    for row, (a, b) in zip(grid, PLACES, strict=True):
        z2 = (center + a * axes[0] + b * axes[1]).expand(6, -1)
        noise = torch.randn(6, model.shapes["z1"][0], generator=generator)
        with eval_mode(model, 0):
            images = decoded(model, z2, noise)
        for image, panel in zip(images, row, strict=True):
            put_image(panel, image, model.likelihood.num_values - 1)
    return top_down_figure("two-level", model, data, figure, ALT, CAPTION)
