"""Exercise 6.4: only the peaks that are there.

Asked for is the mean cost (B,) of the present peaks, from latencies and amplitudes (B, W) and a table (B, W, 2) that
may hold any number, or NaN, where a peak is absent. The gradients are compared too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What is minimised, and when?"
_LATENCY_UNIT, _AMPLITUDE_UNIT = 0.2, 0.1
Fill = Callable[[Tensor, Tensor], Tensor]
_ABSENT = (0.0, math.nan, 9.99)  # values in a table where there is no peak


def _squares(
    latency: Tensor, amplitude: Tensor, peaks: Tensor, units: tuple[float, float] = (_LATENCY_UNIT, _AMPLITUDE_UNIT)
) -> Tensor:
    return (((latency - peaks[..., 0]) / units[0]) ** 2 + ((amplitude - peaks[..., 1]) / units[1]) ** 2) / 2


def _filled(peaks: Tensor, present: Tensor) -> Tensor:
    """Zeros where there is no peak, so that no NaN reaches the gradient."""
    return torch.where(present[..., None], peaks, 0)


def _over_present(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """What each present peak costs, and zero for the others."""
    return torch.where(present, _squares(latency, amplitude, _filled(peaks, present)), 0)


def _peak_part(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    return _over_present(latency, amplitude, peaks, present).sum(-1) / present.sum(-1).clamp(min=1)


def _waves(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, waves = size(rng), size(rng, low=2)
    present = torch.as_tensor(rng.random((batch, waves)) < rng.uniform(0.3, 0.8))
    present[int(rng.integers(batch))] = bool(rng.random() < 0.3)
    true = torch.stack(
        [
            uniform(rng, batch, waves, low=1.5, high=8, dtype=torch.float64),
            uniform(rng, batch, waves, low=0.05, high=0.6, dtype=torch.float64),
        ],
        -1,
    )
    latency = true[..., 0] + normal(rng, batch, waves, scale=_LATENCY_UNIT, dtype=torch.float64)
    amplitude = true[..., 1] + normal(rng, batch, waves, scale=_AMPLITUDE_UNIT, dtype=torch.float64)
    peaks = torch.where(present[..., None], true, _ABSENT[int(rng.integers(len(_ABSENT)))])
    return latency, amplitude, peaks, present


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Fillers of every kind, ordinary numbers and infinity among them; all present, none; one wave, nine; float32."""
    rng = np.random.default_rng(64)

    def waves(batch: int, count: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        latency, amplitude = (normal(rng, batch, count, scale=0.3, dtype=dtype) + place for place in (5.0, 0.4))
        peaks = torch.stack([latency, amplitude], -1) + normal(rng, batch, count, 2, scale=0.2, dtype=dtype)
        return latency, amplitude, peaks, torch.as_tensor(rng.random((batch, count)) < 0.5)

    found = []
    for filler in (0.0, math.nan, math.inf, -1.0, 4.2, 0.3, 1e30):
        latency, amplitude, peaks, _ = waves(2, 4)
        present = torch.tensor([[True, False, True, False], [False, False, False, True]])
        found.append((latency, amplitude, torch.where(present[..., None], peaks, filler), present))
    for present in (True, False):
        latency, amplitude, peaks, mask = waves(3, 3)
        found.append((latency, amplitude, peaks, torch.full_like(mask, present)))
    latency, amplitude, peaks, mask = waves(1, 2)
    return [
        *found,
        (latency, amplitude, 0 * peaks, ~(mask & False)),  # true peaks at 0
        (latency, amplitude, peaks, torch.tensor([[True, False]])),
        *(waves(*sizes) for sizes in ((1, 1), (1, 9), (140, 2), (1, 40))),
        waves(3, 4, torch.float32),
    ]


wrong = Misconceptions(_SECTION)


@wrong("C2")
def _peak_part_taken_as_it_comes(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """Every wave counts, present or not. What stands in the table where there is no peak, a zero or a NaN, is taken for
    its latency and amplitude.
    """
    return _squares(latency, amplitude, peaks).mean(-1)


def _numbered(peaks: Tensor, present: Tensor) -> Tensor:
    """Zeros for NaN; the mask is not used."""
    return torch.nan_to_num(peaks)


@wrong("C2", variants=(_filled, _numbered))
def _of_zeros(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor, fill: Fill) -> Tensor:
    """Absent peaks enter with what stands in their place, a peak at 0 ms for instance. The head is then paid for
    pulling every faint wave towards the click.
    """
    return _squares(latency, amplitude, fill(peaks, present)).mean(-1)


@wrong("C2", variants=(_filled, _numbered))
def _of_zeros_by_present(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor, fill: Fill) -> Tensor:
    """The division is by the peaks that are there, but the sum still holds the absent ones, at 0 ms."""
    squares = _squares(latency, amplitude, fill(peaks, present))
    return squares.sum(-1) / present.sum(-1).clamp(min=1)


@wrong("C2")
def _peak_part_by_all(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """The sum is right, but it is divided by the number of all waves. A response with one peak then counts for less
    than one with five.
    """
    return _over_present(latency, amplitude, peaks, present).mean(-1)


@wrong("C2")
def _peak_part_summed(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """The sum over the present peaks is right. Asked for is their mean, so that a response with many peaks does not
    count for more.
    """
    return _over_present(latency, amplitude, peaks, present).sum(-1)


@wrong("C2")
def _peak_part_none_by_none(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """Right wherever there is a peak. A response without any is 0/0 here, and one NaN in a batch is a NaN in every
    weight of the network.
    """
    return _over_present(latency, amplitude, peaks, present).sum(-1) / present.sum(-1)


@wrong("C2")
def _none_by_none_of_numbers(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """Right wherever there is a peak. A response without any is 0/0 here, and one NaN in a batch is a NaN in every
    weight of the network.
    """
    mask = present.to(latency.dtype)
    return (_squares(latency, amplitude, torch.nan_to_num(peaks)) * mask).sum(-1) / mask.sum(-1)


@wrong("C2", variants=(_filled, _numbered))
def _repaired_late(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor, fill: Fill) -> Tensor:
    """The values are right, but where there is no peak the gradient is NaN. `torch.where` chooses a value; the way back
    still goes through the 0/0 that it has not chosen, and zero times infinity is NaN. See to it that the division is
    harmless.
    """
    mask = present.to(latency.dtype)
    squares = _squares(latency, amplitude, fill(peaks, present)) * mask
    return torch.where(present.any(-1), squares.sum(-1) / mask.sum(-1), 0)


@wrong("C2")
def _peak_part_times_mask(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """A mask by multiplication trusts that what it hides is a number: 0 times NaN is NaN. Some tables hold NaN where
    there is no peak.
    """
    mask = present.to(latency.dtype)
    return (_squares(latency, amplitude, peaks) * mask).sum(-1) / mask.sum(-1).clamp(min=1)


@wrong("C2")
def _peak_part_times_mask_by_none(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """Two places make NaN here: 0 times NaN where an absent peak is stored as NaN, and 0/0 where a response has no peak
    at all.
    """
    mask = present.to(latency.dtype)
    return (_squares(latency, amplitude, peaks) * mask).sum(-1) / mask.sum(-1)


@wrong("C2")
def _peak_part_masked_late(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """The values are right. The gradient is NaN where an absent peak is stored as NaN: the square has been taken before
    it was masked, and its slope is NaN times zero. Mask earlier.
    """
    squares = torch.where(present, _squares(latency, amplitude, peaks), 0)
    return squares.sum(-1) / present.sum(-1).clamp(min=1)


@wrong("O2")
def _peak_part_of_the_batch(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """This is one mean over all peaks of the batch. Each response is to have its own."""
    return _over_present(latency, amplitude, peaks, present).sum() / present.sum().clamp(min=1)


@wrong("O2")
def _peak_part_mean_of_the_batch(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """Right, and then averaged over the batch. That belongs to the objective; here each response keeps its own."""
    return _peak_part(latency, amplitude, peaks, present).mean()


@wrong("C2")
def _peak_part_of_each_wave(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """The mean is taken over the responses, for each wave. Asked for is one number a response."""
    return _over_present(latency, amplitude, peaks, present).sum(0) / present.sum(0).clamp(min=1)


@wrong("C2")
def _peak_part_without_units(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """Milliseconds and microvolts are added as they come. Divide each by its unit first; otherwise an error of 0.1 µV,
    a good part of a wave, counts next to nothing.
    """
    squares = torch.where(present, _squares(latency, amplitude, _filled(peaks, present), (1.0, 1.0)), 0)
    return squares.sum(-1) / present.sum(-1).clamp(min=1)


@wrong("C2")
def _peak_part_in_unsquared_units(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """The square is divided by the unit, not by its square: ms² over ms leaves ms."""
    units = (math.sqrt(_LATENCY_UNIT), math.sqrt(_AMPLITUDE_UNIT))
    squares = torch.where(present, _squares(latency, amplitude, _filled(peaks, present), units), 0)
    return squares.sum(-1) / present.sum(-1).clamp(min=1)


@wrong("C2")
def _peak_part_masked_by_value(latency: Tensor, amplitude: Tensor, peaks: Tensor, present: Tensor) -> Tensor:
    """The mask is guessed from the table: what is no NaN and not 0 counts as a peak. Some tables hold other numbers
    there; `present` is what knows.
    """
    return _peak_part(latency, amplitude, peaks, peaks[..., 0] > 0)


EXERCISE = Exercise(
    id="6.4",
    title="Only the peaks that are there",
    kind="implement",
    section=_SECTION,
    reference=_peak_part,
    inputs=_waves,
    edge_cases=_edges,
    check_gradient=True,
    misconceptions=wrong,
)
