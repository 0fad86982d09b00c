"""Exercise of chapter 6 on averaging: 6.1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import size, uniform

_ANSWER = "What does an ear's answer look like?"


def _recordings(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = size(rng)
    bounds = ((0.05, 0.6), (1.0, 12.0), (1.0, 15.0), (0.05, 0.4))
    return tuple(uniform(rng, batch, low=low, high=high, dtype=torch.float64) for low, high in bounds)


def _sweeps(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 10) / (1 - rejected)


def _sweeps_as_one_over_n(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return noise / amplitude * 10 ** (snr_db / 20) / (1 - rejected)


def _sweeps_with_ten(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 5) / (1 - rejected)


def _sweeps_with_twenty_of_a_power(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (noise / amplitude) ** 2 * 10 ** (snr_db / 20) / (1 - rejected)


def _sweeps_as_one_over_n_with_ten(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return noise / amplitude * 10 ** (snr_db / 10) / (1 - rejected)


def _sweeps_with_the_variance(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return noise**2 / amplitude * 10 ** (snr_db / 20) / (1 - rejected)


def _sweeps_with_the_variance_given(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return noise / amplitude**2 * 10 ** (snr_db / 10) / (1 - rejected)


def _sweeps_with_e(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (noise / amplitude) ** 2 * (snr_db / 10).exp() / (1 - rejected)


def _sweeps_in_place_of_decibels(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (noise * snr_db / amplitude) ** 2 / (1 - rejected)


def _sweeps_upside_down(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return (amplitude / noise) ** 2 * 10 ** (snr_db / 10) / (1 - rejected)


def _sweeps_averaged(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return _sweeps(amplitude, noise, snr_db, 0 * rejected)


def _sweeps_less_the_rejected(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return _sweeps_averaged(amplitude, noise, snr_db, rejected) * (1 - rejected)


def _sweeps_and_their_share(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return _sweeps_averaged(amplitude, noise, snr_db, rejected) * (1 + rejected)


def _sweeps_rounded_up(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return _sweeps(amplitude, noise, snr_db, rejected).ceil()


def _sweeps_over_the_rejected(amplitude: Tensor, noise: Tensor, snr_db: Tensor, rejected: Tensor) -> Tensor:
    return _sweeps_averaged(amplitude, noise, snr_db, rejected) / rejected


ON_SWEEPS: tuple[Exercise, ...] = (
    Exercise(
        id="6.1",
        title="How many sweeps?",
        kind="derive",
        section=_ANSWER,
        reference=_sweeps,
        inputs=_recordings,
        misconceptions=(
            Misconception(
                "C4",
                _sweeps_as_one_over_n,
                "The noise is taken to fall as 1/n. Its variance does. In these units that is µV², and the ratio you "
                "are asked for is one of µV to µV.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_with_ten,
                "Ten times the logarithm is for a ratio of powers. This is a ratio of amplitudes, in µV, and a power "
                "goes with the square of an amplitude.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_with_twenty_of_a_power,
                "The squares are in their places, but then the ratio that you hold is one of powers, and its decibels "
                "are counted differently from those of amplitudes.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_as_one_over_n_with_ten,
                "Two slips: noise that falls as 1/n (its variance does, its standard deviation does not), and decibels "
                "of a power for a ratio of amplitudes.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_with_the_variance,
                "An amplitude in µV is divided by a variance in µV². Check the units: what comes out must have none.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_with_the_variance_given,
                "`noise` is used as if it were a variance. It is given in µV: it is a standard deviation.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_with_e,
                "Decibels go with the logarithm to base 10, and here they are undone with e.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_in_place_of_decibels,
                "The decibels are used as if they were the ratio itself. 0 dB is a ratio of one, not of zero.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_upside_down,
                "A larger wave would need more sweeps here. The ratio stands on its head.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_averaged,
                "So many have to be in the average. Some of those that are presented never get there.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_less_the_rejected,
                "The more sweeps are rejected, the fewer would have to be presented. The average needs its number; ask "
                "which share of the presented ones that is.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_and_their_share,
                "The share is added to the sweeps that are kept. It is a share of all that are presented, the "
                "additional ones too. Try it with one half.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_rounded_up,
                "That is right, and then rounded up. Leave the number as it is; the comparison is finer than one "
                "sweep.",
                _ANSWER,
            ),
            Misconception(
                "C4",
                _sweeps_over_the_rejected,
                "The sweeps in the average are divided by the share that is thrown away. With hardly any artefact "
                "this would take for ever.",
                _ANSWER,
            ),
        ),
    ),
)
