"""Brightness and contrast of windows: what a patch must not be found by alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hvae_ref.errors import is_whole
from hvae_ref.features.pyramid.feature_pyramid import ROUNDING
from hvae_ref.features.validation import checked_tensor


def local_contrast(
    images: Float[Tensor, "batch channels height width"], window: int = 16
) -> Float[Tensor, "batch 2 rows columns"]:
    """Mean brightness of a window, and log of its standard deviation: what a patch must not be found by alone.

    Windows overlap by half. Whatever finds a patch in these two numbers has not looked at what it shows.

    Args:
        images: in [0, 1]; colours are averaged.
        window: height and width of the windows in pixels, even.

    Raises:
        ValueError: for images of another shape or type, and for a window that is odd or larger than they are.
    """
    checked_tensor("images", images, "floats (B, C, H, W)")
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"images: expected floats (B, C, H, W), got {tuple(images.shape)}, {images.dtype}")
    if not -ROUNDING <= images.amin() <= images.amax() <= 1 + ROUNDING:
        found = f"values from {float(images.amin()):.4g} to {float(images.amax()):.4g}"
        raise ValueError(f"images: expected floats in [0, 1], got {found}")
    if not is_whole(window, least=2) or window % 2 or window > min(images.shape[2:]):
        raise ValueError(f"window: expected an even number from 2 to {min(images.shape[2:])} pixels, got {window!r}")
    window = int(window)
    grey = images.mean(1, keepdim=True)
    mean, square = (
        functional.avg_pool2d(x, window, window // 2, padding=window // 4, count_include_pad=False)
        for x in (grey, grey.square())
    )
    # A thousandth is below a grey level, so that a plain window has a finite logarithm.
    spread = (square - mean.square()).clamp(min=0).sqrt() + 1e-3
    return torch.cat([mean, spread.log()], 1)
