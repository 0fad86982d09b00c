"""A factor of a density over maps as the prior of a latent map, and the KL of a posterior to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, constraints

from hvae_ref.distributions.base import checked_shape
from hvae_ref.elbo import Divergence, Latent, analytic_kl_or_sample
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.density.level_density import LevelDensity
from hvae_ref.features.density.mixture import GaussianMixture

APART = 0.5
"""Standard deviation of the locations a density begins with; its components have what is left of a variance of 1."""


class GraphFactor:
    r"""p(z_l | z_{l+1}) of a density with edges inside its levels: the product over positions in the order of drawing.

    Such a factor has no mixture at a position that could be had from the coarser level alone. Finer levels come after
    it and are not looked at.

    Args:
        density: such as a `SpatialGraphDensity`, over two levels.
        level: which of its factors.
    """

    def __init__(self, density: FeatureDensity, level: str) -> None:
        self.density, self.level = density, level

    def log_prob(self, f: Tensor, above: Tensor | None) -> Tensor:
        """log p at every position of a map f (B, D, H, W), (B, P) nats."""
        index = torch.arange(f.shape[2:].numel(), device=f.device)
        return self.density.log_prob(self._maps(f, above), {self.level: index})[self.level]

    def sample(self, above: Tensor | None, n: int, shape: tuple[int, int], temperature: float = 1.0) -> Tensor:
        """Draw a map (n, D, H, W) given the coarser one (n, D', H', W')."""
        shapes = {level: shape if level == self.level else (1, 1) for level in self.density.levels}
        fixed = {}
        if above is not None:
            fixed = {self._coarser: above}
            shapes[self._coarser] = tuple(above.shape[2:])
        return self.density.sample(shapes, n, fixed=fixed, temperature=temperature)[self.level]

    @property
    def _coarser(self) -> str:
        return self.density.levels[self.density.levels.index(self.level) + 1]

    def _maps(self, f: Tensor, above: Tensor | None) -> dict[str, Tensor]:
        maps = {level: f.new_zeros(len(f), dim, 1, 1) for level, dim in self.density.dims.items()}
        maps[self.level] = f
        return maps if above is None else maps | {self._coarser: above}


def factor_of(density: FeatureDensity, level: str) -> LevelDensity | GraphFactor:
    """The factor of a level that models draw it from, given the coarser one."""
    return density.p[level] if isinstance(density, HierarchicalLatentDensity) else GraphFactor(density, level)


class MapPrior(Distribution):
    r"""p(z_l | z_{l+1}) = Π_i Σ_k π_k(h_i) N(z_{l,i}; μ_k(h_i), Σ_k(h_i)) over the positions i of a map (C, H, W).

    In a graph h_i knows positions drawn before i too. There is no closed form for a KL to a mixture, so it is taken
    from a sample; draws carry no gradient, and a bound needs none from them.

    Args:
        factor: from `factor_of`.
        above: the coarser map z_{l+1} (B, C', H', W'), or None; a factor that stands alone does not look at it.
        n: B.
        shape: (C, H, W) of the level.

    Raises:
        ValueError: in a call, for values of another shape, or a temperature that is not positive.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.independent(constraints.real, 3)
    has_rsample = False

    def __init__(
        self, factor: LevelDensity | GraphFactor, above: Tensor | None, n: int, shape: tuple[int, int, int]
    ) -> None:
        alone = isinstance(factor, LevelDensity) and factor.attention is None
        self.factor, self.above = factor, None if alone else above
        super().__init__(torch.Size([n]), torch.Size(shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value | z_{l+1}) for values (…, B, C, H, W): the sum over positions, nats."""
        if value.shape[-3:] != self.event_shape:
            raise ValueError(f"value: expected maps of shape {tuple(self.event_shape)}, got {tuple(value.shape)}")
        draws = torch.broadcast_shapes(value.shape[:-3], self.batch_shape)[:-1]
        maps = value.expand(*draws, *self.batch_shape, *self.event_shape).reshape(-1, *self.event_shape)
        return self.factor.log_prob(maps, self._above(draws)).sum(-1).view(*draws, *self.batch_shape)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw maps, sample_shape + (B, C, H, W)."""
        return self._draw(checked_shape("sample_shape", sample_shape), 1.0)

    def sample_tempered(self, temperature: float) -> Tensor:
        """One draw, (B, C, H, W), with every component's standard deviations times `temperature` > 0."""
        return self._draw(torch.Size(), temperature)

    @torch.no_grad()
    def _draw(self, draws: torch.Size, temperature: float) -> Tensor:
        n = draws.numel() * self.batch_shape[0]
        maps = self.factor.sample(self._above(draws), n, self.event_shape[1:], temperature)
        return maps.reshape(*draws, *self.batch_shape, *self.event_shape)

    def _above(self, draws: torch.Size) -> Tensor | None:
        if self.above is None or not draws:
            return self.above
        return self.above.expand(*draws, *self.above.shape).flatten(0, len(draws))


def kl_to_map_prior(latent: Latent) -> Divergence:
    r"""KL(q ‖ N(0, I)) + log N(z; 0, I) − log p(z) where p is a `MapPrior`, else `analytic_kl_or_sample`; nats.

    In expectation that is KL(q ‖ p). Only the difference between log p and log N(0, I) is left to the sample, so it is
    far less noisy than log q(z) − log p(z) where the two priors are alike. It is a sampled divergence all the same.
    """
    q, p, z, log_q = latent
    if not isinstance(p, MapPrior):
        return analytic_kl_or_sample(latent)
    zeros = torch.zeros_like(z)
    normal = Independent(Normal(zeros, zeros + 1), z.ndim - 1)
    nats = analytic_kl_or_sample(Latent(q, normal, z, log_q)).nats
    return Divergence(nats + normal.log_prob(z) - p.log_prob(z), sampled=True)


def nearly_standard(components: int, dim: int) -> GaussianMixture:
    """A mixture that is close to N(0, I), where posteriors begin, and whose components differ enough to part."""
    loc = APART * torch.randn(components, dim)
    tril = (1 - APART**2) ** 0.5 * torch.eye(dim).expand(components, dim, dim)
    return GaussianMixture(torch.zeros(components), loc, tril)
