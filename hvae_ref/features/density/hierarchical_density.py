"""A density over all levels of a feature pyramid: a chain of mixtures, each given the neighbouring level."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.level_density import LevelDensity, Shape
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MIN_SCALE
from hvae_ref.features.validation import checked_features, checked_positions

CONDITIONS = ("coarser", "finer", None)


class HierarchicalLatentDensity(FeatureDensity):
    r"""p(f_1 … f_L) = p(f_L) Π_l p(f_l | f_{l+1}) for maps f_l (B, D_l, H_l, W_l), fine to coarse.

    Every factor is a product over positions of mixtures of Gaussians with full covariances, whose parameters depend
    through attention on a window of the neighbouring level, and on nothing of their own level. Each is a normalised
    density and levels form a chain, so the product integrates to one.

    With `condition="finer"` the chain runs the other way, p(f_1) Π_l p(f_l | f_{l−1}). That is another model, and its
    maps say something else: how likely a coarse feature is given the fine ones it was made from. With None the levels
    are independent of each other.

    Args:
        dims: name and channels of each level, fine to coarse.
        components: K, one number or one for each level.
        condition: which neighbour stands behind the bar: "coarser", "finer" or None.
        heads: of the attention.
        width: size of the context that attention gives; a multiple of `heads`.
        min_scale: least diagonal of every `scale_tril`, in the units of the features.

    Raises:
        ValueError: for an unknown condition, no level, or sizes that do not fit.

    >>> density = HierarchicalLatentDensity({"level1": 4, "level2": 6}, components=3)
    >>> f = density.sample({"level1": (8, 8), "level2": (4, 4)}, n=2)
    >>> {level: tuple(log_p.shape) for level, log_p in density.log_prob(f).items()}
    {'level1': (2, 8, 8), 'level2': (2, 4, 4)}
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        components: int | Mapping[str, int] = 8,
        condition: str | None = "coarser",
        heads: int = 4,
        width: int = 64,
        min_scale: float = MIN_SCALE,
    ) -> None:
        super().__init__(dims, components)
        if condition not in CONDITIONS:
            raise ValueError(f"condition: expected 'coarser', 'finer' or None, got {condition!r}")
        self.condition = condition
        self.p = nn.ModuleDict()
        for level, dim in dims.items():
            count, behind = self.components[level], dims.get(self.neighbour(level))
            self.p[level] = LevelDensity(dim, count, behind, width, heads, min_scale)

    def neighbour(self, level: str) -> str | None:
        """The level behind the bar of p(f_level | ·), or None where the level stands alone."""
        if level not in self.dims:
            raise ValueError(f"level: expected one of {list(self.levels)}, got {level!r}")
        at = self.levels.index(level) + {"coarser": 1, "finer": -1, None: len(self.levels)}[self.condition]
        return self.levels[at] if 0 <= at < len(self.levels) else None

    @property
    def sampling_order(self) -> tuple[str, ...]:
        """The levels in the order they are drawn in: each after the one it depends on."""
        return self.levels if self.condition == "finer" else self.levels[::-1]

    def log_prob(
        self, features: Mapping[str, Tensor], positions: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """log p(f_l at i | neighbour) at every position: a map (B, H, W) for each level, nats.

        Their sum over positions and levels is log p(f_1 … f_L). Memory is bounded, time linear in positions.

        Args:
            features: one map a level, of sizes that need not be multiples of each other.
            positions: which positions of which levels, counted row by row, (P,); the result is then (B, P) for each of
                these levels. None for all.

        Raises:
            ValueError: for levels, channels, dtypes or batch sizes that do not fit, and for NaN or infinity.
        """
        maps = checked_features(features, self.dims, self._like)
        if positions is not None:
            return {
                level: self.p[level].log_prob(maps[level], self._given(level, maps), index)
                for level, index in self._positions(maps, positions).items()
            }
        return {
            level: self.p[level].log_prob(f, self._given(level, maps)).unflatten(-1, f.shape[2:])
            for level, f in maps.items()
        }

    def distribution(
        self, level: str, features: Mapping[str, Tensor], positions: Tensor | None = None
    ) -> GaussianMixture:
        """p(f_level at i | neighbour): batch (B, H, W), or (B, P) at some positions counted row by row, (P,).

        The map of the level itself says how large it is; its numbers are not looked at.
        """
        neighbour = self.neighbour(level)
        dims = {name: self.dims[name] for name in (level, neighbour) if name is not None}
        maps = checked_features({name: features[name] for name in dims if name in features}, dims, self._like)
        shape = maps[level].shape[2:]
        index = torch.arange(shape.numel(), device=self._like.device) if positions is None else positions
        index = checked_positions(level, index, shape.numel())
        mixture = self.p[level](self._given(level, maps), tuple(shape), index).expand((len(maps[level]), len(index)))
        return mixture if positions is not None else mixture.unflatten(1, shape)

    @torch.no_grad()
    def sample(
        self,
        shapes: Mapping[str, Shape],
        n: int = 1,
        *,
        fixed: Mapping[str, Tensor] | None = None,
        keep: Mapping[str, Tensor] | None = None,
        temperature: float = 1.0,
    ) -> dict[str, Tensor]:
        """Draw maps (n, D, H, W) of all levels, each given the one before it in the chain.

        Args:
            shapes: (H, W) of each level.
            n: how many.
            fixed: maps (n, D, H, W) or (1, D, H, W) of levels that are given. What is drawn depends on those *before*
                it in the chain; it is not inferred from given levels after it.
            keep: for levels in `fixed`, where to keep them, booleans (H, W); the rest is drawn.
            temperature: factor on the standard deviations of every component.

        Raises:
            ValueError: for levels, shapes or masks that do not fit.
        """
        known = self._fixed(shapes, n, fixed, keep)
        drawn: dict[str, Tensor] = {}
        for level in self.sampling_order:
            given, mask = known.get(level, (None, None))
            if given is not None and mask is None:
                drawn[level] = given.clone()
                continue
            fresh = self.p[level].sample(self._given(level, drawn), n, tuple(shapes[level]), temperature)
            drawn[level] = fresh if given is None else torch.where(mask, given, fresh)
        return {level: drawn[level] for level in self.levels}

    @torch.no_grad()
    def init_from_mixtures(self, mixtures: Mapping[str, GaussianMixture], rows: Mapping[str, Tensor]) -> None:
        """Set the parameters to one unconditioned mixture for each level; `rows` holds feature vectors (N, D)."""
        for level, mixture in mixtures.items():
            self.p[level].init_from_mixture(mixture, rows.get(self.neighbour(level)))

    @property
    def trainable_groups(self) -> dict[tuple[str, ...], nn.Module]:
        """One group for each level that depends on another; each has parameters of its own."""
        return {(level,): self.p[level] for level in self.levels if self.neighbour(level) is not None}

    def min_scale(self, level: str) -> float:
        """Least diagonal of the level's `scale_tril`."""
        return self.p[level].head.min_scale

    def _given(self, level: str, maps: Mapping[str, Tensor]) -> Tensor | None:
        neighbour = self.neighbour(level)
        return None if neighbour is None else maps[neighbour]
