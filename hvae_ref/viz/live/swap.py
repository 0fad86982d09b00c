"""Swap the levels of two images: whose digit is drawn, that of z2 or that of z1?"""

from __future__ import annotations

from matplotlib import pyplot as plt
from torch import nn

from hvae_ref.data import Dataset
from hvae_ref.nn import eval_mode
from hvae_ref.viz.live.figure import LiveFigure, put_image
from hvae_ref.viz.live.top_down import check_top_down, decoded, first_images, inferred, top_down_figure

PAIRS = ((3, 8), (0, 9), (4, 7))
COLUMNS = ("A", "B", "z2, z1 of A", "z2 of A,\nz1 of B", "z2 of B,\nz1 of A", "z2, z1 of B")
CAPTION = (
    "Two images, and what the model draws from the levels of one or of both (posterior means). Where scripts run, "
    "choose the images; “σ off” says how far z1 lies from the mean of p(z1|z2), as a root mean square in units of its "
    "σ."
)
ALT = (
    "Three rows of six digits. A row shows two images, then images drawn from both levels of the first, from z2 of "
    "the first with z1 of the second, from z2 of the second with z1 of the first, and from both levels of the second."
)


def swap(model: nn.Module, data: Dataset) -> LiveFigure:
    """The four ways to combine the two levels of two images.

    Args:
        model: a dense top-down model with two levels.
        data: images of all ten digits, of which the first of each is shown.

    Raises:
        ValueError: for a model or data that the page's arithmetic does not know.
    """
    check_top_down(model, data)
    most = model.likelihood.num_values - 1
    figure, grid = plt.subplots(3, 6, figsize=(6.4, 3.6), layout="constrained")
    with eval_mode(model, 0):
        x = first_images(model, data)
        z = inferred(model, x)["z"]
        for row, (a, b) in zip(grid, PAIRS, strict=True):
            upper, lower = [a, a, b, b], [a, b, a, b]
            images = [x[a].flatten(), x[b].flatten(), *decoded(model, z["z2"][upper], z1=z["z1"][lower])]
            for panel, image in zip(row, images, strict=True):
                put_image(panel, image, most)
    for panel, title in zip(grid[0], COLUMNS, strict=True):
        panel.set_title(title, fontsize=9, loc="center")
    return top_down_figure("swap", model, data, figure, ALT, CAPTION)
