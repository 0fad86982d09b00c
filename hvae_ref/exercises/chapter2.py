"""Exercises of chapter 2, the two-level VAE."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from hvae_ref.exercises.exercise import Exercise, Misconception
from hvae_ref.exercises.inputs import normal, size

_ELBO_SECTION = "2.2 · The ELBO of two levels"


def _log_terms(rng: np.random.Generator) -> tuple[Tensor, ...]:
    samples = size(rng, high=9)
    log_px = -80 + 10 * normal(rng, samples)
    return (log_px, *(-10 + 3 * normal(rng, samples) for _ in range(4)))


def _elbo(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px + log_pz1 + log_pz2 - log_qz1 - log_qz2


def _prior_subtracted(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px - log_pz1 + log_pz2 - log_qz1 - log_qz2


def _entropy_left_out(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px + log_pz1 + log_pz2 - log_qz2


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        id="2.1",
        title="One sample of the bound",
        kind="derive",
        section=_ELBO_SECTION,
        reference=_elbo,
        inputs=_log_terms,
        misconceptions=(
            Misconception(
                "O6",
                _prior_subtracted,
                "ln p(z1 | z2) enters with a minus. It is a factor of the model's joint, as p(x | z1) is, and "
                "factors of the joint count for the bound, not against it.",
                _ELBO_SECTION,
            ),
            Misconception(
                "O6",
                _entropy_left_out,
                "ln q(z1 | x) is missing. Without it nothing stops q(z1 | x) from shrinking to a point.",
                _ELBO_SECTION,
            ),
        ),
    ),
)
