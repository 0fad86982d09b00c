"""Pictures of what a model does: reconstructions, samples, levels held and redrawn, walks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from hvae_ref.data import Dataset
from hvae_ref.nn.eval_mode import device_of, eval_mode
from hvae_ref.viz.images import image_grid


def _rows(data: Dataset, n: int, model: nn.Module) -> Tensor:
    # Dynamic binarisation draws here too, so that the model is given what it was trained on.
    generator = torch.Generator().manual_seed(0)
    return data.batch_transform(data.subset(n).x, generator).to(device_of(model))


def reconstructions(
    model: nn.Module,
    data: Dataset,
    n: int = 10,
    keeps: Sequence[Collection[str]] | None = None,
    seed: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The first images, and under them E[x|z] with more and more levels kept from the posterior.

    Args:
        model: with `levels` and `reconstruct(x, keep)`.
        data: images to reconstruct.
        n: how many.
        keeps: levels kept in each row; from the top level alone to all of them by default.
        seed: of all draws.
        title: text above.
        ax: where to draw.

    Returns:
        The figure: one row of data, one for each of `keeps`.
    """
    if keeps is None:
        keeps = [model.levels[: count + 1] for count in range(len(model.levels))]
    x = _rows(data, n, model)
    rows, labels = [x], ["data"]
    for keep in keeps:
        with eval_mode(model, seed):
            rows.append(model.reconstruct(x, keep=tuple(keep)))
        labels.append("from " + (", ".join(keep) if keep else "the prior"))
    return image_grid(torch.stack(rows), data.image_shape, data.num_values, row_labels=labels, title=title, ax=ax)


def _draw(model: nn.Module, n: int, fixed: dict[str, Tensor] | None, temperature: float, mean: bool) -> Tensor:
    if mean:
        return model.decode(model.sample_latents(n, fixed=fixed, temperature=temperature)).mean
    return model.sample(n, fixed=fixed, temperature=temperature)


def samples(
    model: nn.Module,
    data: Dataset,
    n: int = 40,
    columns: int = 10,
    temperature: float = 1.0,
    mean: bool = False,
    seed: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Images drawn from the model.

    Args:
        model: with `sample`; for means also `sample_latents` and `decode`.
        data: gives the image's shape and grey levels.
        n: how many.
        columns: images a row.
        temperature: factor on the scale of every Gaussian prior.
        mean: show E[x|z] in place of a draw from p(x|z); say so in the caption.
        seed: of all draws.
        title: text above.
        ax: where to draw.
    """
    with eval_mode(model, seed):
        images = _draw(model, n, None, temperature, mean)
    return image_grid(images, data.image_shape, data.num_values, columns, title=title, ax=ax)


def level_resampling(
    model: nn.Module,
    data: Dataset,
    hold: Collection[str] = ("z2",),
    rows: int = 4,
    columns: int = 10,
    temperature: float = 1.0,
    mean: bool = True,
    seed: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """What a level decides: each row has one draw of the held levels, each image draws the others anew.

    What is alike within a row comes from the held levels, what differs from the others.

    Args:
        model: with `sample_latents` and `decode` (or `sample`).
        data: gives the image's shape and grey levels.
        hold: levels held along a row.
        rows: draws of the held levels.
        columns: draws of the others.
        temperature: factor on the scale of every Gaussian prior.
        mean: show E[x|z]; False draws from p(x|z).
        seed: of all draws.
        title: text above.
        ax: where to draw.

    Raises:
        ValueError: for a level that the model doesn't have.
    """
    unknown = sorted(set(hold) - set(model.levels))
    if unknown:
        raise ValueError(f"hold: expected levels among {', '.join(model.levels)}, got {', '.join(unknown)}")
    pictures = []
    with eval_mode(model, seed):
        first = model.sample_latents(rows, temperature=temperature)
        for row in range(rows):
            fixed = {level: first[level][row : row + 1].expand(columns, -1) for level in hold}
            pictures.append(_draw(model, columns, fixed, temperature, mean))
    names = ", ".join(sorted(hold, reverse=True))
    labels = [f"{names}, draw {row + 1}" for row in range(rows)]
    return image_grid(torch.stack(pictures), data.image_shape, data.num_values, row_labels=labels, title=title, ax=ax)


def interpolation_strip(
    images: Tensor,
    data: Dataset,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A walk from left to right, one row a pair of images.

    Args:
        images: (steps, D) or (steps, B, D), as `hvae_ref.evaluation.interpolate` returns them; several walks
            between the same ends are joined with `torch.stack(walks, dim=1)`.
        data: gives the image's shape and grey levels.
        row_labels: text left of each row.
        title: text above.
        ax: where to draw.
    """
    rows = images.unsqueeze(1) if images.ndim == 2 else images
    share = [f"{step / (len(rows) - 1):.2g}" for step in range(len(rows))]
    return image_grid(
        rows.transpose(0, 1), data.image_shape, data.num_values,
        row_labels=row_labels, column_labels=share, title=title, ax=ax,
    )  # fmt: skip
