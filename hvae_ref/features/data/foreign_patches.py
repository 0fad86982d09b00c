"""Patches of one picture pasted into another, with the mask of what was pasted."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hvae_ref.data.examples import in_words
from hvae_ref.features.pyramid.feature_pyramid import ROUNDING

SMALLEST = 8
"""Least height and width of an image: in a smaller one a patch is a pixel or all of it."""

SIDES = (1 / 6, 1 / 2)
"""Shortest and longest axis of a patch, as shares of the image's shorter side."""


def paste(
    images: Float[Tensor, "count channels height width"],
    foreign: Float[Tensor, "count channels height width"],
    seed: int = 0,
    match: bool = True,
) -> tuple[Float[Tensor, "count channels height width"], Bool[Tensor, "count height width"]]:
    r"""Put a patch of each foreign image into an image, at the place it comes from; shape, size and place are random.

    Shape: |x'/a|^p + |y'/b|^p ≤ 1 around a centre that is uniform over the image, turned by a uniform angle, with axes
    2a, 2b uniform in `SIDES` of the shorter side and p log-uniform from 1 (a diamond) over 2 (an ellipse) to 8 (nearly
    a rectangle). Part of it may lie outside of the image.

    With `match`, the patch f is replaced by (f − mean f) / sd f · sd x + mean x, where x is what it covers, in each
    channel: neither brightness nor contrast then gives it away, only what it shows. Values are clipped to [0, 1].

    Args:
        images: (n, C, H, W) in [0, 1], at least 8 pixels high and wide.
        foreign: (n, C, H, W) in [0, 1].
        seed: of shapes, sizes and places.
        match: give the patch mean and standard deviation of what it covers.

    Returns:
        Images (n, C, H, W), and masks (n, H, W), true where the patch is; each has pixels of both kinds.

    Raises:
        ValueError: for shapes that differ, images that are too small, and values that are not finite or outside of
            [0, 1].
    """
    for name, given in (("images", images), ("foreign", foreign)):
        if not isinstance(given, Tensor) or given.ndim != 4 or not given.is_floating_point():
            raise ValueError(f"{name}: expected a floating-point tensor (n, C, H, W) in [0, 1], got {in_words(given)}")
        if given.numel() and not (given.amin() >= -ROUNDING and given.amax() <= 1 + ROUNDING):
            found = f"values from {float(given.amin()):.4g} to {float(given.amax()):.4g}"
            raise ValueError(f"{name}: expected values in [0, 1], got {found}")
    if images.shape != foreign.shape:
        raise ValueError(
            f"foreign: expected shape {tuple(images.shape)}, that of the images, got {tuple(foreign.shape)}"
        )
    height, width = images.shape[2:]
    if min(height, width) < SMALLEST:
        raise ValueError(f"images: expected at least {SMALLEST}×{SMALLEST} pixels, got {height}×{width}")
    # The legacy generator's stream is frozen by numpy, so the patches stay the same for good.
    random = np.random.RandomState(seed)
    masks = torch.stack([_shape(height, width, random) for _ in images]) if len(images) else images[:, 0].bool()
    masks = masks.to(images.device)
    results = images.clone()
    for result, other, mask in zip(results, foreign, masks, strict=True):
        patch = other[:, mask]
        result[:, mask] = matched(patch, result[:, mask]) if match else patch
    return results, masks


def _shape(height: int, width: int, random: np.random.RandomState) -> Tensor:
    """The mask of one patch."""
    y, x = random.randint(height), random.randint(width)
    a, b = random.uniform(*SIDES, 2) * min(height, width) / 2
    angle, power = random.uniform(0, math.pi), math.exp(random.uniform(0, math.log(8)))
    down, right = np.mgrid[:height, :width] - np.array([y, x])[:, None, None]
    along = right * math.cos(angle) + down * math.sin(angle)
    across = down * math.cos(angle) - right * math.sin(angle)
    return torch.from_numpy(np.abs(along / a) ** power + np.abs(across / b) ** power <= 1)


def matched(patch: Tensor, covered: Tensor) -> Tensor:
    """The patch (C, P) with mean and standard deviation of what it covers (C, P); a plain patch stays plain."""
    mean, spread = patch.mean(1, keepdim=True), patch.std(1, correction=0, keepdim=True)
    plain = spread < torch.finfo(patch.dtype).eps
    shape = (patch - mean) / torch.where(plain, torch.ones_like(spread), spread)
    return (shape * covered.std(1, correction=0, keepdim=True) + covered.mean(1, keepdim=True)).clamp(0, 1)
