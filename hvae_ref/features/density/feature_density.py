"""What every density over a pyramid of features has in common, whatever it conditions on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.validation import checked_given, checked_map, checked_positions

Shape = tuple[int, int]


class FeatureDensity(nn.Module, ABC):
    """A density over maps f_l (B, D_l, H_l, W_l), fine to coarse: log p as a map a level, and samples.

    Args:
        dims: name and channels of each level, fine to coarse.
        components: K, one number or one for each level.

    Raises:
        ValueError: for no level, or components that are not those of the levels.
    """

    def __init__(self, dims: Mapping[str, int], components: int | Mapping[str, int]) -> None:
        super().__init__()
        if not dims:
            raise ValueError("dims: expected at least one level, got none")
        self.dims, self.levels = dict(dims), tuple(dims)
        each = dict(components) if isinstance(components, Mapping) else dict.fromkeys(dims, components)
        if each.keys() != self.dims.keys():
            raise ValueError(f"components: expected one number for each of {list(dims)}, got {list(each)}")
        self.components = each

    @abstractmethod
    def log_prob(
        self, features: Mapping[str, Tensor], positions: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """log p at every position given what it depends on: a map (B, H, W) for each level, nats."""

    @abstractmethod
    def init_from_mixtures(self, mixtures: Mapping[str, GaussianMixture], rows: Mapping[str, Tensor]) -> None:
        """Set the parameters to one unconditioned mixture for each level.

        Args:
            mixtures: by level, batch shape ().
            rows: by level, feature vectors (N, D), for their shift and scale.
        """

    @property
    @abstractmethod
    def trainable_groups(self) -> dict[tuple[str, ...], nn.Module]:
        """Modules to be trained by gradients, by the levels whose log p they decide; no weight is in two of them."""

    @property
    @abstractmethod
    def sampling_order(self) -> tuple[str, ...]:
        """The levels in the order they are drawn in."""

    @abstractmethod
    def min_scale(self, level: str) -> float:
        """Least diagonal of the level's `scale_tril`."""

    def stream(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """`log_prob` of one batch after the other, without gradients: only one of them is in memory."""
        for features in batches:
            with torch.no_grad():
                maps = self.log_prob(features)
            yield maps

    @property
    def _like(self) -> Tensor:
        return next(self.parameters())

    def _positions(self, maps: Mapping[str, Tensor], positions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Positions of some levels' maps, checked."""
        for level in positions:
            if level not in maps:
                raise ValueError(f"level: expected one of {list(maps)}, got {level!r}")
        return {
            level: checked_positions(level, index, maps[level].shape[2:].numel()) for level, index in positions.items()
        }

    def _fixed(
        self,
        shapes: Mapping[str, Shape],
        n: int,
        fixed: Mapping[str, Tensor] | None,
        keep: Mapping[str, Tensor] | None,
    ) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Maps (n, D, H, W) of the levels that are given and the masks of what to keep, checked."""
        fixed, keep = fixed or {}, keep or {}
        if shapes.keys() != self.dims.keys():
            raise ValueError(f"shapes: expected the levels {list(self.levels)}, got {list(shapes)}")
        if not all(len(shape) == 2 and min(shape) >= 1 for shape in shapes.values()):
            raise ValueError(f"shapes: expected (H, W) with at least one position on every level, got {dict(shapes)}")
        if n < 0:
            raise ValueError(f"n: expected at least 0, got {n}")
        if not (fixed.keys() <= self.dims.keys() and keep.keys() <= fixed.keys()):
            raise ValueError(
                f"fixed: expected some of {list(self.levels)}, with all of {list(keep)}, got {list(fixed)}"
            )
        maps = {level: checked_map(level, f, self.dims[level], self._like) for level, f in fixed.items()}
        return {level: checked_given(level, f, keep.get(level), n, tuple(shapes[level])) for level, f in maps.items()}
