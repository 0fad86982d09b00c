"""Exercise of chapter 6 on the coverage of a model's intervals: 6.6."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_ANSWERS = "Does it answer as an ear would?"

Ranks = Callable[[Tensor, Tensor, Tensor], Tensor]


def _draws_and_recordings(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draws, batch, samples = size(rng, high=9), size(rng), int(rng.integers(20, 60))
    means = normal(rng, draws, batch, samples, scale=float(rng.uniform(0.1, 0.3)), dtype=torch.float64)
    sigma = uniform(rng, batch, samples, low=0.05, high=0.25, dtype=torch.float64)
    x = normal(rng, batch, samples, scale=float(rng.uniform(0.1, 0.4)), dtype=torch.float64)
    return means, sigma, x, uniform(rng, size(rng, high=4), low=0.2, high=0.95, dtype=torch.float64)


def _phi(score: Tensor) -> Tensor:
    return torch.special.ndtr(score)


def _rank(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    """P(a draw of the model is below x): an equal mixture of one Gaussian a draw of the latents."""
    return _phi((x - means) / sigma).mean(0)


def _share(rank: Tensor, levels: Tensor) -> Tensor:
    return torch.stack([((rank - 0.5).abs() <= level / 2).double().mean() for level in levels])


def _coverage(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    return _share(_rank(means, sigma, x), levels)


def _coverage_by(rank: Ranks, width: Callable[[Tensor], Tensor] = lambda level: level) -> Callable[..., Tensor]:
    """The coverage, with other ranks or other levels."""

    def coverage(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
        return _share(rank(means, sigma, x), width(levels))

    return coverage


def _rank_of_the_mean_response(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return (means < x).double().mean(0)


def _rank_by_the_noise_alone(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _phi((x - means.mean(0)) / sigma)


def _rank_of_one_gaussian(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _phi((x - means.mean(0)) / (means.var(0, unbiased=False) + sigma**2).sqrt())


def _rank_of_one_gaussian_less_one(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    spread = means.var(0) if len(means) > 1 else 0 * sigma
    return _phi((x - means.mean(0)) / (spread + sigma**2).sqrt())


def _rank_with_added_deviations(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _phi((x - means.mean(0)) / (means.std(0, unbiased=False) + sigma))


def _rank_of_a_mean_gaussian(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _phi((x - means.mean(0)) / means.std(0, unbiased=False).clamp(min=1e-12))


def _rank_by_the_variance(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _rank(means, sigma**2, x)


def _rank_as_of_a_variance(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _rank(means, sigma.sqrt(), x)


def _rank_of_the_mean_score(means: Tensor, sigma: Tensor, x: Tensor) -> Tensor:
    return _phi(((x - means) / sigma**2).mean(0))


def _coverage_one_sided(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    rank = _rank(means, sigma, x)
    return torch.stack([(rank <= level).double().mean() for level in levels])


def _coverage_outside(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    return 1 - _coverage(means, sigma, x, levels)


def _coverage_of_each_draw(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    return _share(_phi((x - means) / sigma), levels)


def _coverage_between_means(means: Tensor, sigma: Tensor, x: Tensor, levels: Tensor) -> Tensor:
    ends = [[means.quantile(float(1 + sign * level) / 2, dim=0) for sign in (-1, 1)] for level in levels]
    return torch.stack([((low <= x) & (x <= high)).double().mean() for low, high in ends])


ON_COVERAGE: tuple[Exercise, ...] = (
    Exercise(
        id="6.6",
        title="Eighty per cent of what?",
        kind="experiment",
        section=_ANSWERS,
        reference=_coverage,
        inputs=_draws_and_recordings,
        misconceptions=(
            Misconception(
                "C7",
                _coverage_by(_rank_of_the_mean_response),
                "This ranks x among the means of the decoder. They are responses without noise, and a recording never "
                "is one: the intervals come out too narrow.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_of_a_mean_gaussian),
                "The interval is that of the decoder's means. The noise σ of a recording is missing from it.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_by_the_noise_alone),
                "The noise is there, the spread between draws of the latents is not: the interval stands around one "
                "mean. Given c alone nobody knows z.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_of_each_draw,
                "Each draw of the latents has an interval of its own here, and the share is a mean over them. There is "
                "one distribution p(x|c) at each sample, the mixture of all draws.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_with_added_deviations),
                "Two standard deviations are added. What adds up for independent parts are their variances, and even "
                "then the mixture need not be Gaussian.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_of_one_gaussian),
                "Mean and variance are those of p(x|c), its shape is not: a mixture of a few Gaussians is no Gaussian. "
                "Its distribution function is as easy to write down.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_of_one_gaussian_less_one),
                "One Gaussian stands for the mixture, with the right mean and about the right variance. The mixture's "
                "own distribution function is as easy to write down.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_one_sided,
                "The interval reaches from minus infinity to a quantile. A central one leaves as much out below as "
                "above.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank, lambda level: 2 * level),
                "What lies within ± level of the middle is twice as wide as asked, and from one half on it is all "
                "there is.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank, lambda level: 2 * level - 1),
                "The z-value is that of another level: at 1.28 standard deviations 90 % lie below, but only 80 % lie "
                "between −1.28 and 1.28. How much is left out at each end?",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank, lambda level: 1 - level),
                "This is the interval that should hold what the asked one leaves out.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_outside,
                "This is the share outside.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_of_the_mean_score),
                "The distance is divided by σ². In µV over µV² something is left; and average probabilities, not "
                "scores.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_by_the_variance),
                "The distance is divided by σ², and in µV over µV² something is left. Under Φ belongs a number without "
                "a unit.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_as_of_a_variance),
                "`sigma` is used as if it were a variance. It is given in µV: it is a standard deviation.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_between_means,
                "The ends of the interval are quantiles of the means of the decoder. They are responses without "
                "noise, and a recording never is one.",
                _ANSWERS,
            ),
            Misconception(
                "C7",
                _coverage_by(_rank_of_one_gaussian, lambda level: 2 * level - 1),
                "One Gaussian stands for the mixture, and its z-value is that of another level: how much is left out "
                "at each end?",
                _ANSWERS,
            ),
        ),
    ),
)
