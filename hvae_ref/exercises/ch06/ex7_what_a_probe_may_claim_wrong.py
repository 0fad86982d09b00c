"""Wrong answers to exercise 6.7: what a probe may claim.

The reference and the inputs are in `ex7_what_a_probe_may_claim.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hvae_ref.exercises.ch06.ex7_what_a_probe_may_claim import (
    _SECTION,
    _codes_and_factors,
    _edges,
    _mean,
    _out_of_fold,
    _predicted,
    _r2,
    _r2_with,
    _ridge,
    _score,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("C8")
def _r2_of_all_rows(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """The probe is scored on the rows that it was fitted to. With as many dimensions as rows it would read anything
    from anything, perfectly.
    """
    return _score(factors, _predicted(code, factors.T, code, penalty).T, _mean(factors))


def _over_folds(factors: Tensor, fold: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack([score(fold == k) for k in fold.unique()]).mean(0)


@wrong("C8")
def _r2_of_training_folds(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """The folds are there, but the score is that of the training rows. Score the rows that were held out."""

    def score(test: Tensor) -> Tensor:
        seen = factors[:, ~test]
        return _score(seen, _predicted(code[~test], seen.T, code[~test], penalty).T, _mean(seen))

    return _over_folds(factors, fold, score)


@wrong("C8")
def _r2_on_one_fold_for_the_others(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """Training and test are exchanged: each probe is fitted to one fold and scored on all the others."""
    squares = torch.zeros_like(factors)
    for k in fold.unique():
        train = fold == k
        guess = _predicted(code[train], factors[:, train].T, code[~train], penalty).T
        squares[:, ~train] += (factors[:, ~train] - guess) ** 2
    return 1 - squares.sum(-1) / ((factors - _mean(factors)) ** 2).sum(-1) / (len(fold.unique()) - 1)


@wrong("C8")
def _r2_centred_before(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """Code and factors are centred over all rows before they are divided into folds, so the held-out rows have had
    their say in the mean. It is a small leak, and there is no need for it.
    """
    code, centred = code - code.mean(0), factors - _mean(factors)
    return _score(centred, _out_of_fold(code, centred, fold, penalty, _predicted_through_the_origin), 0.0)


@wrong("C8")
def _r2_as_squared_correlation(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """A squared correlation forgives every wrong scale, offset and even sign of the predictions, and never goes below
    zero. A probe that knows nothing should not look as if it knew something.
    """
    guess = _out_of_fold(code, factors, fold, penalty)
    a, b = factors - _mean(factors), guess - _mean(guess)
    return (a * b).sum(-1) ** 2 / ((a**2).sum(-1) * (b**2).sum(-1))


@wrong("C8")
def _r2_as_correlation(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """This is the correlation of predictions and factors. It forgives a wrong scale and offset, and is no share of a
    variance.
    """
    guess = _out_of_fold(code, factors, fold, penalty)
    a, b = factors - _mean(factors), guess - _mean(guess)
    return (a * b).sum(-1) / ((a**2).sum(-1) * (b**2).sum(-1)).sqrt()


@wrong("C8")
def _r2_around_zero(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """The total is taken around zero. Ages around 50 then seem nearly explained by a probe that always answers 50."""
    return _score(factors, _out_of_fold(code, factors, fold, penalty), 0.0)


@wrong("C8")
def _r2_around_the_training_mean(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """The total is taken around the training rows' mean. That is another number, if a defensible one; equation 6.12 has
    the mean of all rows.
    """
    around = torch.empty_like(factors)
    for k in fold.unique():
        around[:, fold == k] = _mean(factors[:, fold != k])
    return _score(factors, _out_of_fold(code, factors, fold, penalty), around)


@wrong("C8")
def _r2_around_the_test_mean(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """Each fold's total is taken around its own mean, which is smaller than the one around the mean of all rows.
    Equation 6.12 has one mean a factor.
    """
    around = torch.empty_like(factors)
    for k in fold.unique():
        around[:, fold == k] = _mean(factors[:, fold == k])
    return _score(factors, _out_of_fold(code, factors, fold, penalty), around)


@wrong("C8")
def _r2_fold_by_fold(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """This is a score a fold, averaged. In a small fold that happens to vary little the denominator is tiny. Put the
    predictions of all folds together first.
    """
    guess = _out_of_fold(code, factors, fold, penalty)
    return _over_folds(factors, fold, lambda k: _score(factors[:, k], guess[:, k], _mean(factors[:, k])))


@wrong("C8", into=_r2_with)
def _predicted_through_the_origin(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    """The probe has no intercept. Neither codes nor factors are around zero by nature."""
    return other @ _ridge(code, target, penalty)


@wrong("C8", into=_r2_with)
def _predicted_with_all_penalised(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    """The penalty also holds the intercept back, so the predictions lean towards zero. Centre by the training rows'
    means, and the intercept is free.
    """
    code, other = (torch.cat([part, torch.ones_like(part[:, :1])], 1) for part in (code, other))
    return other @ _ridge(code, target, penalty)


@wrong("C8", into=_r2_with)
def _predicted_with_a_relative_penalty(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    """The penalty is multiplied by the number of rows. Here it is added to the sum of squares as it is."""
    return _predicted(code, target, other, penalty * len(code))


@wrong("C8", into=_r2_with)
def _predicted_without_penalty(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    """This is least squares: the penalty is not used."""
    return _predicted(code, target, other, 0.0)


@wrong("C8")
def _r2_never_negative(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """Negative scores are cut off. They are worth seeing: such a probe does worse than the mean, and says so."""
    return _r2(code, factors, fold, penalty).clamp(min=0)


@wrong("C8")
def _r2_left_over(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """This is the share that is left unexplained."""
    return 1 - _r2(code, factors, fold, penalty)


@wrong("C8")
def _r2_of_their_mean(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """All factors are averaged into one number. That a code holds one of them and not the other is the whole
    question.
    """
    return _r2(code, factors, fold, penalty).mean()


@wrong("C8", into=_r2_with)
def _predicted_with_a_centre_of_its_own(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    """The held-out codes are centred by their own mean. The probe learned what a distance from the *training* rows'
    mean stands for; with a held-out row alone, this would answer the same for any code.
    """
    return _predicted(code, target, other - other.mean(0) + code.mean(0), penalty)


@wrong("C8")
def _r2_over_a_sample_variance(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """A mean squared error, over N, is divided by a variance over N − 1: `var` divides so unless told otherwise. Two
    sums need no divisor at all.
    """
    guess = _out_of_fold(code, factors, fold, penalty)
    return 1 - ((factors - guess) ** 2).mean(-1) / factors.var(-1)


@wrong("C8")
def _r2_of_residual_variance(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    """The variance of the residuals forgives predictions that are all too high by the same amount. Take the squares of
    the errors as they are.
    """
    return 1 - (factors - _out_of_fold(code, factors, fold, penalty)).var(-1) / factors.var(-1)


@wrong("C8", into=_r2_with)
def _predicted_around_zero(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    """The mean of the training rows has been taken from the factor, and is not given back to the predictions."""
    return _predicted(code, target, other, penalty) - target.mean(0)


EXERCISE = Exercise(
    id="6.7",
    title="What a probe may claim",
    kind="implement",
    section=_SECTION,
    reference=_r2,
    inputs=_codes_and_factors,
    edge_cases=_edges,
    misconceptions=wrong,
)
