"""Exercise 6.6: eighty per cent of what?

Asked for is the share of all values x (B, T) inside the central interval of each probability (L,), where p(x|c) is a
mixture of K Gaussians with means (K, B, T).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "Does it answer as an ear would?"
Ranks = Callable[[Tensor, Tensor, Tensor], Tensor]


def _phi(score: Tensor) -> Tensor:
    return torch.special.ndtr(score)


def _rank(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """P(a draw of the model is below x), where the model is an equal mixture of K Gaussians."""
    return _phi((x - means) / sigma).mean(0)


def _share(rank: Tensor, levels: Tensor) -> Tensor:
    return torch.stack([((rank - 0.5).abs() <= level / 2).double().mean() for level in levels])


def _coverage(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    return _share(_rank(means, sigma, x), levels)


def _draws_and_recordings(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draws, batch, samples = size(rng, high=9), size(rng), int(rng.integers(20, 60))
    means = normal(rng, draws, batch, samples, scale=float(rng.uniform(0.1, 0.3)), dtype=torch.float64)
    sigma = uniform(rng, batch, samples, low=0.05, high=0.25, dtype=torch.float64)
    x = normal(rng, batch, samples, scale=float(rng.uniform(0.1, 0.4)), dtype=torch.float64)
    return means, sigma, x, uniform(rng, size(rng, high=4), low=0.2, high=0.95, dtype=torch.float64)


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Means in two clusters, so that no Gaussian is the mixture; one draw and eighty; levels near 0, 1; float32."""
    rng = np.random.default_rng(66)

    def drawn(k: int, batch: int, samples: int, apart: float, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """K means in two clusters, their spreads, the values that are asked about, and the levels."""
        means = normal(rng, k, batch, samples, scale=0.1, dtype=torch.float64)
        means[::2] += apart
        sigma = uniform(rng, batch, samples, low=0.02, high=0.4, dtype=torch.float64)
        x = normal(rng, batch, samples, scale=0.5, dtype=torch.float64) + apart / 2
        return means, sigma, x, torch.linspace(0.01, 0.99, count, dtype=torch.float64)

    means, sigma, x, levels = drawn(6, 2, 40, 1.0, 3)
    sizes = ((1, 1, 200, 0.0, 1), (80, 2, 50, 0.3, 9), (2, 1, 300, 2.0, 5), (3, 140, 1, 0.5, 4), (5, 5, 5, 1.0, 40))
    few = means[:2, :1, :9], sigma[:1, :9], x[:1, :9], levels  # no rank is next to a border
    return [
        *(drawn(*each) for each in sizes),
        (means, 1e-3 * sigma, x, levels),
        (1e-5 * means, 1e-5 * sigma, 1e-5 * x, levels),
        (means, 1e3 * sigma, x, levels),
        (means, sigma, x + 50, levels),
        (means, sigma, x, levels.flip(0)),
        (means, sigma, x, levels[1:2]),
        tuple(part.float() for part in few),
    ]


wrong = Misconceptions(_SECTION)


def _coverage_by(rank: Ranks, width: Callable[[Tensor], Tensor] = lambda level: level) -> Callable[..., Tensor]:
    """The coverage, with other ranks or other levels."""

    def coverage(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
        return _share(rank(means, sigma, x), width(levels))

    return coverage


@wrong("C7", into=_coverage_by)
def _rank_of_the_mean_response(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """This ranks x among the means of the decoder. They are responses without noise, and a recording never is one: the
    intervals come out too narrow.
    """
    return (means < x).double().mean(0)


@wrong("C7", into=_coverage_by)
def _rank_of_a_mean_gaussian(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """The interval is that of the decoder's means. The noise σ of a recording is missing from it."""
    return _phi((x - means.mean(0)) / means.std(0, unbiased=False).clamp(min=1e-12))


@wrong("C7", into=_coverage_by)
def _rank_by_the_noise_alone(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """The noise is there, the spread between draws of the latents is not: the interval stands around one mean. Given c
    alone nobody knows z.
    """
    return _phi((x - means.mean(0)) / sigma)


@wrong("C7")
def _coverage_of_each_draw(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    """Each draw of the latents has an interval of its own here, and the share is a mean over them. There is one
    distribution p(x|c) at each sample, the mixture of all draws.
    """
    return _share(_phi((x - means) / sigma), levels)


@wrong("C7", into=_coverage_by)
def _rank_with_added_deviations(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """Two standard deviations are added. What adds up for independent parts are their variances, and even then the
    mixture need not be Gaussian.
    """
    return _phi((x - means.mean(0)) / (means.std(0, unbiased=False) + sigma))


@wrong("C7", into=_coverage_by)
def _rank_of_one_gaussian(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """Mean and variance are those of p(x|c), its shape is not: a mixture of a few Gaussians is no Gaussian. Its
    distribution function is as easy to write down.
    """
    return _phi((x - means.mean(0)) / (means.var(0, unbiased=False) + sigma**2).sqrt())


@wrong("C7", into=_coverage_by)
def _rank_of_one_gaussian_less_one(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """One Gaussian stands for the mixture, with the right mean and about the right variance. The mixture's own
    distribution function is as easy to write down.
    """
    spread = means.var(0) if len(means) > 1 else 0 * sigma
    return _phi((x - means.mean(0)) / (spread + sigma**2).sqrt())


@wrong("C7")
def _coverage_one_sided(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    """The interval reaches from minus infinity to a quantile. A central one leaves as much out below as above."""
    rank = _rank(means, sigma, x)
    return torch.stack([(rank <= level).double().mean() for level in levels])


def _with_levels(width: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """The coverage of intervals with another probability than the level asked for."""
    return _coverage_by(_rank, width)


@wrong("C7", into=_with_levels)
def _twice_the_level(level: Tensor) -> Tensor:
    """What lies within ± level of the middle is twice as wide as asked, and from one half on it is all there is."""
    return 2 * level


@wrong("C7", into=_with_levels)
def _level_of_one_side(level: Tensor) -> Tensor:
    """The z-value is that of another level: at 1.28 standard deviations 90 % lie below, but only 80 % lie between −1.28
    and 1.28. How much is left out at each end?
    """
    return 2 * level - 1


@wrong("C7", into=_with_levels)
def _what_is_left_out(level: Tensor) -> Tensor:
    """This is the interval that should hold what the asked one leaves out."""
    return 1 - level


@wrong("C7")
def _coverage_outside(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    """This is the share outside."""
    return 1 - _coverage(means, sigma, x, levels)


@wrong("C7", into=_coverage_by)
def _rank_of_the_mean_score(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """The distance is divided by σ². In µV over µV² something is left; and average probabilities, not scores."""
    return _phi(((x - means) / sigma**2).mean(0))


@wrong("C7", into=_coverage_by)
def _rank_by_the_variance(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """The distance is divided by σ², and in µV over µV² something is left. Under Φ belongs a number without a unit."""
    return _rank(means, sigma**2, x)


@wrong("C7", into=_coverage_by)
def _rank_as_of_a_variance(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """`sigma` is used as if it were a variance. It is given in µV: it is a standard deviation."""
    return _rank(means, sigma.sqrt(), x)


@wrong("C7")
def _coverage_between_means(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    """The ends of the interval are quantiles of the means of the decoder. They are responses without noise, and a
    recording never is one.
    """
    ends = [[means.quantile(float(1 + sign * level) / 2, dim=0) for sign in (-1, 1)] for level in levels]
    return torch.stack([((low <= x) & (x <= high)).double().mean() for low, high in ends])


@wrong("C7")
def _coverage_of_one_gaussian_one_sided(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    """One Gaussian stands for the mixture, and its z-value is that of another level: how much is left out at
    each end?
    """
    return _share(_rank_of_one_gaussian(means, sigma, x), 2 * levels - 1)


EXERCISE = Exercise(
    id="6.6",
    title="Eighty per cent of what?",
    kind="experiment",
    section=_SECTION,
    reference=_coverage,
    inputs=_draws_and_recordings,
    edge_cases=_edges,
    misconceptions=wrong,
)
