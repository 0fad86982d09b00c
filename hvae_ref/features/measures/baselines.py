"""What else finds anomalies in the same features: a Gaussian at each position, and the nearest normal neighbour."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hvae_ref.features.validation import feature_vectors

ROWS_AT_ONCE = 2048
"""Rows whose distances to a memory are held at once."""

POOL = 20_000
"""Rows among which a memory is chosen."""


def aligned(features: Mapping[str, Tensor]) -> Float[Tensor, "batch channels height width"]:
    """All levels' vectors side by side at each position of the finest map, coarser maps enlarged (bilinear).

    Args:
        features: maps (B, D_l, H_l, W_l), fine to coarse.

    Returns:
        (B, Σ D_l, H_1, W_1).

    Raises:
        ValueError: without a level, for maps of other shapes, types or batch sizes, and for NaN or infinity.
    """
    if not features:
        raise ValueError("features: expected at least one level, got none")
    for level, f in features.items():
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
    return torch.cat(
        [
            f if f.shape[2:] == finest else functional.interpolate(f, size=finest, mode="bilinear", align_corners=False)
            for f in features.values()
        ],
        1,
    )


class PositionGaussian:
    r"""log N(f_i; μ_i, Σ_i + ε I): one Gaussian at each position i, over all levels' vectors side by side (PaDiM).

    Made for objects that all stand at the same place. `shared=True` has one Gaussian for all positions, which suits
    crops of a texture: every position then is like every other.

    Args:
        shrinkage: ε, added to every variance, in the units of the features.
        shared: one μ and Σ for all positions.

    Raises:
        ValueError: for a shrinkage that is not positive.

    Reference:
        Defard, Setkov, Loesch and Audigier (2021), PaDiM, https://arxiv.org/abs/2011.08785

    >>> features = {"level1": torch.randn(50, 4, 8, 8), "level2": torch.randn(50, 6, 4, 4)}
    >>> PositionGaussian().fit(features).surprise(features).shape
    torch.Size([50, 8, 8])
    """

    def __init__(self, shrinkage: float = 0.01, shared: bool = False) -> None:
        if not shrinkage > 0:
            raise ValueError(f"shrinkage: expected a positive number, got {shrinkage}")
        self.shrinkage, self.shared = shrinkage, shared
        self.mean: Tensor | None = None
        self.scale_tril: Tensor | None = None

    def fit(self, features: Mapping[str, Tensor]) -> PositionGaussian:
        """Take mean and covariance of normal features, (N, D_l, H_l, W_l) for each level.

        Raises:
            ValueError: for features that `aligned` does not take, or fewer than two vectors a Gaussian.
        """
        f = aligned(features)
        rows = feature_vectors(f)[None] if self.shared else f.flatten(2).permute(2, 0, 1)
        rows = rows.double()
        if rows.shape[1] < 2:
            raise ValueError(f"features: expected at least two vectors for each Gaussian, got {rows.shape[1]}")
        mean = rows.mean(1, keepdim=True)
        centred = rows - mean
        covariance = centred.mT @ centred / (rows.shape[1] - 1)
        identity = torch.eye(rows.shape[-1], dtype=rows.dtype, device=rows.device)
        self._levels, self._shape = list(features), tuple(f.shape[2:])
        dtype = torch.promote_types(f.dtype, torch.float32)
        self.mean = mean[:, 0].to(dtype)
        self.scale_tril = torch.linalg.cholesky(covariance + self.shrinkage * identity).to(dtype)
        return self

    def surprise(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch height width"]:
        """Mahalanobis distance of each position's vector from its Gaussian, which is what PaDiM scores with.

        Raises:
            ValueError: before `fit`, and for levels' channels or maps of other sizes than those of the fit.
        """
        f = aligned(features)
        if self.mean is None or self.scale_tril is None:
            raise ValueError("features: there is no Gaussian yet; call fit first")
        dim = self.mean.shape[-1]
        if f.shape[1] != dim or not (self.shared or tuple(f.shape[2:]) == self._shape):
            raise ValueError(f"features: expected {dim} channels and maps {self._shape}, got {tuple(f.shape[1:])}")
        _check_levels(features, self._levels)
        f = f.to(self.mean)
        # (positions, D, B), or (1, D, everything) for one Gaussian.
        columns = feature_vectors(f).mT[None] if self.shared else f.flatten(2).permute(2, 1, 0)
        white = torch.linalg.solve_triangular(self.scale_tril, columns - self.mean.unsqueeze(-1), upper=False)
        distance = white.square().sum(1).sqrt()
        flat = distance[0].view(len(f), -1) if self.shared else distance.mT
        return flat.unflatten(-1, f.shape[2:])


class NearestNeighbour:
    r"""min_m ‖f_i − f_m‖ over a memory of normal vectors, all levels side by side (PatchCore without its reweighting).

    The memory is a coreset: starting from a random vector, always the one farthest from those taken already, so that
    rare normal vectors are in it as well.

    Args:
        memory: how many vectors to keep; all of them where there are fewer.
        seed: of the vectors among which the memory is chosen.

    Raises:
        ValueError: for a memory below 1.

    Reference:
        Roth, Pemula, Zepeda, Schölkopf, Brox and Gehler (2022), Towards Total Recall in Industrial Anomaly Detection,
        https://arxiv.org/abs/2106.08265

    >>> features = {"level1": torch.randn(5, 4, 8, 8), "level2": torch.randn(5, 6, 4, 4)}
    >>> NearestNeighbour(memory=100).fit(features).surprise(features).shape
    torch.Size([5, 8, 8])
    """

    def __init__(self, memory: int = 2000, seed: int = 0) -> None:
        if memory < 1:
            raise ValueError(f"memory: expected at least 1, got {memory}")
        self.memory, self.seed = memory, seed
        self.rows: Tensor | None = None

    def fit(self, features: Mapping[str, Tensor]) -> NearestNeighbour:
        """Choose the memory among normal features, (N, D_l, H_l, W_l) for each level."""
        rows = feature_vectors(aligned(features))
        self._levels = list(features)
        generator = torch.Generator().manual_seed(self.seed)
        pool = rows[torch.randperm(len(rows), generator=generator)[:POOL].to(rows.device)]
        if len(pool) <= self.memory:
            self.rows = pool
            return self
        taken = [0]
        distance = (pool - pool[0]).square().sum(1)
        for _ in range(self.memory - 1):
            taken.append(int(distance.argmax()))
            distance = torch.minimum(distance, (pool - pool[taken[-1]]).square().sum(1))
        self.rows = pool[taken]
        return self

    def surprise(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch height width"]:
        """Euclidean distance of each position's vector to the nearest one in memory; in chunks of bounded size.

        Raises:
            ValueError: before `fit`, and for another number of channels than that of the fit.
        """
        f = aligned(features)
        if self.rows is None:
            raise ValueError("features: there is no memory yet; call fit first")
        if f.shape[1] != self.rows.shape[1]:
            raise ValueError(f"features: expected {self.rows.shape[1]} channels, got {f.shape[1]}")
        _check_levels(features, self._levels)
        dtype = torch.promote_types(self.rows.dtype, torch.float32)
        # Around their mean, distances between rows have all their digits.
        centre = self.rows.to(dtype).mean(0)
        memory, rows = self.rows.to(dtype) - centre, feature_vectors(f)
        nearest = [torch.cdist(chunk.to(memory) - centre, memory).amin(1) for chunk in rows.split(ROWS_AT_ONCE)]
        return torch.cat(nearest).view(len(f), *f.shape[2:])


def _check_levels(features: Mapping[str, Tensor], levels: list[str]) -> None:
    if list(features) != levels:
        raise ValueError(f"features: expected the levels of the fit, {levels} in this order, got {list(features)}")


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
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"images: expected floats (B, C, H, W), got {tuple(images.shape)}, {images.dtype}")
    if window < 2 or window % 2 or window > min(images.shape[2:]):
        raise ValueError(f"window: expected an even number from 2 to {min(images.shape[2:])} pixels, got {window}")
    grey = images.mean(1, keepdim=True)
    mean, square = (
        functional.avg_pool2d(x, window, window // 2, padding=window // 4, count_include_pad=False)
        for x in (grey, grey.square())
    )
    # A thousandth is below a grey level, so that a plain window has a finite logarithm.
    spread = (square - mean.square()).clamp(min=0).sqrt() + 1e-3
    return torch.cat([mean, spread.log()], 1)
