"""What does not belong: scores of every pixel from surprise at every level, and how well they find a patch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from hvae_ref.data.examples import in_words
from hvae_ref.errors import is_whole, optional_import, whole_number
from hvae_ref.features.pyramid.map_geometry import MapGeometry, checked_geometry, tiles
from hvae_ref.features.validation import checked_surprise, checked_tensor

COMBINED = "combined"
_Grids = dict[str, MapGeometry]


class AnomalyScore:
    r"""Standardised surprise of every pixel, for each level and their sum   (book, eq. 7.10).

    s_l = (−log p_l − m_l) / d_l,   s = Σ_l s_l

    A level's map is enlarged to the pixels first, bilinear between the centres of its positions, and smoothed where
    asked for; m_l and d_l are mean and standard deviation of the enlarged maps of normal images. They put levels with
    different numbers of dimensions on one scale, and change nothing about a level alone.

    Maps hold surprise, the larger the stranger: −log p of a density, or a distance.

    Args:
        normal: maps (N, H_l, W_l) of normal images that the density was not fitted to, for each level.
        size: height and width of the images in pixels.
        smoothing: standard deviation of a Gaussian filter over the enlarged maps, in pixels; 0 for none.
        geometry: where the positions of each level's map lie in the image: `FeaturePyramid.geometry(size)` for what was
            computed from its features. By default positions are tiles, and the map's edges must divide the image's.

    Raises:
        ValueError: without a level or a map, for maps that are not finite or have no spread, and for maps whose place
            in the image is not known.

    >>> maps = {"level1": torch.randn(9, 8, 8), "level2": torch.randn(9, 4, 4)}
    >>> score = AnomalyScore(maps, size=(32, 32))
    >>> {name: tuple(s.shape) for name, s in score({level: m[:2] for level, m in maps.items()}).items()}
    {'level1': (2, 32, 32), 'level2': (2, 32, 32), 'combined': (2, 32, 32)}
    """

    def __init__(
        self,
        normal: Mapping[str, Tensor],
        size: tuple[int, int],
        smoothing: float = 0.0,
        geometry: Mapping[str, MapGeometry] | None = None,
    ) -> None:
        if not isinstance(normal, Mapping) or not normal:
            given = "none" if isinstance(normal, Mapping) else in_words(normal)
            raise ValueError(f"normal: expected maps of at least one level, got {given}")
        if COMBINED in normal:
            raise ValueError(f"normal: expected levels other than {COMBINED!r}, the name of their sum")
        fine = isinstance(size, Sequence) and len(size) == 2 and all(map(is_whole, size))
        number = isinstance(smoothing, Real) and not isinstance(smoothing, bool)
        if not fine or not number or not 0 <= smoothing < math.inf:
            expected = "(H, W) of at least 1 and a number of at least 0"
            raise ValueError(f"size, smoothing: expected {expected}, got {size} and {smoothing!r}")
        smoothing = float(smoothing)
        self.size, self.smoothing, self.levels = (int(size[0]), int(size[1])), smoothing, tuple(normal)
        self.geometry = self._placed(normal, geometry)
        self.mean: dict[str, float] = {}
        self.spread: dict[str, float] = {}
        for level, maps in normal.items():
            pixels = self._pixels(level, maps).double()
            self.mean[level], self.spread[level] = pixels.mean().item(), pixels.std(correction=0).item()
            if not self.spread[level] > 1e-6 * abs(self.mean[level]):
                raise ValueError(f"normal[{level!r}]: expected some spread, got {self.mean[level]:.4g} all over")

    def __call__(self, surprise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scores (B, height, width) for each level and their sum, "combined".

        Args:
            surprise: maps (B, H_l, W_l), for the levels of the normal ones.

        Raises:
            ValueError: for other levels or shapes, no image, and for NaN or infinity.
        """
        if not isinstance(surprise, Mapping):
            raise ValueError(f"surprise: expected maps by level, {list(self.levels)}, got {in_words(surprise)}")
        if surprise.keys() != set(self.levels):
            raise ValueError(f"surprise: expected the levels {list(self.levels)}, got {list(surprise)}")
        pixels = {level: self._pixels(level, surprise[level]) for level in self.levels}
        scores = {level: (values - self.mean[level]) / self.spread[level] for level, values in pixels.items()}
        counts = {level: len(score) for level, score in scores.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"surprise: expected one number of images for all levels, got {counts}")
        return scores | {COMBINED: torch.stack(list(scores.values())).sum(0)}

    def _placed(self, normal: Mapping[str, Tensor], geometry: Mapping[str, MapGeometry] | None) -> _Grids:
        shapes = {level: checked_surprise(level, maps).shape[1:] for level, maps in normal.items()}
        if geometry is not None:
            return checked_geometry(geometry, shapes, self.size)
        for level, (rows, columns) in shapes.items():
            if self.size[0] % rows or self.size[1] % columns or self.size[0] * columns != self.size[1] * rows:
                raise ValueError(
                    f"geometry: expected one for {level}, whose maps {(rows, columns)} do not tile images {self.size}; "
                    "FeaturePyramid.geometry(size) gives that of a backbone"
                )
        return {level: tiles(tuple(shape), self.size) for level, shape in shapes.items()}

    def _pixels(self, level: str, maps: Tensor) -> Tensor:
        grid = self.geometry[level]
        if tuple(checked_surprise(level, maps).shape[1:]) != grid.shape:
            raise ValueError(f"{level}: expected maps {grid.shape}, as the normal ones have, got {tuple(maps.shape)}")
        enlarged = grid.to_pixels(maps.detach().to(torch.promote_types(maps.dtype, torch.float32)))[:, None]
        return (_smoothed(enlarged, self.smoothing) if self.smoothing else enlarged)[:, 0]


