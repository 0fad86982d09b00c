"""Exercise 4.1: whose forward is it?

Asked for is the log-density (n, B) at the end of a chain of T maps, from the log-determinants (T, n, B). A step with
`generates` False reports that of its inverse.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How does a change of variables keep a density honest?"


def _signs(generates: Tensor) -> Tensor:
    return torch.where(generates, 1.0, -1.0)[:, None, None].double()


def _log_q(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    return log_q_0 - (_signs(generates) * log_dets).sum(0)


def _chain(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    steps, n, batch = size(rng), size(rng, high=4), size(rng)
    log_q_0 = normal(rng, n, batch, scale=2, dtype=torch.float64) - 3
    log_dets = normal(rng, steps, n, batch, dtype=torch.float64)
    return log_q_0, log_dets, torch.as_tensor(rng.random(steps) < 0.6)


def _edges() -> list[tuple[Tensor, Tensor, Tensor]]:
    """One step and twelve; all of one kind; large log-determinants; float32."""
    rng = np.random.default_rng(41)

    def chain(steps: int, n: int, batch: int, generates: list[bool], scale: float = 1.0) -> tuple[Tensor, ...]:
        log_dets = normal(rng, steps, n, batch, scale=scale, dtype=torch.float64)
        return normal(rng, n, batch, dtype=torch.float64), log_dets, torch.tensor(generates)

    return [
        chain(1, 1, 1, [True]),
        chain(1, 1, 1, [False]),
        chain(3, 2, 5, [False] * 3),
        chain(3, 3, 3, [False, False, True]),
        chain(12, 1, 2, [True, False] * 6, scale=200),
        chain(2, 140, 1, [True, False]),
        chain(2, 1, 150, [False, True]),
        chain(140, 1, 1, [True, True, False, True, False] * 28),
        tuple(part.float() if part.is_floating_point() else part for part in chain(4, 2, 9, [False, True] * 2)),
    ]


wrong = Misconceptions(_SECTION)


@wrong("F1")
def _log_q_without(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """The density is carried along as if no step changed a volume. Where a step spreads points apart, the density has
    to fall, or it no longer integrates to one.
    """
    return log_q_0


@wrong("F5")
def _log_q_upside_down(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """All signs are flipped. A step from z_{t−1} to z_t that stretches space makes the density smaller."""
    return _log_q(log_q_0, log_dets, ~generates)


@wrong("F5")
def _log_q_one_way(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """All steps are read as if they reported the map from z_{t−1} to z_t. Where `generates` is False the number belongs
    to the inverse of that map.
    """
    return log_q_0 - log_dets.sum(0)


@wrong("F5")
def _log_q_one_way_added(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """All steps are read as if they reported the map from z_t back to z_{t−1}. That is so only where `generates` is
    False.
    """
    return log_q_0 + log_dets.sum(0)


@wrong("F1")
def _log_q_own_steps(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """The borrowed steps are left out. They move z like the others, so they change the density too."""
    return log_q_0 - log_dets[generates].sum(0)


@wrong("F1")
def _log_q_last_step(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """Only the last step is counted. Each step changes the density that it is handed."""
    return log_q_0 - (_signs(generates) * log_dets)[-1]


@wrong("O1")
def _log_q_mean_step(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """The steps are averaged. The determinant of a chain is the product of its steps' determinants."""
    return log_q_0 - (_signs(generates) * log_dets).mean(0)


@wrong("F1")
def _log_q_determinants(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """A determinant is subtracted from a log-density. What the steps report is a logarithm already."""
    return log_q_0 - (_signs(generates) * log_dets).sum(0).exp()


@wrong("O2")
def _log_q_summed(log_q_0: Tensor, log_dets: Tensor, generates: Tensor) -> Tensor:
    """The examples are summed. Each sample of each example has a log-density of its own."""
    return _log_q(log_q_0, log_dets, generates).sum(-1)


EXERCISE = Exercise(
    id="4.1",
    title="Whose forward is it?",
    kind="derive",
    section=_SECTION,
    reference=_log_q,
    inputs=_chain,
    edge_cases=_edges,
    misconceptions=wrong,
)
