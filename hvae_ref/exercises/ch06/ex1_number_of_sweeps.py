"""Exercise 6.1: how many sweeps?

Asked for is the number of sweeps (B,) that have to be presented until the average shows a wave at a given
signal-to-noise ratio, where a share of the sweeps is rejected.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What does an ear's answer look like?"


def _sweeps(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 10) / (1 - rejected)


def _recordings(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = size(rng)
    bounds = ((0.05, 0.6), (1.0, 12.0), (1.0, 15.0), (0.05, 0.4))
    return tuple(uniform(rng, batch, low=low, high=high, dtype=torch.float64) for low, high in bounds)


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """No sweep rejected, and nearly all; 0 dB, below, and 60 dB; large and small waves; one value and many; float32."""
    rows = [
        [0.3, 5.0, 6.0, 0.0],
        [0.3, 5.0, 0.0, 0.2],
        [0.3, 5.0, -20.0, 0.2],
        [10.0, 1.0, 3.0, 0.99],
        [20.0, 1.0, 0.0, 0.1],
        [1e-3, 30.0, 60.0, 0.5],
        [2.0, 2.0, 10.0, 0.1],
        [1e-6, 1e-5, 10.0, 0.1],
        [0.3, 5.0, 6.0, 0.9999],
    ]
    table = torch.tensor(rows, dtype=torch.float64).T
    return [tuple(table), *(tuple(column) for column in table.T[:, :, None]), tuple(table.float().repeat(1, 20))]


wrong = Misconceptions(_SECTION)


@wrong("C4")
def _sweeps_as_one_over_n(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """The noise is taken to fall as 1/n. Its variance does. In these units that is µV², and the ratio you are asked for
    is one of µV to µV.
    """
    return noise / amplitude * 10 ** (snr_db / 20) / (1 - rejected)


@wrong("C4")
def _sweeps_with_ten(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """Ten times the logarithm is for a ratio of powers. This is a ratio of amplitudes, in µV, and a power goes with the
    square of an amplitude.
    """
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 5) / (1 - rejected)


@wrong("C4")
def _sweeps_with_twenty_of_a_power(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """The squares are in their places, but then the ratio that you hold is one of powers, and its decibels are counted
    differently from those of amplitudes.
    """
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 20) / (1 - rejected)


@wrong("C4")
def _sweeps_as_one_over_n_with_ten(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """Two slips: noise that falls as 1/n (its variance does, its standard deviation does not), and decibels of a power
    for a ratio of amplitudes.
    """
    return noise / amplitude * 10 ** (snr_db / 10) / (1 - rejected)


@wrong("C4")
def _sweeps_with_the_variance(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """An amplitude in µV is divided by a variance in µV². Check the units: what comes out must have none."""
    return noise**2 / amplitude * 10 ** (snr_db / 20) / (1 - rejected)


@wrong("C4")
def _sweeps_with_the_variance_given(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """`noise` is used as if it were a variance. It is given in µV: it is a standard deviation."""
    return noise / amplitude**2 * 10 ** (snr_db / 10) / (1 - rejected)


@wrong("C4")
def _sweeps_with_e(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """Decibels go with the logarithm to base 10, and here they are undone with e."""
    return (noise / amplitude) ** 2 * (snr_db / 10).exp() / (1 - rejected)


@wrong("C4")
def _sweeps_in_place_of_decibels(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """The decibels are used as if they were the ratio itself. 0 dB is a ratio of one, not of zero."""
    return (noise * snr_db / amplitude) ** 2 / (1 - rejected)


@wrong("C4")
def _sweeps_upside_down(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """A larger wave would need more sweeps here. The ratio stands on its head."""
    return (amplitude / noise) ** 2 * 10 ** (snr_db / 10) / (1 - rejected)


@wrong("C4")
def _sweeps_averaged(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """So many have to be in the average. Some of those that are presented never get there."""
    return _sweeps(amplitude, noise, snr_db, 0 * rejected)


@wrong("C4")
def _sweeps_less_the_rejected(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """The more sweeps are rejected, the fewer would have to be presented. The average needs its number; ask which share
    of the presented ones that is.
    """
    return _sweeps_averaged(amplitude, noise, snr_db, rejected) * (1 - rejected)


@wrong("C4")
def _sweeps_and_their_share(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """The share is added to the sweeps that are kept. It is a share of all that are presented, the additional ones too.
    Try it with one half.
    """
    return _sweeps_averaged(amplitude, noise, snr_db, rejected) * (1 + rejected)


@wrong("C4")
def _sweeps_rounded_up(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """That is right, and then rounded up. Leave the number as it is; the comparison is finer than one sweep."""
    return _sweeps(amplitude, noise, snr_db, rejected).ceil()


@wrong("C4")
def _sweeps_over_the_rejected(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    """The sweeps in the average are divided by the share that is thrown away. With hardly any artefact this would take
    for ever.
    """
    return _sweeps_averaged(amplitude, noise, snr_db, rejected) / rejected


EXERCISE = Exercise(
    id="6.1",
    title="How many sweeps?",
    kind="derive",
    section=_SECTION,
    reference=_sweeps,
    inputs=_recordings,
    edge_cases=_edges,
    misconceptions=wrong,
)
