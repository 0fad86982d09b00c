"""The latents of a batch: what one pass knows of them, where their values come from, and which values are valid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal
from torch.distributions.constraints import Constraint

from hvae_ref.distributions.sphere.hyperspherical_uniform import unit_vector
from hvae_ref.distributions.tracing import values_are_known
from hvae_ref.elbo import Latent
from hvae_ref.errors import real_number
from hvae_ref.nn.eval_mode import random_state_kept
from hvae_ref.nn.likelihoods import refuse_half

LatentSource = Callable[[str, Distribution, Any], Tensor]
"""Where a level's value comes from: called with the level's name, its prior and the state above it, returns z."""

UNIT_TOLERANCE = 1e-3
"""How far from 1 the norm of a latent on a sphere may be: a slip is caught, rounding in any precision is not."""


class Inference(NamedTuple):
    """What one pass through a model knows of a batch.

    Attributes:
        latents: each level's posterior, prior and sample, top to bottom.
        p_x: p(x|z) at these samples.
    """

    latents: dict[str, Latent]
    p_x: Distribution

    @property
    def q(self) -> dict[str, Distribution]:
        """The posterior of every level, top to bottom."""
        return {level: latent.q for level, latent in self.latents.items()}

    @property
    def p(self) -> dict[str, Distribution]:
        """The prior of every level given the samples above it, top to bottom."""
        return {level: latent.p for level, latent in self.latents.items()}

    @property
    def z(self) -> dict[str, Tensor]:
        """The sample of every level, top to bottom."""
        return {level: latent.z for level, latent in self.latents.items()}


def from_prior(drawn: dict[str, Tensor], fixed: Mapping[str, Tensor], n: int, temperature: float) -> LatentSource:
    """A source that draws each level from its prior, or takes it from `fixed`, and keeps what it returned in `drawn`.

    Args:
        drawn: filled with one tensor (n, *shape) a level.
        fixed: values of some levels, (n, *shape) or (1, *shape).
        n: number of examples.
        temperature: factor on the scale of a Gaussian prior, at least 0.

    Raises:
        ValueError: for a temperature that is negative or not finite; in a call, where a prior has no scale to multiply.
    """
    temperature = real_number("temperature", temperature, least=0)

    def source(level: str, p: Distribution, state: Any) -> Tensor:  # noqa: ANN401
        drawn[level] = fixed[level].expand(n, *p.event_shape) if level in fixed else tempered(p, temperature)
        return drawn[level]

    return source


def tempered(prior: Distribution, temperature: float) -> Tensor:
    """A draw from the prior, with the scale of a Gaussian, or of a mixture's components, times the temperature."""
    if temperature == 1.0:
        return prior.sample()
    if hasattr(prior, "sample_tempered"):
        return prior.sample_tempered(temperature)
    base = prior.base_dist if isinstance(prior, Independent) else prior
    if isinstance(base, Normal | MultivariateNormal):
        return prior.mean + temperature * (prior.sample() - prior.mean)
    raise ValueError(f"temperature: {type(prior).__name__} has no scale to multiply; expected 1.0, got {temperature}")


@contextmanager
def randomness_from(generator: torch.Generator | None, device: torch.device) -> Iterator[None]:
    """Let all draws inside depend on `generator` alone, and put torch's random state back; None leaves it as it is."""
    if generator is None:
        yield
        return
    if not isinstance(generator, torch.Generator):
        raise ValueError(f"generator: expected a torch.Generator or None, got {generator!r}; set a seed by manual_seed")
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with random_state_kept(device, seed):
        yield


def check_latents(
    z: Mapping[str, Tensor],
    priors: Mapping[str, tuple[torch.Size, Constraint]],
    like: Tensor,
    rows: Collection[int | None],
    required: Collection[str] = (),
) -> None:
    """Refuse levels that are unknown or missing, and values of another shape, dtype, device or support.

    Args:
        z: values of levels, (n, *shape) each.
        priors: event shape and support of every level.
        like: a parameter of the model.
        rows: how many rows a value may have.
        required: levels that must be there.

    Raises:
        ValueError: naming the level, what was expected and what came.
    """
    refuse_half(like.dtype)
    unknown, missing = sorted(set(z) - set(priors)), sorted(set(required) - set(z))
    if unknown or missing:
        raise ValueError(
            f"latents: expected {', '.join(priors)}; unknown {unknown or 'none'}, missing {missing or 'none'}"
        )
    for level, value in z.items():
        shape, support = priors[level]
        if not isinstance(value, Tensor):
            wanted = ", ".join(map(str, ("n", *shape)))
            raise ValueError(f"{level}: expected a tensor of shape ({wanted}), got {type(value).__name__}")
        if value.shape[1:] != shape or len(value) not in rows:
            expected = " or ".join(str((n, *shape)) for n in rows)
            raise ValueError(f"{level}: expected shape {expected}, got {tuple(value.shape)}")
        if value.dtype != like.dtype or value.device != like.device:
            raise ValueError(
                f"{level}: expected the model's {like.dtype} on {like.device}, got {value.dtype} on {value.device}"
            )
        if not values_are_known():
            continue
        if not torch.isfinite(value).all():
            raise ValueError(f"{level}: expected finite values, found NaN or infinity")
        if not _in(support, value):
            raise ValueError(f"{level}: expected values in {support}, the support of its prior, got others")


def _in(support: Constraint, value: Tensor) -> bool:
    """Whether all values lie in the support; unit vectors up to `UNIT_TOLERANCE`."""
    inner = getattr(support, "base_constraint", support)
    if inner is unit_vector:
        return bool(((torch.linalg.vector_norm(value, dim=-1) - 1).abs() < UNIT_TOLERANCE).all())
    return bool(support.check(value).all())
