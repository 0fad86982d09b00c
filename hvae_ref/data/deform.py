"""More training images from few: small deformations that keep the statistics of how the digits were made.

Each 8×8 image of the digits is a 32×32 bitmap of ink in which the 16 dots of every 4×4 block were counted. Turning or
shifting the counts would blur them into grey levels that the data never have. So a bitmap with exactly those counts is
rebuilt first, then deformed, and then counted again: what comes out is as crisp as what went in. Images of 256 grey
levels are smooth at their edges as they are, and are deformed by bilinear interpolation.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate

from hvae_ref.errors import whole_number

SMOOTH = 256
"""So many grey levels are those of a smooth picture and no counts."""


def bitmaps(x: Float[Tensor, "n data"], image_shape: tuple[int, int], block: int) -> Float[Tensor, "n 1 high wide"]:
    """A picture of ink whose dots, counted in blocks, give x again exactly.

    Within a block the dots go where the bicubic enlargement of the counts is highest, which joins the strokes.

    Args:
        x: (N, H·W) counts 0 … `block`².
        image_shape: (H, W).
        block: side of a block, in dots.

    Returns:
        (N, 1, H·block, W·block) of {0, 1}.
    """
    n, (height, width) = len(x), image_shape
    large = interpolate(x.view(n, 1, height, width), scale_factor=block, mode="bicubic", align_corners=False)
    blocks = large.view(n, height, block, width, block).transpose(2, 3).reshape(-1, block * block)
    order = torch.sort(blocks, dim=-1, descending=True, stable=True).indices
    inked = (torch.arange(block * block, device=x.device) < x.reshape(-1, 1)).to(x.dtype)
    dots = torch.empty_like(blocks).scatter_(1, order, inked)
    return dots.view(n, height, width, block, block).transpose(2, 3).reshape(n, 1, height * block, width * block)


def count(ink: Float[Tensor, "n 1 high wide"], block: int) -> Float[Tensor, "n data"]:
    """Dots of ink in each block, (N, H·W): the inverse of `bitmaps`."""
    return (avg_pool2d(ink, block) * block**2).round().flatten(1)


def deformed(
    x: Float[Tensor, "n data"],
    image_shape: tuple[int, int],
    grey_levels: int,
    copies: int,
    seed: int = 0,
    rotation: float = 0.07,
    log_scale: float = 0.05,
    shear: float = 0.07,
    shift: float = 0.25,
) -> Float[Tensor, "many data"]:
    """Copies of images, each turned, stretched, slanted and shifted a little by its own Gaussian amounts.

    Args:
        x: (N, H·W), whole numbers 0 … `grey_levels` − 1.
        image_shape: (H, W).
        grey_levels: 256; or, where a value is a count of dots, one more than the dots of a block, which must be a
            square: 17 for 4×4.
        copies: of each image.
        seed: of the amounts.
        rotation: standard deviation of the angle, in radians.
        log_scale: of the log of each of the two stretches.
        shear: of the tangent of the slant.
        shift: of each of the two shifts, in pixels of x.

    Returns:
        (copies · N, H·W): all images once, then all of them again.

    Raises:
        ValueError: for a negative number of copies, or where the grey levels are neither 256 nor the counts of square
            blocks.
    """
    smooth, block = grey_levels == SMOOTH, math.isqrt(max(grey_levels - 1, 0))
    if not smooth and (block < 2 or block**2 != grey_levels - 1):
        raise ValueError(
            f"grey_levels: expected 256, or the counts of square blocks, such as 17 for 4×4 dots, got {grey_levels}"
        )
    copies, seed = whole_number("copies", copies, 0), whole_number("seed", seed, 0)
    if copies == 0:
        return x[:0]
    # On the CPU, so that every kind of device gets the same images.
    random, n = torch.Generator().manual_seed(seed), len(x)
    ink = x.cpu().view(n, 1, *image_shape) if smooth else bitmaps(x.cpu(), image_shape, block)
    half = torch.tensor([image_shape[1], image_shape[0]]) / 2

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    parts = [x[:0]]
    for _ in range(copies):
        angle, slant, stretch = draw(n) * rotation, draw(n) * shear, (draw(n, 2) * log_scale).exp()
        cos, sin = angle.cos(), angle.sin()
        rows = torch.stack([cos, cos * slant - sin, sin, cos + sin * slant], -1).view(n, 2, 2)
        # Coordinates run from −1 to 1 over the image, so a shift is counted in halves of it.
        move = (draw(n, 2) * shift / half).unsqueeze(-1)
        grid = affine_grid(torch.cat([rows * stretch.unsqueeze(1), move], -1), list(ink.shape), align_corners=False)
        moved = grid_sample(ink, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        copy = moved.round().flatten(1) if smooth else count((moved > 0.5).to(x.dtype), block)
        parts.append(copy.to(x.device))
    return torch.cat(parts)
