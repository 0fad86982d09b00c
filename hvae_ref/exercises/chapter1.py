"""Exercises of chapter 1, latent usefulness."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from hvae_ref.exercises.exercise import Exercise, Misconception
from hvae_ref.exercises.inputs import normal, size

_KL_SECTION = "1.4 · The single-level VAE"


def _loc_and_log_sigma(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return normal(rng, batch, dim), normal(rng, batch, dim, scale=0.5)


def _kl_to_standard_normal(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).sum(-1)


def _mean_over_dimensions(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).mean(-1)


def _read_as_log_variance(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return 0.5 * (loc**2 + log_sigma.exp() - 1 - log_sigma).sum(-1)


def _without_the_half(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return 2 * _kl_to_standard_normal(loc, log_sigma)


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        id="1.1",
        title="The price of one code",
        kind="implement",
        section=_KL_SECTION,
        reference=_kl_to_standard_normal,
        inputs=_loc_and_log_sigma,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O1",
                _mean_over_dimensions,
                "The KL is averaged over the latent dimensions. Independent dimensions add up: a mean divides "
                "the price of the code by its length and so is a β that nobody states.",
                _KL_SECTION,
            ),
            Misconception(
                "O3",
                _read_as_log_variance,
                "`log_sigma` is read as the logarithm of the variance. It is the logarithm of the standard "
                "deviation; the two differ by a factor of two.",
                _KL_SECTION,
            ),
            Misconception(
                "O14",
                _without_the_half,
                "Everything is there, and everything is twice as large: look again at the ½ in the density of a "
                "Gaussian and follow it through.",
                _KL_SECTION,
            ),
        ),
    ),
)
