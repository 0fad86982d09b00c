"""Exercise 2.2: one sample of the bound.

Asked for is the estimate of the two-level ELBO from five log-densities (B,) at one sample, with nothing in closed
form.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.2 · The ELBO of two levels"


def _elbo(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px + log_pz1 + log_pz2 - log_qz1 - log_qz2


def _log_terms(rng: np.random.Generator) -> tuple[Tensor, ...]:
    samples = size(rng, high=9)
    log_px = -80 + 10 * normal(rng, samples)
    return (log_px, *(-10 + 3 * normal(rng, samples) for _ in range(4)))


def _edges() -> list[tuple[Tensor, ...]]:
    """Log-densities of −2000 and of 300, whose exponentials are no floats; each of the five alone; many samples."""
    rng = np.random.default_rng(22)
    each = torch.eye(5, dtype=torch.float64)
    return [
        *(tuple(100 * row[:, None]) for row in each),
        tuple(torch.tensor([-2000.0, 300.0, -900.0, 200.0, -700.0])[:, None]),
        tuple(normal(rng, 5, 150, scale=500)),
        tuple(normal(rng, 5, 3, scale=1e6)),
        tuple(normal(rng, 5, 3, scale=500, dtype=torch.float64)),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O6")
def _prior_subtracted(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    """log p(z1 | z2) enters with a minus. It is a factor of the model's joint, as p(x | z1) is, and factors of the
    joint count for the bound, not against it.
    """
    return log_px - log_pz1 + log_pz2 - log_qz1 - log_qz2


@wrong("O6")
def _entropy_left_out(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    """log q(z1 | x) is missing. Without it nothing stops q(z1 | x) from shrinking to a point."""
    return log_px + log_pz1 + log_pz2 - log_qz2


@wrong("O4")
def _prior_left_out(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    """log p(z1 | z2) is missing, so z2 generates nothing: x and z1 would be drawn without it."""
    return log_px + log_pz2 - log_qz1 - log_qz2


EXERCISE = Exercise(
    id="2.2",
    title="One sample of the bound",
    kind="derive",
    section=_SECTION,
    reference=_elbo,
    inputs=_log_terms,
    edge_cases=_edges,
    misconceptions=wrong,
)
