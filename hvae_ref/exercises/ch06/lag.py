"""Exercise of chapter 6 on a lag that has a gradient: 6.5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.objectives.alignment import cross_correlation, soft_lag

_MINIMISED = "What is minimised, and when?"

Correlation = Callable[[Tensor, Tensor, int], Tensor]

_ROUNDING = 1e-9
_CONSTANTS = (0.1, 0.25, 0.7, 1.1)  # 0.25 is its own mean exactly, the others are up to rounding


def _pairs(rng: np.random.Generator) -> tuple[Tensor, Tensor, int, float]:
    flat = rng.random() < 0.5  # a recording of a loose electrode, or a decoder that has learned nothing yet
    # Rounding leaves something of a constant's distance from its mean; seven samples show it for each of them.
    short = flat and rng.random() < 0.6
    batch, samples = size(rng), 7 if short else int(rng.integers(24, 60))
    max_lag = int(rng.integers(3, 6 if short else 11))
    time = torch.arange(samples, dtype=torch.float64)
    place = uniform(rng, batch, 1, low=0.3 * samples, high=0.7 * samples, dtype=torch.float64)
    shift = uniform(rng, batch, 1, low=-0.7 * max_lag, high=0.7 * max_lag, dtype=torch.float64)
    width = uniform(rng, batch, 1, low=1.5, high=4, dtype=torch.float64)

    def response(at: Tensor) -> Tensor:
        size_, offset = (uniform(rng, batch, 1, low=low, dtype=torch.float64) for low in (0.2, 0.3))
        noise = normal(rng, batch, samples, scale=0.05, dtype=torch.float64)
        return size_ * torch.exp(-(((time - at) / width) ** 2) / 2) + offset + noise

    a, b = response(place), response(place + shift)
    if flat:
        (a, b)[int(rng.integers(2))][int(rng.integers(batch))] = _CONSTANTS[int(rng.integers(len(_CONSTANTS)))]
    return a, b, max_lag, float(rng.uniform(0.05, 0.4))


def _mean_lag(weight: Tensor, max_lag: int) -> Tensor:
    """From weights of the lags to the mean lag in ms."""
    lags = torch.arange(-max_lag, max_lag + 1, dtype=weight.dtype) * SAMPLE_INTERVAL_MS
    return (weight * lags).sum(-1)


def _lag(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return soft_lag(a, b, max_lag, temperature) * SAMPLE_INTERVAL_MS


def _lag_of(correlation: Correlation) -> Callable[..., Tensor]:
    """The lag, with another correlation."""

    def lag(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
        return _mean_lag(torch.softmax(correlation(a, b, max_lag) / temperature, -1), max_lag)

    return lag


def _products(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    """Σ_t a_t b_(t + l) for all lags, zero beyond the ends."""
    return (a.unsqueeze(1) * pad(b, (max_lag, max_lag)).unfold(-1, a.shape[1], 1)).sum(-1)


def _centred(signal: Tensor) -> Tensor:
    return signal - signal.mean(-1, keepdim=True)


def _unit(signal: Tensor) -> Tensor:
    length = signal.norm(dim=-1, keepdim=True)
    varies = length > _ROUNDING
    return torch.where(varies, signal, 0) / torch.where(varies, length, 1)


def _correlation_off_centre(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    return _products(_unit(a), _unit(b), max_lag)


def _correlation_of_any_size(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    return _products(_centred(a), _centred(b), max_lag)


def _correlation_as_they_come(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    return _products(a, b, max_lag)


def _correlation_circular(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    a, b = _unit(_centred(a)), _unit(_centred(b))
    return torch.stack([(a * b.roll(-lag, -1)).sum(-1) for lag in range(-max_lag, max_lag + 1)], -1)


def _correlation_of_the_overlap(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    length, found = a.shape[1], []
    for lag in range(-max_lag, max_lag + 1):
        here, there = a[:, max(0, -lag) : length - max(0, lag)], b[:, max(0, lag) : length - max(0, -lag)]
        found.append((_unit(_centred(here)) * _unit(_centred(there))).sum(-1))
    return torch.stack(found, -1)


def _correlation_with_other_deviations(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    return cross_correlation(a, b, max_lag) * (a.shape[1] - 1) / a.shape[1]


def _correlation_of_zero_by_zero(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    a, b = (_centred(signal) / signal.std(-1, keepdim=True, unbiased=False) for signal in (a, b))
    return _products(a, b, max_lag) / a.shape[1]


def _correlation_of_rounding(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    a, b = (signal / signal.norm(dim=-1, keepdim=True) for signal in (_centred(a), _centred(b)))
    return _products(a, b, max_lag)


def _correlation_over_at_least(floor: float) -> Correlation:
    """No divisor is smaller than the floor, and a constant is divided by it."""

    def correlation(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
        a, b = (x / x.norm(dim=-1, keepdim=True).clamp(min=floor) for x in (_centred(a), _centred(b)))
        return _products(a, b, max_lag)

    return correlation


def _correlation_without_sign(a: Tensor, b: Tensor, max_lag: int) -> Tensor:
    return cross_correlation(a, b, max_lag).abs()


def _lag_of_the_best(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return (cross_correlation(a, b, max_lag).argmax(-1) - max_lag) * SAMPLE_INTERVAL_MS


def _lag_flipped(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return -_lag(a, b, max_lag, temperature)


def _repaired_late(correlation: Correlation) -> Callable[..., Tensor]:
    """NaN is made zero where it comes out, and comes back in the gradient."""

    def lag(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
        found = _lag_of(correlation)(a, b, max_lag, temperature)
        return torch.where(found.isnan(), 0, found)

    return lag


def _lag_in_samples(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return soft_lag(a, b, max_lag, temperature)


def _lag_flipped_in_samples(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return -soft_lag(a, b, max_lag, temperature)


def _lag_from_the_first(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return _lag(a, b, max_lag, temperature) + max_lag * SAMPLE_INTERVAL_MS


def _lag_blunt(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return _lag(a, b, max_lag, 1.0)


def _lag_multiplied(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return _lag(a, b, max_lag, 1 / temperature)


def _lag_one_short(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    correlation = cross_correlation(a, b, max_lag)[:, :-1]
    lags = torch.arange(-max_lag, max_lag, dtype=a.dtype) * SAMPLE_INTERVAL_MS
    return (torch.softmax(correlation / temperature, -1) * lags).sum(-1)


def _lag_over_the_batch(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return _mean_lag(torch.softmax(cross_correlation(a, b, max_lag) / temperature, 0), max_lag)


_ZERO_BY_ZERO = (
    "Right, but for constant signals: they have no spread to divide by, or only what rounding leaves. All lags are "
    "equally good for them, and the answer is 0."
)
_MADE_ZERO_LATE = (
    "NaN is made zero at the end, and what `where` hides in the value comes back in the gradient. It must not arise: "
    "mend the signal before it is divided. And what rounding leaves of a constant is no signal either."
)
_BELOW_ROUNDING = (
    "Rounding leaves about 1e-17 of 0.1 less the mean of 0.1s, and a divisor smaller than that makes a signal of full "
    "size from it. What is that small beside the signal itself is zero."
)
_STEEP = (
    "The lags are right. But at a constant signal the gradient is one over the smallest divisor that you allow: one "
    "step with it, and a decoder that answered too little answers anything. Asked for is a gradient of 0."
)

ON_THE_LAG: tuple[Exercise, ...] = (
    Exercise(
        id="6.5",
        title="How late is it?",
        kind="implement",
        section=_MINIMISED,
        reference=_lag,
        inputs=_pairs,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "C6",
                _lag_of_the_best,
                "This is the place of the largest correlation. It jumps from sample to sample and has no gradient, so "
                "a decoder could not learn from it. Weigh all the lags.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_flipped,
                "The sign is that of a against b. Where b comes later the lag is to be positive.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_in_samples,
                "This is a number of samples. Asked for are milliseconds.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_flipped_in_samples,
                "Two things: this counts samples, not milliseconds, and it is negative where b is late.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_from_the_first,
                "This is the mean place in the list of lags, counted from its first entry. Which lag is the first one?",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_off_centre),
                "The signals are not centred. An offset of the baseline then overlaps with itself best at lag zero, "
                "and holds the answer there.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_of_any_size),
                "The signals are centred but not of unit length. How sharply the softmax chooses then depends on the "
                "amplitude in µV, and small responses hardly choose at all.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_as_they_come),
                "The signals are correlated as they come, so their offset and their size decide as much as their "
                "shape.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_circular),
                "What leaves at one end comes in at the other: this correlation is circular, as `roll` and the FFT "
                "make it. What lies beyond the window counts as zero.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_of_the_overlap),
                "Mean and length are taken anew in each overlap. That answers well for any part of a signal, however "
                "little of it there is; here they are those of the whole signal.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_with_other_deviations),
                "`std` divides by T − 1 unless told otherwise, and the sum here by T. A signal's correlation with "
                "itself is then not quite 1.",
                _MINIMISED,
            ),
            *(
                Misconception("C6", _lag_of(correlation), _ZERO_BY_ZERO, _MINIMISED)
                for correlation in (_correlation_of_zero_by_zero, _correlation_of_rounding)
            ),
            *(
                Misconception("C6", _repaired_late(correlation), _MADE_ZERO_LATE, _MINIMISED)
                for correlation in (_correlation_of_zero_by_zero, _correlation_of_rounding)
            ),
            *(
                Misconception("C6", _lag_of(_correlation_over_at_least(floor)), _BELOW_ROUNDING, _MINIMISED)
                for floor in (1e-20, 1e-30)
            ),
            *(
                Misconception("C6", _lag_of(_correlation_over_at_least(floor)), _STEEP, _MINIMISED)
                for floor in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
            ),
            Misconception(
                "C6",
                _lag_of(_correlation_without_sign),
                "Absolute correlations take a peak that meets a trough for a match.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_blunt,
                "The temperature is not used. Correlations lie between −1 and 1, and e to their power hardly prefers "
                "any lag.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_multiplied,
                "The correlation is multiplied by the temperature. It is the correlation that may be missing before a "
                "lag counts e times less: the smaller it is, the sharper the choice.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_one_short,
                "The last lag is missing: there are as many late ones as early ones, and zero.",
                _MINIMISED,
            ),
            Misconception(
                "C6",
                _lag_over_the_batch,
                "The softmax runs over the batch. For each pair the weights of its lags add up to one.",
                _MINIMISED,
            ),
        ),
    ),
)
