"""What the studies of feature densities share: crops, their features, and the densities that are fitted to them.

Imported by `feature_density`, `anomaly_localisation` and `density_scaling`. Of the left half of a picture the upper
rows are for fitting and the lower ones are held out, for early stopping and for whatever has to be chosen; the right
half is for the test. No pixel is in two of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hvae_ref.features import (
    FeatureDensity,
    FeaturePyramid,
    HierarchicalLatentDensity,
    SpatialGraphDensity,
    fit_density,
)
from hvae_ref.features.data.textures import picture

BACKBONE = "efficientnet_lite0"
SIZE = 128
DIMS = {"level1": 8, "level2": 12, "level3": 16, "level4": 16}
# The coarsest level has few positions: more components fit the crops at hand and no others.
COMPONENTS = {"level1": 8, "level2": 8, "level3": 8, "level4": 2}
FITTING = {"epochs": 10, "positions": 128, "rows": 10_000}
FIT_CROPS, HELD_CROPS = 64, 24
HELD_SHARE = 0.3125
CONDITIONS = ("none", "coarser", "finer", "graph")


def fitting_parts(name: str) -> tuple[Tensor, Tensor]:
    """The upper rows of a picture's left half, and the lower ones, (C, H, W) each."""
    left = picture(name, "train")
    rows = round((1 - HELD_SHARE) * left.shape[1])
    return left[:, :rows], left[:, rows:]


def squares(source: Tensor, n: int, seed: int) -> Tensor:
    """Crops (n, C, SIZE, SIZE) of a picture at places drawn uniformly."""
    random = np.random.RandomState(seed)
    tops, lefts = (random.randint(0, length - SIZE + 1, n) for length in source.shape[1:])
    return torch.stack([source[:, t : t + SIZE, s : s + SIZE] for t, s in zip(tops, lefts, strict=True)])


def features_of(pyramid: FeaturePyramid, images: Tensor, enlarge: int = 1) -> dict[str, Tensor]:
    """All levels of all images, which may be enlarged first so that a position stands for fewer of their pixels."""
    parts: dict[str, list[Tensor]] = {level: [] for level in pyramid.levels}
    with torch.no_grad():
        for batch in images.split(8):
            if enlarge > 1:
                batch = interpolate(batch, scale_factor=enlarge, mode="bicubic", align_corners=False).clamp(0, 1)
            for level, f in pyramid(batch).items():
                parts[level].append(f)
    return {level: torch.cat(maps) for level, maps in parts.items()}


def fitted_density(
    condition: str,
    fit: Mapping[str, Tensor],
    held: Mapping[str, Tensor],
    seed: int,
    fitting: Mapping[str, int] = FITTING,
) -> FeatureDensity:
    """A density of one kind on reduced features, with the weights of its best epoch on the held-out ones."""
    torch.manual_seed(seed)
    dims = {level: f.shape[1] for level, f in fit.items()}
    each = {level: COMPONENTS[level] for level in dims}
    density: FeatureDensity
    if condition == "graph":
        density = SpatialGraphDensity(dims, each, width=32)
    else:
        density = HierarchicalLatentDensity(dims, each, None if condition == "none" else condition)
    fit_density(density, fit, held, seed=seed, **fitting)
    return density
