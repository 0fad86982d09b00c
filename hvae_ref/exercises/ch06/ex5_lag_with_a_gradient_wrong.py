"""Wrong answers to exercise 6.5: how late is it?

The reference and the inputs are in `ex5_lag_with_a_gradient.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.exercises.ch06.ex5_lag_with_a_gradient import (
    _SECTION,
    Correlation,
    _edges,
    _lag,
    _lag_of,
    _mean_lag,
    _pairs,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions
from hvae_ref.objectives.alignment import cross_correlation, soft_lag

_ROUNDING = 1e-9

wrong = Misconceptions(_SECTION)


@wrong("C6")
def _lag_of_the_best(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """This is the place of the largest correlation. It jumps from sample to sample and has no gradient, so a decoder
    could not learn from it. Weigh all the lags.
    """
    return (cross_correlation(a, b, max_lag).argmax(-1) - max_lag) * SAMPLE_INTERVAL_MS


@wrong("C6")
def _lag_flipped(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """The sign is that of a against b. Where b comes later the lag is to be positive."""
    return -_lag(a, b, max_lag, temperature)


@wrong("C6")
def _lag_in_samples(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """This is a number of samples. Asked for are milliseconds."""
    return soft_lag(a, b, max_lag, temperature)


@wrong("C6")
def _lag_flipped_in_samples(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """Two things: this counts samples, not milliseconds, and it is negative where b is late."""
    return -soft_lag(a, b, max_lag, temperature)


@wrong("C6")
def _lag_from_the_first(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """This is the mean place in the list of lags, counted from its first entry. Which lag is the first one?"""
    return _lag(a, b, max_lag, temperature) + max_lag * SAMPLE_INTERVAL_MS


def _products(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """Σ_t a_t b_(t + l) for all lags, zero beyond the ends."""
    return (a.unsqueeze(1) * pad(b, (max_lag, max_lag)).unfold(-1, a.shape[1], 1)).sum(-1)


def _unit(signal: Tensor) -> Tensor:
    length = signal.norm(dim=-1, keepdim=True)
    varies = length > _ROUNDING
    return torch.where(varies, signal, 0) / torch.where(varies, length, 1)


@wrong("C6", into=_lag_of)
def _correlation_off_centre(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """The signals are not centred. An offset of the baseline then overlaps with itself best at lag zero, and holds the
    answer there.
    """
    return _products(_unit(a), _unit(b), max_lag)


def _centred(signal: Tensor) -> Tensor:
    return signal - signal.mean(-1, keepdim=True)


@wrong("C6", into=_lag_of)
def _correlation_of_any_size(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """The signals are centred but not of unit length. How sharply the softmax chooses then depends on the amplitude in
    µV, and small responses hardly choose at all.
    """
    return _products(_centred(a), _centred(b), max_lag)


@wrong("C6", into=_lag_of)
def _correlation_as_they_come(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """The signals are correlated as they come, so their offset and their size decide as much as their shape."""
    return _products(a, b, max_lag)


@wrong("C6", into=_lag_of)
def _correlation_circular(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """What leaves at one end comes in at the other: this correlation is circular, as `roll` and the FFT make it. What
    lies beyond the window counts as zero.
    """
    a, b = _unit(_centred(a)), _unit(_centred(b))
    return torch.stack([(a * b.roll(-lag, -1)).sum(-1) for lag in range(-max_lag, max_lag + 1)], -1)


@wrong("C6", into=_lag_of)
def _correlation_of_the_overlap(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """Mean and length are taken anew in each overlap. That answers well for any part of a signal, however little of it
    there is; here they are those of the whole signal.
    """
    length, found = a.shape[1], []
    for lag in range(-max_lag, max_lag + 1):
        here, there = a[:, max(0, -lag) : length - max(0, lag)], b[:, max(0, lag) : length - max(0, -lag)]
        found.append((_unit(_centred(here)) * _unit(_centred(there))).sum(-1))
    return torch.stack(found, -1)


@wrong("C6", into=_lag_of)
def _correlation_with_other_deviations(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """`std` divides by T − 1 unless told otherwise, and the sum here by T. A signal's correlation with itself is then
    not quite 1.
    """
    return cross_correlation(a, b, max_lag) * (a.shape[1] - 1) / a.shape[1]


def _correlation_of_zero_by_zero(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    a, b = (_centred(signal) / signal.std(-1, keepdim=True, unbiased=False) for signal in (a, b))
    return _products(a, b, max_lag) / a.shape[1]


def _correlation_of_rounding(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    a, b = (signal / signal.norm(dim=-1, keepdim=True) for signal in (_centred(a), _centred(b)))
    return _products(a, b, max_lag)


@wrong("C6", variants=(_correlation_of_zero_by_zero, _correlation_of_rounding))
def _lag_of_nothing(a: Tensor, b: Tensor, max_lag: int, temperature: float, correlation: Correlation) -> Tensor:
    """Right, but for constant signals: they have no spread to divide by, or only what rounding leaves. All lags are
    equally good for them, and the answer is 0.
    """
    return _lag_of(correlation)(a, b, max_lag, temperature)


@wrong("C6", variants=(_correlation_of_zero_by_zero, _correlation_of_rounding))
def _lag_repaired_late(a: Tensor, b: Tensor, max_lag: int, temperature: float, correlation: Correlation) -> Tensor:
    """NaN is made zero at the end, and what `where` hides in the value comes back in the gradient. It must not arise:
    mend the signal before it is divided. And what rounding leaves of a constant is no signal either.
    """
    found = _lag_of(correlation)(a, b, max_lag, temperature)
    return torch.where(found.isnan(), 0, found)


def _correlation_over_at_least(floor: float, a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """No divisor is smaller than the floor, and a constant is divided by it."""
    a, b = (x / x.norm(dim=-1, keepdim=True).clamp(min=floor) for x in (_centred(a), _centred(b)))
    return _products(a, b, max_lag)


@wrong("C6", into=_lag_of, variants=(1e-20, 1e-30))
def _correlation_over_a_tiny_divisor(a: Tensor, b: Tensor, max_lag: int, floor: float) -> Tensor:
    """Rounding leaves about 1e-17 of 0.1 less the mean of 0.1s, and a divisor smaller than that makes a signal of full
    size from it. What is that small beside the signal itself is zero.
    """
    return _correlation_over_at_least(floor, a, b, max_lag)


@wrong("C6", into=_lag_of, variants=(1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5))
def _correlation_over_a_small_divisor(a: Tensor, b: Tensor, max_lag: int, floor: float) -> Tensor:
    """The lags are right. But at a constant signal the gradient is one over the smallest divisor that you allow: one
    step with it, and a decoder that answered too little answers anything. Asked for is a gradient of 0.
    """
    return _correlation_over_at_least(floor, a, b, max_lag)


@wrong("C6", into=_lag_of)
def _correlation_without_sign(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """Absolute correlations take a peak that meets a trough for a match."""
    return cross_correlation(a, b, max_lag).abs()


@wrong("C6")
def _lag_blunt(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """The temperature is not used. Correlations lie between −1 and 1, and e to their power hardly prefers any lag."""
    return _lag(a, b, max_lag, 1.0)


@wrong("C6")
def _lag_multiplied(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """The correlation is multiplied by the temperature. It is the correlation that may be missing before a lag counts e
    times less: the smaller it is, the sharper the choice.
    """
    return _lag(a, b, max_lag, 1 / temperature)


@wrong("C6")
def _lag_one_short(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """The last lag is missing: there are as many late ones as early ones, and zero."""
    correlation = cross_correlation(a, b, max_lag)[:, :-1]
    lags = torch.arange(-max_lag, max_lag, dtype=a.dtype) * SAMPLE_INTERVAL_MS
    return (torch.softmax(correlation / temperature, -1) * lags).sum(-1)


@wrong("C6")
def _lag_over_the_batch(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    """The softmax runs over the batch. For each pair the weights of its lags add up to one."""
    return _mean_lag(torch.softmax(cross_correlation(a, b, max_lag) / temperature, 0), max_lag)


EXERCISE = Exercise(
    id="6.5",
    title="How late is it?",
    kind="implement",
    section=_SECTION,
    reference=_lag,
    inputs=_pairs,
    edge_cases=_edges,
    check_gradient=True,
    misconceptions=wrong,
)
