"""Images with a patch that does not belong, and the scores that look for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.features.plots.feature_maps import MOST
from hvae_ref.features.validation import checked_tensor
from hvae_ref.viz.style import FAINT, GROUND, INK, styled

CELL = 1.25
OUTLINE = "#c04a00"
STRANGE = mpl.colors.LinearSegmentedColormap.from_list("strange", [GROUND, "#b9cfe6", "#0058a8", "#00264a"])
QUANTILE = 0.995
"""A column's colours end here: a single pixel far out would leave all others pale."""


@styled
def anomaly_maps(
    images: Tensor,
    scores: Mapping[str, Tensor],
    masks: Tensor | None = None,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """One image a row, followed by its map of each score; the patch is outlined in all of them.

    Colours run from 0 or below (the ground) to a column's 99.5 % quantile, the same for all rows: what is dark in one
    row and pale in another differs by as much as it looks.

    Args:
        images: (N, 3, H, W) or (N, 1, H, W) in [0, 1].
        scores: name to maps (N, H, W), such as `hvae_ref.features.AnomalyScore` returns them; a column each.
        masks: (N, H, W), true where the patch is.
        row_labels: text left of each row.
        title: text above all.

    Raises:
        ValueError: without a score, and for shapes or labels that do not fit the images.
    """
    import matplotlib.pyplot as plt

    _check(images, scores, masks, row_labels)
    pictures = images.detach().cpu().movedim(1, -1).numpy()
    rows, columns = len(images), len(scores) + 1
    size = (CELL * columns + 0.4 + 0.8 * bool(row_labels), CELL * rows + 0.75 + 0.3 * bool(title))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    plt.close(figure)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color(FAINT)
        ax.spines[:].set_linewidth(0.5)
    for row, picture in enumerate(pictures):
        grey = picture.shape[-1] == 1
        axes[row, 0].imshow(picture[..., 0] if grey else picture, cmap="gray" if grey else None, vmin=0, vmax=1)
        if row_labels:
            axes[row, 0].set_ylabel(row_labels[row], fontsize=9, color=INK)
    axes[0, 0].set_title("image", fontsize=9)
    for column, (name, maps) in enumerate(scores.items(), start=1):
        values = maps.detach().cpu().double().numpy()
        top = max(float(np.quantile(values, QUANTILE)), 1e-6)
        axes[0, column].set_title(name, fontsize=9)
        for row, value in enumerate(values):
            drawn = axes[row, column].imshow(value, cmap=STRANGE, vmin=0, vmax=top)
        bar = figure.colorbar(drawn, ax=axes[:, column].tolist(), location="bottom", aspect=12, pad=0.02, shrink=0.95)
        bar.set_ticks([0, top], labels=["≤ 0", f"{top:.2g}"])
        bar.set_label("score", fontsize=8, labelpad=-6)
        bar.ax.tick_params(labelsize=8, length=0)
        bar.outline.set_visible(False)
    if masks is not None:
        halo = [patheffects.withStroke(linewidth=2.6, foreground=GROUND)]
        for row, mask in enumerate(masks.cpu().numpy()):
            for ax in axes[row]:
                if mask.any() and not mask.all():
                    outline = ax.contour(mask.astype(float), [0.5], colors=OUTLINE, linewidths=1.2)
                    outline.set_path_effects(halo)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def _check(
    images: Tensor, scores: Mapping[str, Tensor], masks: Tensor | None, row_labels: Sequence[str] | None
) -> None:
    for name, given in {"images": images, **scores, **({} if masks is None else {"masks": masks})}.items():
        checked_tensor(name, given)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.numel():
        raise ValueError(f"images: expected shape (N, 3, H, W) or (N, 1, H, W), got {tuple(images.shape)}")
    if not images.is_floating_point() or not images.isfinite().all():
        raise ValueError(f"images: expected finite floating-point values in [0, 1], got {images.dtype}")
    if images.amax() > MOST:
        raise ValueError(f"images: expected values in [0, 1], got up to {images.amax():.4g}")
    if not scores:
        raise ValueError("scores: expected at least one map, got none")
    shape = (len(images), *images.shape[2:])
    for name, maps in {**scores, **({} if masks is None else {"masks": masks})}.items():
        if tuple(maps.shape) != shape:
            raise ValueError(f"{name}: expected shape {shape}, as the images have it, got {tuple(maps.shape)}")
    for name, maps in scores.items():
        if not maps.isfinite().all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if masks is not None and masks.dtype != torch.bool:
        raise ValueError(f"masks: expected booleans, got {masks.dtype}")
    if row_labels is not None and len(row_labels) != len(images):
        raise ValueError(f"row_labels: expected {len(images)} labels, got {len(row_labels)}")
