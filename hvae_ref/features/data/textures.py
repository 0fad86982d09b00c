"""Pictures and textures that come with scikit-image, whole, in crops, and in crops with something foreign in them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hvae_ref.data.local_files import DataUnavailable
from hvae_ref.errors import did_you_mean, optional_import
from hvae_ref.features.data.foreign_patches import paste

TEXTURES = ("brick", "grass", "gravel")
"""Grey pictures of one material each, the same all over."""

PICTURES = (
    "astronaut", "camera", "chelsea", "coffee", "coins", "hubble_deep_field", "immunohistochemistry", "moon", "page",
    "retina", "rocket",
)  # fmt: skip
"""Pictures of things: "chelsea" is a cat, "page" printed text, "camera", "coins", "moon" and "page" are grey."""

NAMES = (*TEXTURES, *PICTURES)
PARTS = ("whole", "train", "test")


@lru_cache(maxsize=len(NAMES))
def _read(name: str) -> Tensor:
    data = optional_import("skimage.data", extra="features", wanted_by="hvae_ref.features.data.textures")
    try:
        pixels = np.asarray(getattr(data, name)())
    except (ImportError, OSError) as error:
        # Some distributions leave the pictures out, and scikit-image then looks for them on the network.
        raise DataUnavailable(
            f"{name}: scikit-image could not open it ({type(error).__name__}: {error}). The releases on PyPI hold "
            "all of these pictures: pip install --force-reinstall scikit-image"
        ) from error
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1).contiguous()


def picture(name: str, part: str = "whole") -> Float[Tensor, "channels height width"]:
    """One picture, or the half of it that is kept for training or for testing.

    Args:
        name: one of `NAMES`; `TEXTURES` are of one material each, `PICTURES` are of things.
        part: "whole", "train" (the left half) or "test" (the right half, no pixel of which is in the other).

    Returns:
        (3, H, W), or (1, H, W) where the picture is grey; float32 in [0, 1].

    Raises:
        ValueError: for an unknown name or part.
        DataUnavailable: where scikit-image is installed without its pictures.

    >>> picture("brick").shape, picture("coffee", "test").shape
    (torch.Size([1, 512, 512]), torch.Size([3, 400, 300]))
    """
    if name not in NAMES:
        hint = did_you_mean(name, NAMES)
        raise ValueError(f"name: expected one of {', '.join(NAMES)}, got {name!r}{hint}")
    if part not in PARTS:
        raise ValueError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    whole = _read(name)
    middle = whole.shape[-1] // 2
    return whole[..., {"whole": slice(None), "train": slice(middle), "test": slice(middle, None)}[part]].clone()


def crops(
    name: str, size: int, n: int, seed: int = 0, part: str = "whole"
) -> Float[Tensor, "count channels size size"]:
    """Squares out of a picture, at places drawn uniformly and independently; they may overlap.

    Args:
        name: as for `picture`.
        size: height and width in pixels.
        n: how many.
        seed: of the places.
        part: as for `picture`; crops of "train" and "test" share no pixel.

    Returns:
        (n, 3, size, size), or (n, 1, size, size) where the picture is grey; float32 in [0, 1].

    Raises:
        ValueError: for an unknown name or part, no crop, or a size that is below 1 or does not fit.
        DataUnavailable: where scikit-image is installed without its pictures.

    >>> crops("grass", size=64, n=10, seed=0, part="train").shape
    torch.Size([10, 1, 64, 64])
    """
    if n < 1:
        raise ValueError(f"n: expected at least 1, got {n}")
    source = picture(name, part)
    height, width = source.shape[1:]
    if not 1 <= size <= min(height, width):
        raise ValueError(
            f"size: expected 1 to {min(height, width)} pixels, as {name} ({part}) is {height}×{width}, got {size}"
        )
    # The legacy generator's stream is frozen by numpy, so the places stay the same for good.
    random = np.random.RandomState(seed)
    tops, lefts = random.randint(0, height - size + 1, n), random.randint(0, width - size + 1, n)
    return torch.stack([source[:, t : t + size, s : s + size] for t, s in zip(tops, lefts, strict=True)])


def pasted(
    name: str, foreign: str, size: int, n: int, seed: int = 0, part: str = "test", match: bool = True
) -> tuple[Float[Tensor, "count 3 size size"], Bool[Tensor, "count size size"]]:
    """Crops of one picture, each with a patch of another one in it: images in which to find what does not belong.

    Size, shape and place of the patch are random, as `hvae_ref.features.data.foreign_patches.paste` says. With
    `foreign` the name of the picture itself the patch comes from another place of it: all there is to find then is a
    seam, and a pattern that is out of step.

    Args:
        name: of the picture around the patch, as for `picture`.
        foreign: of the picture that the patch is from.
        size: height and width of the crops in pixels, at least 8.
        n: how many.
        seed: of crops and patches.
        part: of both pictures, as for `picture`.
        match: give the patch the mean and the standard deviation of what it covers, in each channel, so that neither
            brightness nor contrast gives it away.

    Returns:
        Images (n, 3, size, size) in [0, 1], grey ones with their channel repeated, and masks (n, size, size), true
        where the patch is.

    Raises:
        ValueError: for an unknown name or part, no crop, or a size that is below 8 or does not fit.
        DataUnavailable: where scikit-image is installed without its pictures.

    >>> images, masks = pasted("brick", "grass", size=64, n=4)
    >>> images.shape, masks.shape, bool(masks.any((1, 2)).all())
    (torch.Size([4, 3, 64, 64]), torch.Size([4, 64, 64]), True)
    """
    # Seeds of their own: the places in the two pictures would be the same otherwise.
    seeds = np.random.RandomState(seed).randint(2**31, size=3).tolist()
    around = crops(name, size, n, seeds[0], part)
    inside = crops(foreign, size, n, seeds[1], part)
    if around.shape[1] < inside.shape[1]:
        inside = inside.mean(1, keepdim=True)
    images, masks = paste(around, inside.expand_as(around), seeds[2], match)
    return images.expand(-1, 3, -1, -1).contiguous(), masks
