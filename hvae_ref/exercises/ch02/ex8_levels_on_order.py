"""Exercise 2.8: levels on order.

Asked for are four numbers (w, σ, u, τ) of a two-level model in which I(x; z1) and I(x; z2) have given values in nats.
Many answers are right, so the check compares the two informations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.5 · What each level holds"


def _levels(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    noise = math.expm1(2 * (nats_1 - nats_2))
    return math.sqrt(math.expm1(2 * nats_1) - noise), math.sqrt(noise), 1.0, 1.0


def _two_amounts(rng: np.random.Generator) -> tuple[float, float]:
    nats_1 = float(rng.uniform(0.4, 3.0))
    return nats_1, float(rng.uniform(0.05, 0.9)) * nats_1


def _amounts(answer: Any) -> dict[str, Tensor]:  # noqa: ANN401
    """What is compared of four numbers (w, σ, u, τ): I(x; z1) and I(x; z2)."""
    sizes = [torch.as_tensor(part).numel() for part in answer] if isinstance(answer, tuple | list) else []
    if sizes != [1, 1, 1, 1]:
        raise ValueError("expected four numbers, (w, σ, u, τ)")
    w, sigma, u, tau = (torch.as_tensor(number, dtype=torch.float64).reshape(()) for number in answer)
    if sigma < 0 or tau <= 0:
        raise ValueError("σ and τ are standard deviations: expected σ at least 0 and τ above 0")
    total, below = (u * w) ** 2 + (u * sigma) ** 2 + tau**2, (u * sigma) ** 2 + tau**2
    return {"I(x; z1)": 0.5 * torch.log(total / tau**2), "I(x; z2)": 0.5 * torch.log(total / below)}


def _edges() -> list[tuple[float, float]]:
    """Very little and very much for one of the levels, and nearly the same for both."""
    return [(8.0, 0.001), (8.0, 7.99), (0.01, 0.002), (3.0, 2.0), (1.0, 0.1), (5.0, 0.5), (11.0, 4.0), (0.02, 0.01999)]


wrong = Misconceptions(_SECTION)


@wrong("S5")
def _levels_of_the_latents(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    """z2 has this much to tell of z1. On the way down to x the noise of p(x|z1) takes some of it away, so I(x; z2)
    comes out too small.
    """
    spread = math.expm1(2 * nats_1)
    noise = spread * math.exp(-2 * nats_2)
    return math.sqrt(spread - noise), math.sqrt(noise), 1.0, 1.0


@wrong("O14")
def _levels_without_the_half(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    """Both levels hold half of what was ordered: the information of a Gaussian channel is ½ log(1 + signal
    to noise).
    """
    return _levels(nats_1 / 2, nats_2 / 2)


@wrong("O14")
def _levels_in_the_other_order(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    """w and σ are in the other order: first w, then σ."""
    w, sigma, u, tau = _levels(nats_1, nats_2)
    return sigma, w, u, tau


EXERCISE = Exercise(
    id="2.8",
    title="Levels on order",
    kind="open",
    section=_SECTION,
    reference=_levels,
    inputs=_two_amounts,
    edge_cases=_edges,
    compare_as=_amounts,
    misconceptions=wrong,
)
