"""What every latent-variable model of the package can do, and the few parts each one has to bring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample, sampled_kl

Choose = Callable[[str, Distribution], Tensor]
"""Where a level's value comes from: called with the level's name and its prior, answers z (B, D)."""


UNIT_TOLERANCE = 1e-3
"""How far from 1 the norm of a latent on a sphere may be: a slip is caught, rounding in any precision is not."""


class Inference(NamedTuple):
    """Posteriors of one batch and the sample drawn from each of them, both ordered top to bottom."""

    q: dict[str, Distribution]
    z: dict[str, Tensor]


class LatentVariableModel(nn.Module, ABC):
    """p(x, z) = p(x|z) p(z) with an amortised posterior q(z|x).

    A model brings its arrows and three methods: `elbo`, `infer` (x to every z) and `descend` (every z to x; training
    and sampling both go through it or through the same arrows). All else follows from them.

    Args:
        data_dim: D, number of observed values in an example.
        latent_dims: size of each latent, from the bottom (z1, next to x) to the top.
        num_values: V, grey levels of the data; `None` for real-valued data.

    Attributes:
        levels: names of the latents from the top to the bottom, such as ("z2", "z1").
        dims: their sizes by name.
        spheres: of the levels whose z is not free but made of unit vectors, how many such vectors it joins.
    """

    def __init__(self, data_dim: int, latent_dims: Sequence[int], num_values: int | None) -> None:
        super().__init__()
        if data_dim < 1:
            raise ValueError(f"data_dim: expected at least 1, got {data_dim}")
        if not latent_dims or min(latent_dims) < 1:
            raise ValueError(f"latent_dims: expected at least one level, each of size 1 or more, got {latent_dims}")
        if num_values is not None and num_values < 2:
            raise ValueError(f"num_values: expected at least 2, got {num_values}")
        self.data_dim, self.num_values = data_dim, num_values
        bottom_up = {f"z{level}": size for level, size in enumerate(latent_dims, start=1)}
        self.dims: dict[str, int] = dict(reversed(bottom_up.items()))
        self.levels: tuple[str, ...] = tuple(self.dims)
        self.spheres: dict[str, int] = {}

    # What a model brings ------------------------------------------------------------------------------------------

    @abstractmethod
    def elbo(self, x: Float[Tensor, "batch data"], kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """The evidence lower bound of each example, from one sample of each latent.

        Args:
            x: (B, data_dim), raw values as the data sets give them.
            kl: how a level's divergence is taken where there is a choice.

        Raises:
            ValueError: for a wrong shape, dtype or device, or values outside the likelihood's support.
        """

    @abstractmethod
    def infer(self, x: Float[Tensor, "batch data"]) -> Inference:
        """Draw z ~ q(z|x) and answer every level's posterior with the sample taken from it."""

    @abstractmethod
    def descend(self, choose: Choose, n: int) -> Distribution:
        """Walk from the top latent down to p(x|z) for n examples, asking `choose` for every z."""

    # What follows -------------------------------------------------------------------------------------------------

    def log_weight(self, x: Float[Tensor, "batch data"], n: int) -> Float[Tensor, "n batch"]:
        """log p(x, z) − log q(z|x) at n independent z ~ q(z|x) for each example.

        Args:
            x: (B, data_dim).
            n: samples for each example, at least 1.

        Returns:
            (n, B) nats; `log_mean_exp` over the first dimension is the importance-weighted bound.
        """
        if n < 1:
            raise ValueError(f"n: expected at least one sample, got {n}")
        return self.elbo(self.check(x).repeat(n, 1), kl=sampled_kl).value.view(n, len(x))

    def encode(self, x: Float[Tensor, "batch data"]) -> dict[str, Distribution]:
        """The posterior of every level, top to bottom; a level that depends on others is given their samples."""
        return self.infer(x).q

    def decode(self, z: Mapping[str, Tensor]) -> Distribution:
        """p(x|z) for given values of all levels, each (B, its size)."""
        n = len(z[self.levels[0]]) if self.levels[0] in z else None
        self._check_latents(z, required=self.levels, rows=(n,))
        return self.descend(lambda level, prior: z[level], n)

    @torch.no_grad()
    def sample_latents(
        self, n: int, fixed: Mapping[str, Tensor] | None = None, temperature: float = 1.0
    ) -> dict[str, Tensor]:
        """Draw every latent from the prior, top to bottom, holding those in `fixed`.

        Args:
            n: number of examples.
            fixed: values of some levels, each (n, its size) or (1, its size).
            temperature: factor on the scale of every Gaussian prior; 1 draws from the model. Where a prior is a mixture
                it is a positive factor on each component's scale: it still draws components as often as before.

        Returns:
            One tensor (n, size) a level, top to bottom; a fixed level is answered bit for bit.
        """
        choose, chosen = self._prior_source(n, fixed, temperature)
        self.descend(choose, n)
        return {level: chosen[level] for level in self.levels}

    @torch.no_grad()
    def sample(
        self, n: int, fixed: Mapping[str, Tensor] | None = None, temperature: float = 1.0
    ) -> Float[Tensor, "n data"]:
        """Draw x from the model: the latents as in `sample_latents`, then x ~ p(x|z). Answers (n, data_dim)."""
        choose, _ = self._prior_source(n, fixed, temperature)
        return self.descend(choose, n).sample()

    @torch.no_grad()
    def reconstruct(
        self, x: Float[Tensor, "batch data"], keep: Collection[str] | None = None
    ) -> Float[Tensor, "batch data"]:
        """E[x|z] with the kept levels from the posterior and the others from the prior given those above.

        Args:
            x: (B, data_dim).
            keep: names of the levels taken from q(z|x); all of them by default.

        Returns:
            (B, data_dim), means of p(x|z).
        """
        keep = self._check_keep(keep)
        z = self.infer(x).z
        return self.descend(lambda level, p: z[level] if level in keep else p.sample(), len(x)).mean

    def check(self, x: Tensor) -> Tensor:
        """Answer x unchanged if the model can take it, or say what is wrong with it.

        Raises:
            ValueError: naming what was expected, what came, and what to do.
        """
        if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != self.data_dim or not len(x):
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x: expected a tensor of shape (batch, {self.data_dim}), batch at least 1, got {got}")
        like = self.like
        if x.dtype != like.dtype:
            raise ValueError(f"x: expected dtype {like.dtype}, the model's, got {x.dtype}; convert it with x.to(…)")
        if x.device != like.device:
            raise ValueError(f"x: expected device {like.device}, the model's, got {x.device}; move it with x.to(…)")
        if self.num_values is None:
            if not torch.isfinite(x).all():
                raise ValueError("x: expected finite values, found NaN or infinity")
        elif not ((x >= 0) & (x < self.num_values) & (x == x.round())).all():
            low, high = x.min().item(), x.max().item()
            raise ValueError(
                f"x: expected the integers 0 … {self.num_values - 1}, got values from {low:g} to {high:g}; "
                "binarise the data (load(…, binarize='dynamic')), undo a scaling to [0, 1], or build the model "
                "with the data's num_values and a categorical or logistic_mixture likelihood"
            )
        return x

    @property
    def like(self) -> Tensor:
        """A parameter, for its dtype and device."""
        return next(self.parameters())

    def _check_keep(self, keep: Collection[str] | None) -> Collection[str]:
        """Names of the levels to keep, all by default; refuses unknown ones."""
        keep = self.levels if keep is None else keep
        unknown = sorted(set(keep) - set(self.levels))
        if unknown:
            raise ValueError(f"keep: unknown level {', '.join(unknown)}; this model has {', '.join(self.levels)}")
        return keep

    def _check_latents(
        self, z: Mapping[str, Tensor], rows: Collection[int | None], required: Collection[str] = ()
    ) -> None:
        """Refuse levels that are unknown or missing, and values of another size, dtype or device than the model's."""
        unknown, missing = sorted(set(z) - set(self.levels)), sorted(set(required) - set(z))
        if unknown or missing:
            raise ValueError(
                f"latents: expected {', '.join(self.levels)}; unknown {unknown or 'none'}, missing {missing or 'none'}"
            )
        like = self.like
        for level, value in z.items():
            if value.ndim != 2 or value.shape[1] != self.dims[level] or len(value) not in rows:
                expected = " or ".join(f"({n}, {self.dims[level]})" for n in rows)
                raise ValueError(f"{level}: expected shape {expected}, got {tuple(value.shape)}")
            if value.dtype != like.dtype or value.device != like.device:
                raise ValueError(
                    f"{level}: expected the model's {like.dtype} on {like.device}, got {value.dtype} on {value.device}"
                )
            if not torch.isfinite(value).all():
                raise ValueError(f"{level}: expected finite values, found NaN or infinity")
            if level in self.spheres:
                norm = value.detach().unflatten(-1, (self.spheres[level], -1)).norm(dim=-1)
                if not ((norm - 1).abs() < UNIT_TOLERANCE).all():
                    worst = norm.flatten()[(norm - 1).abs().argmax()].item()
                    raise ValueError(f"{level}: expected unit vectors, got a norm of {worst:g}")

    def _prior_source(
        self, n: int, fixed: Mapping[str, Tensor] | None, temperature: float
    ) -> tuple[Choose, dict[str, Tensor]]:
        """A `choose` that draws from the prior, and the dictionary in which it keeps what it answered."""
        if n < 1:
            raise ValueError(f"n: expected at least 1, got {n}")
        if not temperature >= 0:
            raise ValueError(f"temperature: expected a number of at least 0, got {temperature}")
        fixed = dict(fixed or {})
        self._check_latents(fixed, rows=dict.fromkeys((n, 1)))
        chosen: dict[str, Tensor] = {}

        def choose(level: str, prior: Distribution) -> Tensor:
            if level in fixed:
                chosen[level] = fixed[level].expand(n, -1)
            else:
                chosen[level] = _tempered(prior, temperature)
            return chosen[level]

        return choose, chosen


def _tempered(prior: Distribution, temperature: float) -> Tensor:
    """A draw from the prior, with the scale of a Gaussian, or of a mixture's components, times the temperature."""
    if temperature == 1.0:
        return prior.sample()
    if hasattr(prior, "sample_tempered"):
        return prior.sample_tempered(temperature)
    base = prior.base_dist if isinstance(prior, Independent) else prior
    if isinstance(base, Normal | MultivariateNormal):
        return prior.mean + temperature * (prior.sample() - prior.mean)
    raise ValueError(f"temperature: {type(prior).__name__} has no scale to multiply; expected 1.0, got {temperature}")
