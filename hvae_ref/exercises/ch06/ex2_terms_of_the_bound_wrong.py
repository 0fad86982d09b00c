"""Wrong answers to exercise 6.2: the conditional bound, term by term.

The reference and the inputs are in `ex2_terms_of_the_bound.py`.
"""

from __future__ import annotations

from torch import Tensor

from hvae_ref.exercises.ch06.ex2_terms_of_the_bound import (
    _LOG_2_PI,
    _SECTION,
    Terms,
    _edges,
    _kl,
    _log_px,
    _signals_and_heads,
    _terms,
    _with,
    _with_kl,
    _with_log_px,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("O1", into=_with_kl)
def _kl_mean(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The divergences are means over the latent's dimensions. Beside a likelihood that is a sum this is an unstated
    weight of 1/d: nats add up.
    """
    return _kl(loc, log_sigma) / loc.shape[-1]


@wrong("O1", into=_with_log_px)
def _log_px_mean(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The log-likelihood is a mean over the samples of the signal. Beside a whole divergence each nat of error then
    counts T times too little.
    """
    return _log_px(x, loc, log_sigma) / x.shape[-1]


@wrong("O1")
def _all_means(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
    """Every term is a mean, each over another number of dimensions. They are to be sums, in nats a response."""
    return _with(_log_px_mean, _kl_mean)(x, loc, log_sigma, global_head, local_head)


@wrong("O3")
def _all_log_variances(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
    """The logarithms are read as those of variances. They are those of standard deviations, for the signal and for both
    heads.
    """
    return _with(_log_px_log_variance, _kl_log_variance)(x, loc, log_sigma, global_head, local_head)


@wrong("O3", into=_with_kl)
def _kl_log_variance(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The likelihood is right. In the divergences the heads' log σ is read as log σ²."""
    return _kl(loc, log_sigma / 2)


@wrong("O3", into=_with_log_px)
def _log_px_log_variance(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The divergences are right. In the likelihood log σ is read as log σ²."""
    return _log_px(x, loc, log_sigma / 2)


@wrong("O9", into=_with_log_px)
def _log_px_negative(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The first term is −log p(x|z, c), a loss. Asked for is the log-likelihood, from which the divergences are taken
    away.
    """
    return -_log_px(x, loc, log_sigma)


@wrong("O9", into=_with_kl)
def _kl_negative(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The divergences have a minus already. As they stand they are negative, and a divergence never is."""
    return -_kl(loc, log_sigma)


@wrong("O14", into=_with_log_px)
def _log_px_up_to_a_constant(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The constant of the normal density is left out. It moves no gradient, but without it e to the power of this does
    not integrate to one over x, and no two models can be compared by it.
    """
    return _log_px(x, loc, log_sigma) + _LOG_2_PI / 2 * x.shape[-1]


@wrong("O14", into=_with_log_px)
def _log_px_one_constant(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The constant of the normal density is counted once for the response. Every sample of the signal has a density of
    its own.
    """
    return _log_px_up_to_a_constant(x, loc, log_sigma) - _LOG_2_PI / 2


@wrong("O14", into=_with_log_px)
def _log_px_rewards_spread(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The logarithm of σ in the likelihood has the wrong sign: a decoder that raised σ without end would be the best
    one.
    """
    return _log_px(x, loc, log_sigma) + 2 * log_sigma.sum(-1)


@wrong("O3", into=_with_log_px)
def _log_px_one_sigma(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The squared error is divided by σ. In µV² over µV something is left."""
    return -((x - loc) ** 2 / log_sigma.exp() / 2 + log_sigma + _LOG_2_PI / 2).sum(-1)


@wrong("O1", into=_with_log_px)
def _log_px_sigma_one(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """A squared error is the log-likelihood of σ = 1 µV, ten times the size of a wave. σ is given, for each sample."""
    return _log_px(x, loc, 0 * log_sigma)


@wrong("O2", into=_with_kl)
def _kl_of_the_batch(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The divergences are summed over the batch as well. Each response has its own."""
    return _kl(loc, log_sigma).sum()


@wrong("O2", into=_with_kl)
def _kl_mean_of_the_batch(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The divergences are averaged over the batch. That belongs to the objective; here each response keeps its own."""
    return _kl(loc, log_sigma).mean()


@wrong("O2")
def _all_of_the_batch(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
    """All terms are summed over the batch as well. Asked for is one number a response, in each of them."""
    return tuple(term.sum() for term in _terms(x, loc, log_sigma, global_head, local_head))


@wrong("O2")
def _all_means_of_the_batch(
    x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor
) -> Terms:
    """All terms are averaged over the batch. That belongs to the objective; here each response keeps its own."""
    return tuple(term.mean() for term in _terms(x, loc, log_sigma, global_head, local_head))


@wrong("O14", into=_with_kl)
def _kl_reversed(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """These are the divergences of the prior from the posteriors. The expectation in the bound is under q."""
    return (((loc**2 + 1) / (2 * log_sigma).exp() - 1) / 2 + log_sigma).sum(-1)


@wrong("O3", into=_with_kl)
def _kl_half_a_logarithm(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """In the divergences the half stands before log σ too. Under it belongs the logarithm of a variance."""
    return ((loc**2 + (2 * log_sigma).exp() - 1 - log_sigma) / 2).sum(-1)


@wrong("O3", into=_with_kl)
def _kl_sigma_for_its_square(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """In the divergences σ stands where a second moment is asked for. What is the mean of z² under q?"""
    return ((loc**2 + log_sigma.exp() - 1) / 2 - log_sigma).sum(-1)


@wrong("O14", into=_with_kl)
def _kl_twice(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The likelihood is right; the divergences are twice what they should be."""
    return 2 * _kl(loc, log_sigma)


@wrong("O3", into=_with_kl)
def _kl_other_half_first(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The likelihood is right. In the divergences the halves of the heads are exchanged: first comes the mean, then log
    σ.
    """
    return _kl(log_sigma, loc)


@wrong("O1", into=_with_log_px)
def _log_px_squares_only(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """A squared error has µV² for its unit, and nats are asked for. σ says how much an error of one µV costs, at each
    sample.
    """
    return -((x - loc) ** 2).sum(-1)


@wrong("O14", into=_with_log_px)
def _log_px_whole_squares(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    """In the likelihood the half before the squared error is missing."""
    return -(((x - loc) / log_sigma.exp()) ** 2 + log_sigma + _LOG_2_PI / 2).sum(-1)


@wrong("O14", into=_with_kl)
def _kl_logarithm_added(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """In the divergences the logarithm has the wrong sign: a posterior of no width at all would be the cheapest."""
    return _kl(loc, log_sigma) + 2 * log_sigma.sum(-1)


@wrong("O14")
def _terms_in_the_other_order(
    x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor
) -> Terms:
    """All three are right, in another order: first the global level, then the local one."""
    return _terms(x, loc, log_sigma, local_head, global_head)


EXERCISE = Exercise(
    id="6.2",
    title="The conditional bound, term by term",
    kind="implement",
    section=_SECTION,
    reference=_terms,
    inputs=_signals_and_heads,
    edge_cases=_edges,
    check_gradient=True,
    misconceptions=wrong,
)
