"""Exercises of chapter 2 on the levels and what they hold: 2.6 to 2.8."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_HOLDS = "2.5 · What each level holds"


# 2.7: information from a table of densities ---------------------------------------------------------------------------


def _table(rng: np.random.Generator) -> tuple[Tensor]:
    examples = size(rng, high=8)
    shift = float(rng.choice([-20.0, -1000.0]))  # at −1000 a density is zero to the machine, its logarithm is not
    own = 6 * torch.eye(examples, dtype=torch.float64) * float(rng.uniform(0, 1))
    return (normal(rng, examples, examples, scale=2, dtype=torch.float64) + own + shift,)


def _information(log_q: Tensor) -> Tensor:
    return (log_q.diagonal() - torch.logsumexp(log_q, dim=1)).mean() + math.log(len(log_q))


def _information_mean_of_logs(log_q: Tensor) -> Tensor:
    return (log_q.diagonal() - log_q.mean(dim=1)).mean()


def _information_not_divided(log_q: Tensor) -> Tensor:
    return (log_q.diagonal() - torch.logsumexp(log_q, dim=1)).mean()


def _information_over_samples(log_q: Tensor) -> Tensor:
    return (log_q.diagonal() - torch.logsumexp(log_q, dim=0)).mean() + math.log(len(log_q))


def _negative_entropy(log_q: Tensor) -> Tensor:
    return log_q.diagonal().mean()


# 2.8: a two-level model whose levels hold given amounts ---------------------------------------------------------------


def _two_amounts(rng: np.random.Generator) -> tuple[float, float]:
    nats_1 = float(rng.uniform(0.4, 3.0))
    return nats_1, float(rng.uniform(0.05, 0.9)) * nats_1


def _levels(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    noise = math.expm1(2 * (nats_1 - nats_2))
    return math.sqrt(math.expm1(2 * nats_1) - noise), math.sqrt(noise), 1.0, 1.0


def _levels_of_the_latents(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    spread = math.expm1(2 * nats_1)
    noise = spread * math.exp(-2 * nats_2)
    return math.sqrt(spread - noise), math.sqrt(noise), 1.0, 1.0


def _levels_without_the_half(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    return _levels(nats_1 / 2, nats_2 / 2)


def _levels_in_the_other_order(nats_1: float, nats_2: float) -> tuple[float, float, float, float]:
    w, sigma, u, tau = _levels(nats_1, nats_2)
    return sigma, w, u, tau


def _amounts(answer: tuple[float, float, float, float]) -> dict[str, Tensor]:
    """What counts of four numbers (w, σ, u, τ): the two informations. Any four that have both right are right."""
    if not isinstance(answer, (tuple, list, Tensor)) or len(answer) != 4:
        raise ValueError("answer four numbers, (w, σ, u, τ)")
    w, sigma, u, tau = (torch.as_tensor(number, dtype=torch.float64).reshape(()) for number in answer)
    if sigma < 0 or tau <= 0:
        raise ValueError("σ and τ are standard deviations: expected σ at least 0 and τ above 0")
    total, below = (u * w) ** 2 + (u * sigma) ** 2 + tau**2, (u * sigma) ** 2 + tau**2
    return {"I(x; z1)": 0.5 * torch.log(total / tau**2), "I(x; z2)": 0.5 * torch.log(total / below)}


ON_THE_LEVELS: tuple[Exercise, ...] = (
    Exercise(
        id="2.6",
        title="Move z2, hold z1",
        kind="predict",
        section=_HOLDS,
        reference="nothing changes",
        choices=("the digit changes", "the style changes", "nothing changes"),
        misconceptions=(
            Misconception(
                "S3",
                "the digit changes",
                "Follow the arrows of equation 2.1 from z2 to x. Which of them is still open when z1 is held?",
                _HOLDS,
            ),
            Misconception(
                "S3",
                "the style changes",
                "Style or digit, whatever z2 has to say reaches x through z1 alone, and z1 is held.",
                _HOLDS,
            ),
        ),
    ),
    Exercise(
        id="2.7",
        title="Information, with its ceiling",
        kind="implement",
        section=_HOLDS,
        reference=_information,
        inputs=_table,
        rtol=1e-8,
        atol=1e-9,
        misconceptions=(
            Misconception(
                "O11",
                _information_mean_of_logs,
                "The mean went inside the logarithm's place: q(z) is an average of densities, not of log-densities. "
                "Watch it exceed log N.",
                _HOLDS,
            ),
            Misconception(
                "O11",
                _information_not_divided,
                "The densities are summed, not averaged, so log N is missing and the value is never positive.",
                _HOLDS,
            ),
            Misconception(
                "O11",
                _information_over_samples,
                "The average runs over samples under one posterior. q(z) is an average over posteriors at one sample.",
                _HOLDS,
            ),
            Misconception(
                "O14",
                _negative_entropy,
                "Only log q(z|x) is there. How surprising z is *without* x has to be taken off.",
                _HOLDS,
            ),
        ),
    ),
    Exercise(
        id="2.8",
        title="Levels on order",
        kind="open",
        section=_HOLDS,
        reference=_levels,
        inputs=_two_amounts,
        rtol=1e-6,
        atol=1e-7,
        compare_as=_amounts,
        misconceptions=(
            Misconception(
                "S5",
                _levels_of_the_latents,
                "z2 has this much to tell of z1. On the way down to x the noise of p(x|z1) takes some of it away, so "
                "I(x; z2) comes out too small.",
                _HOLDS,
            ),
            Misconception(
                "O14",
                _levels_without_the_half,
                "Both levels hold half of what was ordered: the information of a Gaussian channel is ½ log(1 + signal "
                "to noise).",
                _HOLDS,
            ),
            Misconception(
                "O14", _levels_in_the_other_order, "w and σ are in the other order: first w, then σ.", _HOLDS
            ),
        ),
    ),
)
