"""What every latent-variable model of the package can do, and the few parts each one has to bring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample, sampled_kl
from hvae_ref.errors import whole_number
from hvae_ref.models.arrows import check_arguments, check_by_level, check_levels
from hvae_ref.models.latents import Inference, LatentSource, check_latents, from_prior, randomness_from
from hvae_ref.models.priors import KnownPriors, Priors
from hvae_ref.nn.likelihoods import Likelihood, Observation, event_shape

Shape = int | Sequence[int]
"""An event shape: D for a vector, (C, H, W) for a map."""


class LatentVariableModel(nn.Module, ABC):
    """p(x, z|c) = p(x|z, c) p(z|c) with an amortised posterior q(z|x, c); most models have no condition c.

    A model brings its arrows, `infer` (x to every posterior, prior, sample and p(x|z)) and `ancestral_pass` (every z to
    p(x|z)). All else follows from them.

    Args:
        x_shape: event shape of x, D or (C, H, W).
        levels: names of the latents from the top to the bottom, such as ("z2", "z1").
        likelihood: what x may be and how nets see it; None for any finite numbers, seen as they are.
        condition: a `hvae_ref.nn.conditions.Condition`, or None.

    Attributes:
        observe: checks x and the condition and returns what nets see of them.
    """

    def __new__(cls, *arrows: Any, **named: Any) -> LatentVariableModel:  # noqa: ANN401
        """A model whose constructor can be called with these arguments; a copy is made with none."""
        check_arguments(cls, arrows, named)
        return super().__new__(cls)

    def __init__(
        self,
        x_shape: Shape,
        levels: Sequence[str],
        likelihood: Likelihood | None = None,
        condition: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.observe = Observation(event_shape(x_shape), likelihood, condition)
        self._known_priors = KnownPriors()

    @abstractmethod
    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """Draw z ~ q(z|x, c), and return every level's posterior, prior and sample, and p(x|z, c).

        Args:
            x: (B, *x_shape), raw values as the data sets give them.
            condition: what `self.condition` takes, one row for each example or one for all.

        Raises:
            ValueError: for a wrong shape, dtype or device, or values outside the likelihood's support.
        """

    @abstractmethod
    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """Walk from the top latent down to p(x|z, c) for n examples, asking `source` for every z.

        Args:
            source: called with each level's name, its prior and the state above it (None where there is none).
            n: number of examples.
            c: the embedded condition in a tuple, from `self.observe.given(condition, n)`; empty without one.
        """

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, kl: KlEstimator = analytic_kl_or_sample) -> Elbo:
        """E_q[log p(x|z) − Σ_l KL(q(z_l|·) ‖ p(z_l|·))], from one sample of each latent.

        Args:
            x: (B, *x_shape).
            condition: as in `infer`.
            kl: how a level's divergence is taken where there is a choice.

        Raises:
            ValueError: as `infer`.
        """
        latents, p_x = self.infer(x, condition=condition)
        return Elbo(p_x.log_prob(x), {level: kl(latent) for level, latent in latents.items()})

    def log_weight(self, x: Tensor, n: int, *, condition: Tensor | None = None) -> Tensor:
        """log p(x, z) − log q(z|x) at n independent z ~ q(z|x) for each example.

        Args:
            x: (B, *x_shape).
            n: samples for each example, at least 1.
            condition: as in `infer`.

        Returns:
            (n, B) nats; `log_mean_exp` over the first dimension is the importance-weighted bound.
        """
        if (n := whole_number("n", n, least=0)) == 0:
            raise ValueError("n: expected at least one sample, got 0")
        self.observe(x, condition, self.like)
        if condition is not None and len(condition) == len(x):
            condition = condition.repeat(n, *[1] * (condition.ndim - 1))
        many = x.repeat(n, *[1] * (x.ndim - 1))
        return self.elbo(many, condition=condition, kl=sampled_kl).value.view(n, len(x))

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> dict[str, Distribution]:
        """The posterior of every level, top to bottom; a level that depends on others is given their samples."""
        return self.infer(x, condition=condition).q

    def decode(self, z: Mapping[str, Tensor], *, condition: Tensor | None = None) -> Distribution:
        """p(x|z, c) for given values of all levels, each (B, *its shape)."""
        z = check_by_level("z", z, self.levels)
        top = z.get(self.levels[0])
        n = len(top) if isinstance(top, Tensor) and top.ndim else None
        check_latents(z, self.priors, self.like, rows=(n,), required=self.levels)
        return self.ancestral_pass(lambda level, p, state: z[level], n, self.observe.given(condition, n))

    @torch.no_grad()
    def sample_latents(
        self,
        n: int,
        fixed: Mapping[str, Tensor] | None = None,
        temperature: float = 1.0,
        *,
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Draw every latent from the prior, top to bottom, holding those in `fixed`.

        Args:
            n: number of examples.
            fixed: values of some levels, each (n, *its shape) or (1, *its shape).
            temperature: factor on the scale of every Gaussian prior; 1 draws from the model. Of a mixture a positive
                factor on each component's scale, with components drawn as often as before.
            condition: as in `infer`.
            generator: where all randomness comes from; None for torch's own.

        Returns:
            One tensor (n, *shape) a level, top to bottom; a fixed level is returned bit for bit.
        """
        with randomness_from(generator, self.like.device):
            return self._draw(n, fixed, temperature, condition)[0]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        fixed: Mapping[str, Tensor] | None = None,
        temperature: float = 1.0,
        *,
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw x from the model: the latents as in `sample_latents`, then x ~ p(x|z). Returns (n, *x_shape)."""
        with randomness_from(generator, self.like.device):
            return self._draw(n, fixed, temperature, condition)[1].sample()

    @torch.no_grad()
    def reconstruct(self, x: Tensor, keep: Collection[str] | None = None, *, condition: Tensor | None = None) -> Tensor:
        """E[x|z] with the kept levels from the posterior and the others from the prior given those above.

        Args:
            x: (B, *x_shape).
            keep: names of the levels taken from q(z|x); all of them by default.
            condition: as in `infer`.

        Returns:
            (B, *x_shape), means of p(x|z).
        """
        keep = check_levels("keep", self.levels if keep is None else keep, self.levels)
        z, c = self.infer(x, condition=condition).z, self.observe.given(condition, len(x))
        return self.ancestral_pass(lambda level, p, _: z[level] if level in keep else p.sample(), len(x), c).mean

    @property
    def like(self) -> Tensor:
        """A parameter, for its dtype and device."""
        return next(self.parameters())

    @property
    def x_shape(self) -> torch.Size:
        """Event shape of x."""
        return self.observe.x_shape

    @property
    def likelihood(self) -> Likelihood | None:
        """What x may be and how nets see it."""
        return self.observe.likelihood

    @property
    def condition(self) -> nn.Module | None:
        """What checks a condition and turns it into what nets see; None for a model without one."""
        return self.observe.condition

    @property
    def priors(self) -> Priors:
        """Event shape and support of every latent; read again where an arrow has been replaced.

        Raises:
            ValueError: where the arrows do not fit each other.
        """
        return self._known_priors.of(self)

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """Event shape of every latent, top to bottom."""
        return {level: shape for level, (shape, _) in self.priors.items()}

    @property
    def dims(self) -> dict[str, int]:
        """How many numbers each latent holds, top to bottom."""
        return {level: shape.numel() for level, shape in self.shapes.items()}

    def _draw(
        self, n: int, fixed: Mapping[str, Tensor] | None, temperature: float, condition: Tensor | None
    ) -> tuple[dict[str, Tensor], Distribution]:
        """Latents from the prior, those in `fixed` held, and p(x|z)."""
        if (n := whole_number("n", n, least=0)) == 0:
            raise ValueError("n: expected at least 1, got 0")
        fixed = check_by_level("fixed", fixed, self.levels)
        check_latents(fixed, self.priors, self.like, rows=dict.fromkeys((n, 1)))
        z: dict[str, Tensor] = {}
        source = from_prior(z, fixed, n, temperature)
        return z, self.ancestral_pass(source, n, self.observe.given(condition, n))
