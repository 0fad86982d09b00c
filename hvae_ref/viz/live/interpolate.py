"""From one image to another by z2, by z1, or by mixing grey levels."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from torch import nn

from hvae_ref.data import Dataset
from hvae_ref.nn import eval_mode
from hvae_ref.viz.live.figure import LiveFigure, put_image
from hvae_ref.viz.live.top_down import check_top_down, decoded, first_images, inferred, top_down_figure

FROM, TO, STEPS = 3, 8, 9
CAPTION = (
    "From a 3 to an 8 in equal steps: z2 moves and z1 keeps the value it had for the 3; z1 moves and z2 stays; the "
    "grey levels of both images are mixed. Where scripts run, choose both images and move along the way."
)
ALT = (
    "Three rows of nine images that begin at a 3. When z2 moves, the 3 changes step by step into something close to "
    "an 8. When z1 moves, the images stay close to the 3. When grey levels are mixed, both digits show through each "
    "other in the middle."
)


def interpolate(model: nn.Module, data: Dataset) -> LiveFigure:
    """Three ways from one image to another.

    Args:
        model: a dense top-down model with two levels.
        data: images of all ten digits, of which the first of each is shown.

    Raises:
        ValueError: for a model or data that the page's arithmetic does not know.
    """
    check_top_down(model, data)
    with eval_mode(model, 0):
        x = first_images(model, data)
        z = inferred(model, x)["z"]
        t = torch.linspace(0, 1, STEPS).to(x)[:, None]
        path = {key: (1 - t) * value[FROM] + t * value[TO] for key, value in {**z, "x": x.flatten(1)}.items()}
        kept = {level: value[FROM].expand(STEPS, -1) for level, value in z.items()}
        rows = {
            "z2 moves": decoded(model, path["z2"], z1=kept["z1"]),
            "z1 moves": decoded(model, kept["z2"], z1=path["z1"]),
            "mixed": path["x"],
        }
    figure, grid = plt.subplots(3, STEPS, figsize=(6.4, 2.5), layout="constrained")
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for panel, image in zip(line, images, strict=True):
            put_image(panel, image, model.likelihood.num_values - 1)
        line[0].set_ylabel(name, fontsize=9)
    return top_down_figure("interpolate", model, data, figure, ALT, CAPTION)
