"""Exercise 2.7: information, with its ceiling.

Asked for is the mean of log q(z_i|x_i) − log q(z_i) in nats, from a table (N, N) whose entry (i, j) is
log q(z_i|x_j); the densities themselves may be too small for a float.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.5 · What each level holds"


def _information(log_q: Tensor) -> Tensor:
    return (log_q.diagonal() - torch.logsumexp(log_q, dim=1)).mean() + math.log(len(log_q))


def _table(rng: np.random.Generator) -> tuple[Tensor]:
    examples = size(rng, high=8)
    shift = float(rng.choice([-20.0, -1000.0]))  # a density of e^−1000 is 0 in floating point, its logarithm is not
    own = 6 * torch.eye(examples, dtype=torch.float64) * float(rng.uniform(0, 1))
    return (normal(rng, examples, examples, scale=2, dtype=torch.float64) + own + shift,)


def _edges() -> list[tuple[Tensor]]:
    """Densities of e^±900 in one table; a ceiling of log N that is reached; one example and two hundred; float32."""
    eye = torch.eye(5, dtype=torch.float64)
    rng = np.random.default_rng(27)
    rows = torch.tensor([-900.0, 0.0, 900.0, -300.0, 40.0], dtype=torch.float64)
    cyclic = torch.eye(3, dtype=torch.float64).roll(1, 0)
    return [
        (1000 * eye - 500,),
        (-900 * eye,),
        (normal(rng, 5, 5, dtype=torch.float64) + rows[:, None],),
        (normal(rng, 5, 5, dtype=torch.float64) + rows,),
        (700 * cyclic - 900,),
        (torch.tensor([[-900.0]], dtype=torch.float64),),
        (torch.tensor([[700.0]], dtype=torch.float64),),
        *((size * torch.eye(200).double() + normal(rng, 200, 200, dtype=torch.float64),) for size in (3.0, 90.0)),
        (3 * torch.eye(40) + normal(rng, 40, 40) - 9,),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O11")
def _information_mean_of_logs(log_q: Tensor) -> Tensor:
    """The mean went inside the logarithm's place: q(z) is an average of densities, not of log-densities. Watch it
    exceed log N.
    """
    return (log_q.diagonal() - log_q.mean(dim=1)).mean()


@wrong("O11")
def _information_not_divided(log_q: Tensor) -> Tensor:
    """The densities are summed, not averaged, so log N is missing and the value is never positive."""
    return (log_q.diagonal() - torch.logsumexp(log_q, dim=1)).mean()


@wrong("O11")
def _information_over_samples(log_q: Tensor) -> Tensor:
    """The average runs over samples under one posterior. q(z) is an average over posteriors at one sample."""
    return (log_q.diagonal() - torch.logsumexp(log_q, dim=0)).mean() + math.log(len(log_q))


@wrong("O14")
def _negative_entropy(log_q: Tensor) -> Tensor:
    """Only log q(z|x) is there. How surprising z is *without* x has to be taken off."""
    return log_q.diagonal().mean()


EXERCISE = Exercise(
    id="2.7",
    title="Information, with its ceiling",
    kind="implement",
    section=_SECTION,
    reference=_information,
    inputs=_table,
    edge_cases=_edges,
    atol=1e-4,  # float32 is exact enough
    misconceptions=wrong,
)
