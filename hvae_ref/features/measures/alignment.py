"""All levels of a pyramid side by side, at the positions of the finest one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hvae_ref.data.examples import in_words
from hvae_ref.features.pyramid.map_geometry import MapGeometry, checked_geometry
from hvae_ref.features.validation import checked_tensor


def aligned(
    features: Mapping[str, Tensor], geometry: Mapping[str, MapGeometry] | None = None
) -> Float[Tensor, "batch channels height width"]:
    """All levels' vectors side by side at each position of the finest map, coarser maps enlarged (bilinear).

    Args:
        features: maps (B, D_l, H_l, W_l), fine to coarse.
        geometry: where the positions of each level lie in the image, as `FeaturePyramid.geometry` gives it; by default
            every map is spread evenly over the image.

    Returns:
        (B, Σ D_l, H_1, W_1).

    Raises:
        ValueError: without a level, for maps of other shapes, types or batch sizes, for NaN or infinity, and for a
            geometry of other maps.
    """
    if not isinstance(features, Mapping):
        raise ValueError(f"features: expected maps by level, got {in_words(features)}")
    if not features:
        raise ValueError("features: expected at least one level, got none")
    for level, f in features.items():
        checked_tensor(level, f, "a tensor (B, D, H, W)")
        if f.ndim != 4 or not f.numel():
            raise ValueError(f"{level}: expected shape (B, D, H, W) with at least one position, got {tuple(f.shape)}")
        if not f.is_floating_point():
            raise ValueError(f"{level}: expected floating-point values, got {f.dtype}")
        if not f.isfinite().all():
            raise ValueError(f"{level}: expected finite numbers, got NaN or infinity")
    batches = {level: len(f) for level, f in features.items()}
    if len(set(batches.values())) > 1:
        raise ValueError(f"features: expected one batch size for all levels, got {batches}")
    finest = next(iter(features.values())).shape[2:]
    if geometry is not None:
        grids = checked_geometry(geometry, {level: f.shape[2:] for level, f in features.items()})
        fine = grids[next(iter(features))]
        rows, columns = (
            fine.first[axis] + fine.stride[axis] * torch.arange(fine.shape[axis], dtype=torch.float64)
            for axis in (0, 1)
        )
        return torch.cat([f if grids[n] is fine else grids[n].at(f, rows, columns) for n, f in features.items()], 1)
    return torch.cat(
        [
            f if f.shape[2:] == finest else functional.interpolate(f, size=finest, mode="bilinear", align_corners=False)
            for f in features.values()
        ],
        1,
    )


def check_levels(features: Mapping[str, Tensor], levels: list[str]) -> None:
    """Refuse levels other than those of a fit, or in another order."""
    if list(features) != levels:
        raise ValueError(f"features: expected the levels of the fit, {levels} in this order, got {list(features)}")
