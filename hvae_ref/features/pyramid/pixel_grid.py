"""Which positions of feature maps belong to which pixels: by the maps' geometry, or as tiles of the image without one.

As tiles, position (i, j) covers the pixels [is, (i+1)s) × [js, (j+1)s). The maps of a network lie elsewhere, by up to
half a position or a whole one: give the `geometry` that `FeaturePyramid.geometry` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hvae_ref.errors import is_whole
from hvae_ref.features.pyramid.feature_pyramid import LEVELS, STRIDES
from hvae_ref.features.pyramid.map_geometry import MapGeometry
from hvae_ref.features.validation import checked_tensor

PYRAMID_STRIDES = dict(zip(LEVELS, STRIDES, strict=True))


def region_positions(
    region: Bool[Tensor, "height width"],
    strides: Mapping[str, int] = PYRAMID_STRIDES,
    geometry: Mapping[str, MapGeometry] | None = None,
) -> dict[str, Tensor]:
    """The positions of each level that lie in a region of the image: at least half of their pixels do.

    A region that is smaller than half a position has none of them on that level: what is coarse then stays as it is.

    Args:
        region: true for the pixels of the region.
        strides: s_l, pixels between positions, for every level; positions then are tiles.
        geometry: where the positions lie, in the place of `strides`; a pixel belongs to the nearest position.

    Returns:
        Booleans (⌈H/s_l⌉, ⌈W/s_l⌉) for every level. At a border that cuts a position, its pixels in the image count.

    Raises:
        ValueError: for a region that is no mask, is empty, or is too small to hold any position of any level.
    """
    whole = isinstance(strides, Mapping) and strides
    if not whole or not all(map(is_whole, strides.values())):
        raise ValueError(f"strides: expected a whole number of at least 1 for at least one level, got {strides}")
    strides = {level: int(s) for level, s in strides.items()}
    checked_tensor("region", region, "booleans (H, W)")
    if region.ndim != 2 or region.dtype != torch.bool or not region.numel():
        raise ValueError(f"region: expected booleans (H, W), got {region.dtype} {tuple(region.shape)}")
    if not region.any():
        raise ValueError("region: expected at least one true pixel, got none")
    covered = region[None, None].double()
    if geometry:
        masks = {level: grid.positions_in(region) for level, grid in geometry.items()}
        finest = min(min(grid.stride) for grid in geometry.values())
    else:
        masks = {
            level: avg_pool2d(covered, s, ceil_mode=True, count_include_pad=False)[0, 0] >= 0.5
            for level, s in strides.items()
        }
        finest = min(strides.values())
    if not any(mask.any() for mask in masks.values()):
        raise ValueError(
            f"region: expected at least half of the pixels of one position, which are {finest:g} pixels "
            f"wide on the finest level, got {int(region.sum())} pixels that hold none"
        )
    return masks


def position_of(pixel: Sequence[int], shape: Sequence[int], stride: int) -> tuple[int, int]:
    """The position (row, column) of a map of `shape` whose tile covers the pixel (y, x).

    Of a network's map ask `MapGeometry.position_of`.

    Raises:
        ValueError: for a pixel outside of what the map covers.
    """
    if not stride >= 1:
        raise ValueError(f"stride: expected at least 1 pixel, got {stride}")
    height, width = shape[0] * stride, shape[1] * stride
    if isinstance(pixel, str) or len(pixel) != 2 or not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
        raise ValueError(f"pixel: expected (y, x) with 0 ≤ y < {height} and 0 ≤ x < {width}, got {tuple(pixel)}")
    return int(pixel[0]) // stride, int(pixel[1]) // stride


def crop_features(
    features: Mapping[str, Tensor], box: tuple[int, int, int, int], strides: Mapping[str, int] = PYRAMID_STRIDES
) -> dict[str, Tensor]:
    """The features of a part of the image, cut out of every level's map: of what the network saw there in its place.

    Centres move by whole positions: the geometry of the cut maps in the part is that of the whole ones in the image.

    Args:
        features: maps (B, D_l, H_l, W_l).
        box: (top, left, height, width) in pixels, multiples of the stride of every given level.
        strides: pixels between positions of each level.

    Raises:
        ValueError: for a box that is empty, does not begin and end between positions, or leaves a map.
    """
    cut = {}
    for level, f in features.items():
        checked_tensor(level, f, "a tensor (B, D, H, W)")
        if level not in strides:
            raise ValueError(f"features: expected levels among {list(strides)}, got {level!r}")
        s = strides[level]
        if len(box) != 4 or min(box) < 0 or min(box[2:]) < 1 or any(edge % s for edge in box):
            raise ValueError(f"box: expected (top, left, height, width), multiples of {s} for {level}, got {box}")
        top, left, height, width = (int(edge) // s for edge in box)
        if top + height > f.shape[2] or left + width > f.shape[3]:
            raise ValueError(f"box: expected a part of {f.shape[2] * s}×{f.shape[3] * s} pixels, got {box}")
        cut[level] = f[..., top : top + height, left : left + width]
    return cut
