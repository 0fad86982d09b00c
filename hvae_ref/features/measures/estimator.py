"""What a density expects at each place of an image's feature maps: distribution, mode, mean, uncertainty, and paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.measures.feature_estimate import FeatureEstimate, FeaturePath, uncertainty_of
from hvae_ref.features.pyramid.feature_pyramid import FeaturePyramid
from hvae_ref.features.pyramid.map_geometry import MapGeometry, checked_geometry
from hvae_ref.features.pyramid.pixel_grid import PYRAMID_STRIDES, position_of
from hvae_ref.features.pyramid.reduction import Reduction
from hvae_ref.features.validation import checked_features

POSITIONS_AT_ONCE = 1024
"""Positions whose mixtures are in memory together."""


@runtime_checkable
class Density(Protocol):
    """A density over the maps of all levels whose conditional at a position is a mixture."""

    dims: dict[str, int]

    def distribution(
        self, level: str, features: Mapping[str, Tensor], positions: Tensor | None = None
    ) -> GaussianMixture:
        """p(f_level at i | what stands behind the bar): batch (B, P) at some positions counted row by row."""
        ...


class FeatureEstimator:
    r"""Reads p(f_i | ·) off a density at the positions of given feature maps.

    E[f_i | ·] = Σ_k π_k μ_k,   Cov[f_i | ·] = Σ_k π_k (Σ_k + (μ_k − E)(μ_k − E)ᵀ),   uncertainty ½ log det(2πe Cov)

    Behind the bar stands what the density puts there: the neighbouring level for `HierarchicalLatentDensity`, the nodes
    before this one for `SpatialGraphDensity`. The feature at the position itself is never among it.

    Args:
        density: has the method `distribution(level, features, positions)`.
        features: maps (B, D_l, H_l, W_l) of all levels of the density, in its units.
        strides: pixels between positions of each level, for questions about pixels; positions then are tiles.
        geometry: where the positions of each level lie, as `FeaturePyramid.geometry` gives it, in the place of
            `strides`; `of_images` sets it.

    Raises:
        ValueError: for levels, channels, batch sizes or geometries that do not fit, an empty batch, and NaN or
            infinity.
    """

    def __init__(
        self,
        density: Density,
        features: Mapping[str, Tensor],
        strides: Mapping[str, int] = PYRAMID_STRIDES,
        geometry: Mapping[str, MapGeometry] | None = None,
    ) -> None:
        if not isinstance(features, Mapping):
            raise ValueError(f"features: expected maps by level, {list(density.dims)}, got {type(features).__name__}")
        like = next((f for f in features.values() if torch.is_tensor(f) and f.is_floating_point()), torch.empty(0))
        self.density, self.features = density, checked_features(features, density.dims, like)
        if not all(len(f) for f in self.features.values()):
            raise ValueError("features: expected at least one example, got an empty batch")
        self.strides = dict(strides)
        shapes = {level: f.shape[2:] for level, f in self.features.items()}
        self.geometry = None if geometry is None else checked_geometry(geometry, shapes)

    @classmethod
    def of_images(
        cls, density: Density, images: Tensor, pyramid: FeaturePyramid, reduction: Reduction
    ) -> FeatureEstimator:
        """An estimator for images (B, 3 or 1, H, W) in [0, 1]: their pyramid, reduced as for the density."""
        with torch.no_grad():
            features = reduction.transform(pyramid(images))
            return cls(density, features, pyramid.strides, pyramid.geometry(images.shape[2:]))

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that can be asked about, fine to coarse."""
        return tuple(self.features)

    @torch.no_grad()
    def at(
        self,
        level: str,
        row: int | None = None,
        column: int | None = None,
        *,
        pixel: tuple[int, int] | None = None,
        example: int = 0,
    ) -> FeatureEstimate:
        """What is expected at one position, or at the position that a pixel belongs to.

        Args:
            level: whose map.
            row: of the position; not with `pixel`.
            column: of the position; not with `pixel`.
            pixel: (y, x) in the image.
            example: number in the batch.

        Raises:
            ValueError: for an unknown level or example, a place outside, or both or neither of position and pixel.
        """
        f = self._map(level, example)
        if (pixel is None) == (row is None) or (row is None) != (column is None):
            raise ValueError(f"pixel: expected either row and column or a pixel, got {row}, {column} and {pixel}")
        if pixel is not None and self.geometry is not None:
            row, column = self.geometry[level].position_of(pixel)
        elif pixel is not None:
            if level not in self.strides:
                raise ValueError(f"strides: expected one for {level} to find a pixel, got {self.strides}")
            row, column = position_of(pixel, f.shape[1:], self.strides[level])
        place = self._place("row, column", (row, column), f)
        mixture = self._mixtures(level, example, torch.tensor([place]))
        observed = f.flatten(1)[:, place]
        return FeatureEstimate(
            level,
            row,
            column,
            GaussianMixture(mixture.logits[0], mixture.loc[0], mixture.scale_tril[0], validate_args=False),
            mixture.mode[0],
            mixture.mean[0],
            mixture.variance[0].sqrt(),
            uncertainty_of(mixture)[0].item(),
            observed,
            mixture.log_prob(observed)[0].item(),
        )

    @torch.no_grad()
    def maps(self, level: str) -> dict[str, Tensor]:
        """What is expected at every position of a level.

        Returns:
            "mode" and "mean" (B, D, H, W); "uncertainty" (B, H, W), ½ log det(2πe Cov) in nats; "log_prob" (B, H, W),
            log p of the features that are there, nats.
        """
        shape = self._map(level, 0).shape[1:]
        parts: dict[str, list[Tensor]] = {"mode": [], "mean": [], "uncertainty": [], "log_prob": []}
        for example in range(len(self.features[level])):
            values = self.features[level][example].flatten(1).T
            for index in torch.arange(shape.numel(), device=values.device).split(POSITIONS_AT_ONCE):
                mixture = self._mixtures(level, example, index)
                parts["mode"].append(mixture.mode)
                parts["mean"].append(mixture.mean)
                parts["uncertainty"].append(uncertainty_of(mixture))
                parts["log_prob"].append(mixture.log_prob(values[index]))
        whole = {name: torch.cat(part).unflatten(0, (-1, *shape)) for name, part in parts.items()}
        return {name: values.movedim(-1, 1) if values.ndim == 4 else values for name, values in whole.items()}

    @torch.no_grad()
    def interpolate(
        self, level: str, a: Sequence[int], b: Sequence[int], steps: int = 9, example: int = 0
    ) -> FeaturePath:
        """From the position a to the position b of a map: straight through feature space, and as the density expects.

        The straight line between two likely features may lead through unlikely ones. Both ways are scored by the
        density at the same places, so that the log-densities compare.

        Args:
            level: whose map.
            a: (row, column) where both begin.
            b: (row, column) where both end.
            steps: points on the way, both ends included.
            example: number in the batch.

        Raises:
            ValueError: for an unknown level or example, a place outside, or fewer than two steps.
        """
        f = self._map(level, example)
        for name, place in (("a", a), ("b", b)):
            self._place(name, place, f)
        if steps < 2:
            raise ValueError(f"steps: expected at least 2, got {steps}")
        t = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
        ends = torch.tensor([list(a), list(b)], dtype=torch.float64)
        places = torch.lerp(ends[0], ends[1], t).round().long()
        index = places[:, 0] * f.shape[2] + places[:, 1]
        mixture = self._mixtures(level, example, index)
        values = f.flatten(1).T
        observed = values[index.to(values.device)]
        straight = torch.lerp(observed[:1], observed[-1:], t.to(f))
        found = {"straight": straight, "expected": mixture.mode, "observed": observed}
        log_prob = {name: mixture.log_prob(points) for name, points in found.items()}
        return FeaturePath(places, straight, found["expected"], observed, log_prob)

    def _mixtures(self, level: str, example: int, index: Tensor) -> GaussianMixture:
        """The mixtures at some positions of one example, batch (P,)."""
        one = {name: f[example : example + 1] for name, f in self.features.items()}
        found = self.density.distribution(level, one, index.to(one[level].device))
        parts = (part[0] for part in (found.logits, found.loc, found.scale_tril))
        return GaussianMixture(*parts, validate_args=False)

    def _map(self, level: str, example: int) -> Tensor:
        if level not in self.features:
            raise ValueError(f"level: expected one of {list(self.levels)}, got {level!r}")
        count = len(self.features[level])
        if not 0 <= example < count:
            raise ValueError(f"example: expected 0 … {count - 1}, got {example}")
        return self.features[level][example]

    @staticmethod
    def _place(name: str, place: Sequence[int], f: Tensor) -> int:
        height, width = f.shape[1:]
        whole = len(place) == 2 and all(float(number).is_integer() for number in place)
        if not whole or not (0 <= place[0] < height and 0 <= place[1] < width):
            raise ValueError(f"{name}: expected a position in a map of {height}×{width}, got {tuple(place)}")
        return int(place[0]) * width + int(place[1])