def _smoothed(images: Tensor, sigma: float) -> Tensor:
    """Images (B, 1, H, W) under a Gaussian filter of standard deviation σ pixels; the border is repeated."""
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = (-0.5 * (offsets / sigma) ** 2).exp()
    kernel = kernel / kernel.sum()
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve of pixels: P(score of a pixel of the patch > that of another pixel), ties count half.

    Attributes:
        value: over the pixels of all images together.
        low: lower end of its 95 % interval, resampling whole images.
        high: upper end.
        images: how many.
    """

    value: float
    low: float
    high: float
    images: int


def pixel_auroc(
    scores: Float[Tensor, "count height width"],
    masks: Bool[Tensor, "count height width"],
    resamples: int = 2000,
    seed: int = 0,
) -> Auroc:
    """How well scores tell the pixels of a patch from all others, over all images together.

    Pixels of one image lie high or low together, so the interval draws whole images with replacement.

    Args:
        scores: the higher, the stranger.
        masks: true where the patch is.
        resamples: draws of as many images as there are.
        seed: of these draws.

    Returns:
        The area and its percentile interval; both ends are the value itself where there is one image alone.

    Raises:
        ValueError: for shapes that differ, scores that are not finite, and masks without a pixel of either kind.

    Reference:
        Mann and Whitney (1947), On a Test of Whether one of Two Random Variables is Stochastically Larger than the
        Other, https://doi.org/10.1214/aoms/1177730491

    >>> pixel_auroc(torch.tensor([[[0.1, 0.4], [0.35, 0.8]]]), torch.tensor([[[False, False], [True, True]]])).value
    0.75
    """
    values, truth = _checked(scores, masks)
    resamples, seed = whole_number("resamples", resamples), whole_number("seed", seed, 0)
    metrics = optional_import("sklearn.metrics", extra="features", wanted_by="hvae_ref.features.pixel_auroc")
    value = float(metrics.roc_auc_score(truth.ravel(), values.ravel()))
    wins, positives, negatives = _wins(values, truth)
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    weights = np.stack([np.bincount(draw, minlength=len(values)) for draw in draws]).astype(float)
    pairs = (weights @ positives) * (weights @ negatives)
    # A draw in which one kind is missing has no area.
    some = pairs > 0
    areas = np.einsum("ri,ij,rj->r", weights[some], wins, weights[some], optimize=True) / pairs[some]
    low, high = np.quantile(areas, [0.025, 0.975]) if len(areas) else (value, value)
    return Auroc(value, float(low), float(high), len(values))


def image_aurocs(
    scores: Float[Tensor, "count height width"], masks: Bool[Tensor, "count height width"]
) -> Float[Tensor, " count"]:
    """The area within each image alone: which images are missed. NaN where an image has pixels of one kind only.

    The area over all images together is not their mean: that one also asks for one threshold for all.

    Args:
        scores: the higher, the stranger.
        masks: true where the patch is.

    Raises:
        ValueError: as for `pixel_auroc`.
    """
    values, truth = _checked(scores, masks)
    wins, positives, negatives = _wins(values, truth)
    pairs = positives * negatives
    return torch.from_numpy(np.where(pairs > 0, np.diagonal(wins) / np.maximum(pairs, 1), np.nan))


def _checked(scores: Tensor, masks: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth, (count, pixels) each."""
    for name, given in (("scores", scores), ("masks", masks)):
        checked_tensor(name, given, "a tensor (count, height, width)")
    if scores.shape != masks.shape or scores.ndim != 3 or not scores.numel():
        raise ValueError(
            f"masks: expected the shape of the scores, (count, height, width), got {tuple(masks.shape)} "
            f"and {tuple(scores.shape)}"
        )
    if masks.dtype != torch.bool:
        raise ValueError(f"masks: expected booleans, got {masks.dtype}")
    if scores.is_complex() or scores.dtype == torch.bool:
        raise ValueError(f"scores: expected real numbers, got {scores.dtype}")
    if not scores.isfinite().all():
        raise ValueError("scores: expected finite numbers, got NaN or infinity")
    if masks.all() or not masks.any():
        raise ValueError(f"masks: expected pixels of both kinds, all {masks.numel()} are {bool(masks.any())}")
    return scores.detach().double().cpu().flatten(1).numpy(), masks.cpu().flatten(1).numpy()


def _wins(values: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (pixel of image i's patch, other pixel of image j) that the first one wins; numbers of both kinds."""
    positives, negatives = truth.sum(1), (~truth).sum(1)
    patch, owner = values[truth], np.nonzero(truth)[0]
    order = np.argsort(patch)
    patch, owner = patch[order], owner[order]
    wins = np.zeros((len(values), len(values)))
    for j, (row, other) in enumerate(zip(values, ~truth, strict=True)):
        rest = np.sort(row[other])
        won = (np.searchsorted(rest, patch, "left") + np.searchsorted(rest, patch, "right")) / 2
        wins[:, j] = np.bincount(owner, won, minlength=len(values))
    return wins, positives.astype(float), negatives.astype(float)
