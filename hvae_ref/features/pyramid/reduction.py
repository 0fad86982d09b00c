"""Principal components for each level of a feature pyramid, so that full covariances become affordable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from hvae_ref.data.examples import in_words
from hvae_ref.errors import whole_number
from hvae_ref.features.pyramid.principal_components import PrincipalComponents
from hvae_ref.features.pyramid.running_covariance import RunningCovariance


class Reduction(nn.Module):
    """f_l (B, C_l, H_l, W_l) to u_l (B, D_l, H_l, W_l) on every level l: principal components of its vectors.

    Fitting needs one pass over the features, in batches of any size; sums are in float64. What is left out by
    D_l < C_l costs, on the features of the fit, a mean squared distance of `discarded_variance` between a vector and
    what `inverse` makes of its reduction. Where log p(u) is a log-density of whitened coordinates,
    log p(u) + `log_abs_det` is that of the same coordinates before their division. `state_dict` holds a fitted
    reduction, and loads into a fresh one.

    Args:
        dims: D_l for every level, or one number for all of them.
        whiten: divide each coordinate by its standard deviation, so that its variance is 1.

    Raises:
        ValueError: where a D_l is below 1 or, when fitting, above C_l.

    >>> import torch
    >>> features = {"level1": torch.randn(8, 24, 16, 16), "level2": torch.randn(8, 40, 8, 8)}
    >>> reduction = Reduction({"level1": 4, "level2": 8}).fit(features)
    >>> {level: tuple(u.shape) for level, u in reduction.transform(features).items()}
    {'level1': (8, 4, 16, 16), 'level2': (8, 8, 8, 8)}
    """

    def __init__(self, dims: int | Mapping[str, int], whiten: bool = False) -> None:
        super().__init__()
        for value in dims.values() if isinstance(dims, Mapping) else [dims]:
            whole_number("dims", value)
        self.dims = {level: int(d) for level, d in dims.items()} if isinstance(dims, Mapping) else int(dims)
        self.whiten = whiten
        self.components = nn.ModuleDict()

    def fit(self, features: Mapping[str, Tensor] | Iterable[Mapping[str, Tensor]]) -> Reduction:
        """Find mean and directions of each level, instead of any that were found before.

        Args:
            features: levels to maps (B, C_l, H_l, W_l), or an iterable of such dictionaries, as
                `FeaturePyramid.stream` gives them. The sizes of maps and batches may differ.

        Returns:
            The reduction itself, in the dtype and on the device of the features.

        Raises:
            ValueError: for no features, values that are not finite, batches with different levels or channels, levels
                other than those of `dims`, or fewer channels than dimensions.
        """
        found: dict[str, RunningCovariance] = {}
        like: dict[str, Tensor] = {}
        if torch.is_tensor(features) or not isinstance(features, Iterable):
            raise ValueError(f"features: expected maps by level, or batches of them, got {in_words(features)}")
        for batch in [features] if isinstance(features, Mapping) else features:
            if not isinstance(batch, Mapping):
                raise ValueError(f"features: expected maps by level, or batches of them, got {in_words(batch)}")
            if not found:
                found = {level: self._empty_covariance(level, f) for level, f in batch.items()}
                like = {level: f.new_zeros(()) for level, f in batch.items()}
            if batch.keys() != found.keys():
                raise ValueError(f"features: expected the levels {', '.join(found)}, got {', '.join(batch)}")
            self._check(batch, {level: len(c.mean) for level, c in found.items()}, "channels")
            for level, f in batch.items():
                # An image at a time: the copies in float64 then stay small.
                for image in f:
                    found[level].update(image.flatten(1).T)
        if not found or not all(c.count for c in found.values()):
            raise ValueError("features: expected at least one position on every level, got none")
        if isinstance(self.dims, dict) and self.dims.keys() != found.keys():
            raise ValueError(f"features: expected the levels {', '.join(self.dims)}, got {', '.join(found)}")
        components = {}
        for level, covariance in found.items():
            if not covariance.scatter.isfinite().all():
                raise ValueError(f"features[{level!r}]: expected finite values, got NaN or infinite ones")
            components[level] = PrincipalComponents(len(covariance.mean), self._dim(level))
            components[level].set(covariance, self.whiten, like[level])
        self.components = nn.ModuleDict(components)
        return self

    def transform(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Reduce maps (B, C_l, H_l, W_l) of some or all levels to (B, D_l, H_l, W_l).

        Raises:
            ValueError: before `fit`, and for a level or a number of channels that it has not seen.
        """
        self._check(features, {level: len(c.mean) for level, c in self._fitted().items()}, "channels")
        return {level: self.components[level](f) for level, f in features.items()}

    def inverse(self, reduced: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The maps (B, C_l, H_l, W_l) nearest to those that `reduced` (B, D_l, H_l, W_l) may have come from.

        Raises:
            ValueError: before `fit`, and for a level or a number of dimensions that it has not seen.
        """
        self._check(reduced, {level: len(c.scale) for level, c in self._fitted().items()}, "dimensions")
        return {level: self.components[level].inverse(u) for level, u in reduced.items()}

    @property
    def explained_variance(self) -> dict[str, Tensor]:
        """Variance along each direction that is kept, (D_l,), largest first; sums over the fit are divided by n."""
        return {level: c.variance for level, c in self.components.items()}

    @property
    def discarded_variance(self) -> dict[str, float]:
        """Sum of the variances along the directions that are left out."""
        return {level: float(c.discarded_variance) for level, c in self.components.items()}

    @property
    def explained_ratio(self) -> dict[str, float]:
        """Share of the variance that is kept; 1 where there is none, since then nothing is lost."""
        kept = {level: float(variance.sum()) for level, variance in self.explained_variance.items()}
        lost = self.discarded_variance
        return {level: kept[level] / (kept[level] + lost[level]) if kept[level] else 1.0 for level in kept}

    @property
    def log_abs_det(self) -> dict[str, float]:
        """log |det| of the division by the scale at one position: −Σ log scale in nats, and 0 without whitening."""
        return {level: -float(c.scale.log().sum()) for level, c in self.components.items()}

    def _empty_covariance(self, level: str, f: Tensor) -> RunningCovariance:
        if not isinstance(f, Tensor):
            raise ValueError(f"features[{level!r}]: expected floating-point values in a tensor, got {in_words(f)}")
        if f.ndim != 4 or not f.is_floating_point():
            raise ValueError(
                f"features[{level!r}]: expected floating-point values of shape (B, C, H, W), got {f.dtype} "
                f"{tuple(f.shape)}"
            )
        if self._dim(level) > f.shape[1]:
            raise ValueError(
                f"dims: expected at most {f.shape[1]} on {level}, its number of channels, got {self._dim(level)}"
            )
        return RunningCovariance(f.shape[1])

    def _dim(self, level: str) -> int:
        if isinstance(self.dims, int):
            return self.dims
        if level not in self.dims:
            raise ValueError(f"features: expected the levels {', '.join(self.dims)}, got {level!r}")
        return self.dims[level]

    def _fitted(self) -> nn.ModuleDict:
        if not self.components:
            raise ValueError("features: this reduction has no directions yet; call fit first")
        return self.components

    @staticmethod
    def _check(maps: Mapping[str, Tensor], sizes: Mapping[str, int], unit: str) -> None:
        if not isinstance(maps, Mapping):
            raise ValueError(f"features: expected maps by level, got {in_words(maps)}")
        for level, values in maps.items():
            if level not in sizes:
                raise ValueError(f"features: expected the levels {', '.join(sizes)}, got {level!r}")
            if not isinstance(values, Tensor):
                raise ValueError(f"features[{level!r}]: expected a tensor (B, C, H, W), got {in_words(values)}")
            if not values.is_floating_point():
                raise ValueError(f"features[{level!r}]: expected floating-point values, got {values.dtype}")
            if values.ndim != 4 or values.shape[1] != sizes[level]:
                raise ValueError(
                    f"features[{level!r}]: expected shape (B, {sizes[level]}, H, W) with {sizes[level]} {unit}, "
                    f"got {tuple(values.shape)}"
                )

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        # A fresh reduction has no levels yet: they are made here, and torch fills them right after.
        stem, end = f"{prefix}components.", ".directions"
        directions = {
            name.removeprefix(stem).removesuffix(end): value
            for name, value in state.items()
            if name.startswith(stem) and name.endswith(end)
        }
        self.components = nn.ModuleDict(
            {level: PrincipalComponents(len(value), self._dim(level)).to(value) for level, value in directions.items()}
        )
        super()._load_from_state_dict(state, prefix, *rest)
