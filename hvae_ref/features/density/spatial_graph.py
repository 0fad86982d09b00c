"""A density over all levels of a feature pyramid as a directed graph over space and levels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.graph_layout import ORDER, GraphLayout, Shape, graph_layout
from hvae_ref.features.density.level_density import NUMBERS_AT_ONCE
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MIN_SCALE, MixtureHead
from hvae_ref.features.validation import checked_features, checked_positions


class SpatialGraphDensity(FeatureDensity):
    r"""p(f) = Π_levels Π_colours Π_i p(f_i | f_j, j a strict ancestor of i); eq. 7.7 in the book.

    Positions of all levels are nodes of a graph whose edges point from coarse to fine and, in a level, from one colour
    of a checkerboard to the next. Messages along the edges (7.8) give every node a context c_i, and c_i the parameters
    of a mixture of Gaussians with full covariances. A feature leaves its node along outgoing edges only, and no path
    comes back, so p(f_i | ·) never looks at f_i or at anything that looked at it. By the chain rule the product of
    such factors, each normalised, integrates to one. Where edges run both ways, as in most graph nets, it does not.

    Which factor a pair of neighbours counts in depends on the order: nodes of the first colour know only the coarser
    level, those of the last one their surroundings too. Compare places of one colour, or sums over whole maps.

    Args:
        dims: name and channels of each level, fine to coarse.
        components: K, one number or one for each level.
        width: of contexts and messages.
        layers: rounds of messages: a node depends on ancestors at most so many edges away.
        colours: 2 or 4; with 1 no edges run inside a level.
        min_scale: least diagonal of every `scale_tril`, in the units of the features.

    Raises:
        ValueError: for no level, another number of colours, or sizes that do not fit.

    >>> density = SpatialGraphDensity({"level1": 4, "level2": 6}, components=3)
    >>> f = density.sample({"level1": (8, 8), "level2": (4, 4)}, n=2)
    >>> {level: tuple(log_p.shape) for level, log_p in density.log_prob(f).items()}
    {'level1': (2, 8, 8), 'level2': (2, 4, 4)}
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        components: int | Mapping[str, int] = 8,
        width: int = 64,
        layers: int = 2,
        colours: int = 2,
        min_scale: float = MIN_SCALE,
    ) -> None:
        super().__init__(dims, components)
        for name, value in (("width", width), ("layers", layers)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if colours not in ORDER:
            raise ValueError(f"colours: expected 1, 2 or 4, got {colours}")
        # PyTorch Geometric takes seconds to import, so only those who build a graph do.
        from hvae_ref.features.density.message_passing import GraphContexts

        self.colours = colours
        self.p = nn.ModuleDict(
            {level: MixtureHead(width, dim, self.components[level], min_scale) for level, dim in dims.items()}
        )
        self.contexts = GraphContexts(dims, width, layers, colours)

    @property
    def sampling_order(self) -> tuple[str, ...]:
        """The levels in the order they are drawn in: coarse to fine."""
        return self.levels[::-1]

    @property
    def trainable_groups(self) -> dict[tuple[str, ...], nn.Module]:
        """One group with all levels, because the messages of all levels share their nets."""
        return {self.levels: self}

    def min_scale(self, level: str) -> float:
        """Least diagonal of the level's `scale_tril`."""
        return self.p[level].min_scale

    def layout(self, shapes: Mapping[str, Shape]) -> GraphLayout:
        """The graph over maps of these sizes, where the density is."""
        return graph_layout(shapes, self.colours, self._like.device)

    def log_prob(
        self, features: Mapping[str, Tensor], positions: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """log p(f_i | ancestors) at every position: a map (B, H, W) for each level, nats, in one pass.

        Their sum over positions and levels is log p of all maps. States are kept for every node, so memory is linear
        in nodes, as time is; messages and mixtures are made in chunks of bounded size.

        Args:
            features: one map a level, of sizes that need not be multiples of each other.
            positions: which positions of which levels, counted row by row, (P,); the result is then (B, P) for each of
                these levels. None for all. All nodes still pass their messages.

        Raises:
            ValueError: for levels, channels, dtypes or batch sizes that do not fit, and for NaN or infinity.
        """
        maps = checked_features(features, self.dims, self._like)
        wanted = {level: self._all(f) for level, f in maps.items()}
        wanted = wanted if positions is None else self._positions(maps, positions)
        context, layout = self._contexts(maps)
        found = {}
        for level, index in wanted.items():
            values = maps[level].flatten(2).mT
            parts = self._chunks(level, len(values), index)
            log_p = [self._mixture(level, context, layout, part).log_prob(values[:, part]) for part in parts]
            found[level] = torch.cat(log_p, -1)
        if positions is not None:
            return found
        return {level: log_p.unflatten(-1, maps[level].shape[2:]) for level, log_p in found.items()}

    def distribution(
        self, level: str, features: Mapping[str, Tensor], positions: Tensor | None = None
    ) -> GaussianMixture:
        """p(f_level at i | ancestors): batch (B, H, W), or (B, P) at some positions counted row by row, (P,).

        Ancestors lie in the level itself, of earlier colours, and in coarser ones: these levels have to be there, finer
        ones are not looked at.
        """
        above = self.levels[self.levels.index(self._known(level)) :]
        dims = {name: self.dims[name] for name in above}
        maps = checked_features({name: features[name] for name in above if name in features}, dims, self._like)
        index = self._all(maps[level]) if positions is None else positions
        index = checked_positions(level, index, maps[level].shape[2:].numel())
        context, layout = self._contexts(maps)
        mixture = self._mixture(level, context, layout, index)
        return mixture if positions is not None else mixture.unflatten(1, maps[level].shape[2:])

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
        """Draw maps (n, D, H, W) of all levels, coarse to fine and colour by colour.

        Args:
            shapes: (H, W) of each level.
            n: how many.
            fixed: maps (n, D, H, W) or (1, D, H, W) of levels that are given. A node that is drawn depends on its
                ancestors, given or drawn. It is not inferred from given nodes that come *after* it, such as those of
                finer levels or later colours. `log_prob` of the result, summed over the given positions, is the
                logarithm of the weight that a draw at temperature 1 would need for that.
            keep: for levels in `fixed`, where to keep them, booleans (H, W); the rest is drawn.
            temperature: factor on the standard deviations of every component.

        Raises:
            ValueError: for levels, shapes or masks that do not fit.
        """
        given = self._fixed(shapes, n, fixed, keep)
        sizes = {level: tuple(shapes[level]) for level in self.levels}
        drawn, kept = {}, {}
        for level, shape in sizes.items():
            f, mask = given.get(level, (self._like.new_empty(n, self.dims[level], *shape), None))
            mask = torch.full(shape, level in given) if mask is None else mask
            drawn[level], kept[level] = f.flatten(2).clone(), mask.flatten().to(f.device)
        walk = self.contexts.walk(self.layout(sizes), n)
        for group in walk.layout.groups:
            context, f = walk.enter(group), drawn[group.level]
            fresh = (~kept[group.level][group.positions]).nonzero().squeeze(-1)
            for part in self._chunks(group.level, n, fresh):
                mixture = self.p[group.level](context[part].transpose(0, 1)).tempered(temperature)
                f[..., group.positions[part]] = mixture.sample().mT
            walk.leave(group, f[..., group.positions].mT)
        return {level: f.unflatten(-1, sizes[level]) for level, f in drawn.items()}

    @torch.no_grad()
    def init_from_mixtures(self, mixtures: Mapping[str, GaussianMixture], rows: Mapping[str, Tensor]) -> None:
        """Set the parameters to one unconditioned mixture for each level; `rows` holds feature vectors (N, D)."""
        for level, mixture in mixtures.items():
            self.p[level].init_from_mixture(mixture)
            self.contexts.values[level].init_from_rows(rows[level], self.p[level].min_scale)

    def _contexts(self, maps: Mapping[str, Tensor]) -> tuple[Tensor, GraphLayout]:
        layout = self.layout({level: tuple(f.shape[2:]) for level, f in maps.items()})
        return self.contexts(layout, maps), layout

    def _mixture(self, level: str, context: Tensor, layout: GraphLayout, positions: Tensor) -> GaussianMixture:
        return self.p[level](context[layout.node_of[level][positions]].transpose(0, 1))

    def _known(self, level: str) -> str:
        if level not in self.dims:
            raise ValueError(f"level: expected one of {list(self.levels)}, got {level!r}")
        return level

    def _chunks(self, level: str, batch: int, index: Tensor) -> tuple[Tensor, ...]:
        """Positions, so many at once that their mixtures fit into `NUMBERS_AT_ONCE`; at least one chunk."""
        numbers = self.components[level] * self.dims[level] * (self.dims[level] + 1)
        return index.split(max(1, NUMBERS_AT_ONCE // (max(batch, 1) * numbers)))

    @staticmethod
    def _all(f: Tensor) -> Tensor:
        return torch.arange(f.shape[2:].numel(), device=f.device)
