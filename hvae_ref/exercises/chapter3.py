"""Exercises of chapter 3, the top-down VAE."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from hvae_ref.exercises.exercise import Exercise, Misconception
from hvae_ref.exercises.inputs import normal, size

_RELATIVE_SECTION = "3.3 · Relative posteriors"


def _prior_and_change(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return (
        normal(rng, batch, dim, scale=0.5),
        normal(rng, batch, dim),
        normal(rng, batch, dim, scale=0.5),
    )


def _relative_kl(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    moved = (delta_loc / log_sigma.exp()) ** 2
    return (0.5 * (moved + (2 * delta_log_sigma).exp() - 1) - delta_log_sigma).sum(-1)


def _without_the_prior_scale(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return (0.5 * (delta_loc**2 + (2 * delta_log_sigma).exp() - 1) - delta_log_sigma).sum(-1) + 0 * log_sigma.sum(-1)


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        id="3.1",
        title="The price of a change",
        kind="implement",
        section=_RELATIVE_SECTION,
        reference=_relative_kl,
        inputs=_prior_and_change,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O7",
                _without_the_prior_scale,
                "The change of the mean is charged as if the prior had variance one. A shift costs what it is in "
                "units of the prior's own standard deviation.",
                _RELATIVE_SECTION,
            ),
        ),
    ),
)
