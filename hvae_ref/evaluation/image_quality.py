"""How near an image is to another: PSNR and SSIM, as scikit-image defines them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.errors import optional_import

SIGMA = 1.5
"""Standard deviation in pixels of the window that SSIM looks through."""
SMALLEST = 11
"""Height and width in pixels below which SSIM's window does not fit."""
ROUNDING = 1e-5
"""How far outside of [0, 1] a value may lie: resizing leaves white at 1.0000001."""


def psnr(
    images: Float[Tensor, "count channels height width"], reference: Float[Tensor, "count channels height width"]
) -> Float[Tensor, " count"]:
    """Peak signal-to-noise ratio −10 log₁₀ mean (x − r)² of each image, in dB, for values in [0, 1].

    Args:
        images: (N, C, H, W).
        reference: of the same shape.

    Returns:
        (N,); infinite for an image that is its reference.

    Raises:
        ValueError: for shapes that differ or are empty, values outside of [0, 1] or NaN.
    """
    _check(images, reference)
    return -10 * (images.double() - reference.double()).square().mean((1, 2, 3)).log10().float()


def ssim(
    images: Float[Tensor, "count channels height width"], reference: Float[Tensor, "count channels height width"]
) -> Float[Tensor, " count"]:
    """Structural similarity of each image with its reference, through a Gaussian window of σ = 1.5 pixels.

    Args:
        images: (N, C, H, W) in [0, 1], at least 11 pixels high and wide.
        reference: of the same shape.

    Returns:
        (N,), at most 1.

    Raises:
        ValueError: as for `psnr`, and for images that are too small.
        ModuleNotFoundError: without scikit-image.

    Reference:
        Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment, https://doi.org/10.1109/TIP.2003.819861
    """
    metrics = optional_import("skimage.metrics", extra="features", wanted_by="hvae_ref.evaluation.ssim")
    _check(images, reference)
    if min(images.shape[2:]) < SMALLEST:
        raise ValueError(f"images: expected at least {SMALLEST}×{SMALLEST} pixels for SSIM, got {tuple(images.shape)}")
    pairs = zip(*(x.detach().cpu().double().numpy() for x in (images, reference)), strict=True)
    # The settings of the paper: a Gaussian window, and covariances that divide by its weight.
    settings = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False, "data_range": 1.0}
    values = [metrics.structural_similarity(x, r, channel_axis=0, **settings) for x, r in pairs]
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _check(images: Tensor, reference: Tensor) -> None:
    if images.shape != reference.shape or images.ndim != 4 or not images.numel():
        raise ValueError(
            f"images: expected the shape (N, C, H, W) of the reference, at least one of each, "
            f"got {tuple(images.shape)} and {tuple(reference.shape)}"
        )
    for name, values in (("images", images), ("reference", reference)):
        if not values.is_floating_point():
            raise ValueError(f"{name}: expected floating-point values in [0, 1], got {values.dtype}; divide by 255")
        if not (values.min() >= -ROUNDING and values.max() <= 1 + ROUNDING):
            raise ValueError(f"{name}: expected values in [0, 1] without NaN")
