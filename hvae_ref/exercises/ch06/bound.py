"""Exercise of chapter 6 on the terms of the conditional bound: 6.2."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_LEFT = "What is left for a latent, once the condition is given?"

_LOG_2_PI = math.log(2 * math.pi)

Terms = tuple[Tensor, Tensor, Tensor]
Likelihood = Callable[[Tensor, Tensor, Tensor], Tensor]
Divergence = Callable[[Tensor, Tensor], Tensor]


def _signals_and_heads(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, samples = size(rng), size(rng, low=2, high=12)
    loc = normal(rng, batch, samples, scale=0.3, dtype=torch.float64)
    log_sigma = normal(rng, batch, samples, scale=0.4, dtype=torch.float64) - 1.2
    x = loc + log_sigma.exp() * normal(rng, batch, samples, dtype=torch.float64)
    heads = (normal(rng, batch, 2 * size(rng, low=2), scale=0.8, dtype=torch.float64) for _ in range(2))
    return x, loc, log_sigma, *heads


def _log_px(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -(((x - loc) / log_sigma.exp()) ** 2 / 2 + log_sigma + _LOG_2_PI / 2).sum(-1)


def _kl(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return ((loc**2 + (2 * log_sigma).exp() - 1) / 2 - log_sigma).sum(-1)


def _terms(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
    return _log_px(x, loc, log_sigma), _kl(*global_head.chunk(2, -1)), _kl(*local_head.chunk(2, -1))


def _with(likelihood: Likelihood = _log_px, kl: Divergence = _kl) -> Callable[..., Terms]:
    """The terms, with one of the formulas replaced."""

    def terms(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
        return likelihood(x, loc, log_sigma), kl(*global_head.chunk(2, -1)), kl(*local_head.chunk(2, -1))

    return terms


def _log_px_mean(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, log_sigma) / x.shape[-1]


def _log_px_log_variance(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, log_sigma / 2)


def _log_px_negative(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -_log_px(x, loc, log_sigma)


def _log_px_up_to_a_constant(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, log_sigma) + _LOG_2_PI / 2 * x.shape[-1]


def _log_px_one_constant(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px_up_to_a_constant(x, loc, log_sigma) - _LOG_2_PI / 2


def _log_px_rewards_spread(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, log_sigma) + 2 * log_sigma.sum(-1)


def _log_px_one_sigma(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -((x - loc) ** 2 / log_sigma.exp() / 2 + log_sigma + _LOG_2_PI / 2).sum(-1)


def _log_px_sigma_one(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, 0 * log_sigma)


def _log_px_of_the_batch(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, log_sigma).sum()


def _log_px_mean_of_the_batch(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _log_px(x, loc, log_sigma).mean()


def _kl_mean(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(loc, log_sigma) / loc.shape[-1]


def _kl_log_variance(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(loc, log_sigma / 2)


def _kl_of_the_batch(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(loc, log_sigma).sum()


def _kl_mean_of_the_batch(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(loc, log_sigma).mean()


def _kl_reversed(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (((loc**2 + 1) / (2 * log_sigma).exp() - 1) / 2 + log_sigma).sum(-1)


def _kl_half_a_logarithm(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return ((loc**2 + (2 * log_sigma).exp() - 1 - log_sigma) / 2).sum(-1)


def _kl_sigma_for_its_square(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return ((loc**2 + log_sigma.exp() - 1) / 2 - log_sigma).sum(-1)


def _kl_twice(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return 2 * _kl(loc, log_sigma)


def _kl_negative(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -_kl(loc, log_sigma)


def _kl_other_half_first(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(log_sigma, loc)


def _log_px_squares_only(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -((x - loc) ** 2).sum(-1)


def _log_px_whole_squares(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -(((x - loc) / log_sigma.exp()) ** 2 + log_sigma + _LOG_2_PI / 2).sum(-1)


def _kl_logarithm_added(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(loc, log_sigma) + 2 * log_sigma.sum(-1)


def _terms_in_the_other_order(
    x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor
) -> Terms:
    return _terms(x, loc, log_sigma, local_head, global_head)


ON_THE_BOUND: tuple[Exercise, ...] = (
    Exercise(
        id="6.2",
        title="The conditional bound, term by term",
        kind="implement",
        section=_LEFT,
        reference=_terms,
        inputs=_signals_and_heads,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O1",
                _with(kl=_kl_mean),
                "The divergences are means over the latent's dimensions. Beside a likelihood that is a sum this is an "
                "unstated weight of 1/d: nats add up.",
                _LEFT,
            ),
            Misconception(
                "O1",
                _with(_log_px_mean),
                "The log-likelihood is a mean over the samples of the signal. Beside a whole divergence each nat of "
                "error then counts T times too little.",
                _LEFT,
            ),
            Misconception(
                "O1",
                _with(_log_px_mean, _kl_mean),
                "Every term is a mean, each over another number of dimensions. They are to be sums, in nats a "
                "response.",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(_log_px_log_variance, _kl_log_variance),
                "The logarithms are read as those of variances. They are those of standard deviations, for the signal "
                "and for both heads.",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(kl=_kl_log_variance),
                "The likelihood is right. In the divergences the heads' log σ is read as log σ².",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(_log_px_log_variance),
                "The divergences are right. In the likelihood log σ is read as log σ².",
                _LEFT,
            ),
            Misconception(
                "O9",
                _with(_log_px_negative),
                "The first term is −log p(x|z, c), a loss. Asked for is the log-likelihood, from which the divergences "
                "are taken away.",
                _LEFT,
            ),
            Misconception(
                "O9",
                _with(kl=_kl_negative),
                "The divergences have a minus already. As they stand they are negative, and a divergence never is.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(_log_px_up_to_a_constant),
                "The constant of the normal density is left out. It moves no gradient, but without it e to the power "
                "of this does not integrate to one over x, and no two models can be compared by it.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(_log_px_one_constant),
                "The constant of the normal density is counted once for the response. Every sample of the signal has a "
                "density of its own.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(_log_px_rewards_spread),
                "The logarithm of σ in the likelihood has the wrong sign: a decoder that raised σ without end would be "
                "the best one.",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(_log_px_one_sigma),
                "The squared error is divided by σ. In µV² over µV something is left.",
                _LEFT,
            ),
            Misconception(
                "O1",
                _with(_log_px_sigma_one),
                "A squared error is the log-likelihood of σ = 1 µV, ten times the size of a wave. σ is given, for each "
                "sample.",
                _LEFT,
            ),
            Misconception(
                "O2",
                _with(kl=_kl_of_the_batch),
                "The divergences are summed over the batch as well. Each response has its own.",
                _LEFT,
            ),
            Misconception(
                "O2",
                _with(kl=_kl_mean_of_the_batch),
                "The divergences are averaged over the batch. That belongs to the objective; here each response keeps "
                "its own.",
                _LEFT,
            ),
            Misconception(
                "O2",
                _with(_log_px_of_the_batch, _kl_of_the_batch),
                "All terms are summed over the batch as well. Asked for is one number a response, in each of them.",
                _LEFT,
            ),
            Misconception(
                "O2",
                _with(_log_px_mean_of_the_batch, _kl_mean_of_the_batch),
                "All terms are averaged over the batch. That belongs to the objective; here each response keeps its "
                "own.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(kl=_kl_reversed),
                "These are the divergences of the prior from the posteriors. The expectation in the bound is under q.",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(kl=_kl_half_a_logarithm),
                "In the divergences the half stands before log σ too. Under it belongs the logarithm of a variance.",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(kl=_kl_sigma_for_its_square),
                "In the divergences σ stands where a second moment is asked for. What is the mean of z² under q?",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(kl=_kl_twice),
                "The likelihood is right; the divergences are twice what they should be.",
                _LEFT,
            ),
            Misconception(
                "O3",
                _with(kl=_kl_other_half_first),
                "The likelihood is right. In the divergences the halves of the heads are exchanged: first comes the "
                "mean, then log σ.",
                _LEFT,
            ),
            Misconception(
                "O1",
                _with(_log_px_squares_only),
                "A squared error has µV² for its unit, and nats are asked for. σ says how much an error of one µV "
                "costs, at each sample.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(_log_px_whole_squares),
                "In the likelihood the half before the squared error is missing.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _with(kl=_kl_logarithm_added),
                "In the divergences the logarithm has the wrong sign: a posterior of no width at all would be the "
                "cheapest.",
                _LEFT,
            ),
            Misconception(
                "O14",
                _terms_in_the_other_order,
                "All three are right, in another order: first the global level, then the local one.",
                _LEFT,
            ),
        ),
    ),
)
