"""Exercise 1.5: K samples, one bound.

Asked for is the importance-weighted bound of each example, from log weights (K, B) that may be as small as −900.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.elbo import log_mean_exp
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.5 · A bound, and its name"


def _bound(log_w: Tensor) -> Tensor:
    return log_mean_exp(log_w, dim=0)


def _log_weights(rng: np.random.Generator) -> tuple[Tensor]:
    samples, batch = size(rng, high=9), size(rng)
    # The examples have very different sizes: with one maximum for the whole batch, some sums of exponentials are 0.
    far = torch.as_tensor(rng.choice([1.0, 90.0, 900.0], size=batch), dtype=torch.float32)
    return (normal(rng, samples, batch, scale=2) - far,)


def _edges() -> list[tuple[Tensor]]:
    """Log weights 900 apart, with the largest in every place; all at −900, and all at 900; one sample and many."""
    found = []
    for samples in (2, 3, 12):
        for largest in {0, 1, samples - 1}:
            log_w = torch.full((samples, 1), -900.0)
            log_w[largest] = 0.0
            found += [(log_w,), (log_w.double(),), (torch.cat([log_w, -log_w, 0 * log_w - 900], 1),)]
    rng = np.random.default_rng(15)
    return [
        *found,
        (torch.tensor([[-900.0]]),),
        (torch.tensor([[0.0], [-30.0]]),),
        (torch.full((3, 2), 900.0),),
        (normal(rng, 700, 2) - 500,),
        (normal(rng, 3000, 1),),
        (normal(rng, 3, 2) - torch.tensor([1e5, -1e5]),),
        (normal(rng, 4, 150),),
        (normal(rng, 1, 9, scale=300, dtype=torch.float64),),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O11")
def _bound_mean_of_logs(log_w: Tensor) -> Tensor:
    """The mean of the logarithms is the ELBO again, estimated with K samples: no tighter, only less noisy. The
    logarithm belongs outside the mean.
    """
    return log_w.mean(0)


@wrong("O11")
def _bound_upside_down(log_w: Tensor) -> Tensor:
    """The average is taken over 1/w: the log-mean-exp went over negative log weights. That is the harmonic mean, and it
    lies below the arithmetic one.
    """
    return -log_mean_exp(-log_w, dim=0)


@wrong("O11")
def _bound_not_divided(log_w: Tensor) -> Tensor:
    """The weights are summed, not averaged: log K is missing, and the value grows without end as K does,
    past log p(x).
    """
    return torch.logsumexp(log_w, dim=0)


@wrong("O11")
def _bound_divided_outside(log_w: Tensor) -> Tensor:
    """The division by K came after the logarithm. What divides the weights is subtracted from their logarithm."""
    return torch.logsumexp(log_w, dim=0) / len(log_w)


@wrong("O11")
def _bound_less_log_batch(log_w: Tensor) -> Tensor:
    """The logarithm of the batch size is subtracted. The mean is over the K samples, which are the first axis."""
    return torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[1])


@wrong("O10")
def _bound_of_one_sample(log_w: Tensor) -> Tensor:
    """This is the first sample's log weight alone, the estimate of the ELBO. All K have to be used."""
    return log_w[0]


EXERCISE = Exercise(
    id="1.5",
    title="K samples, one bound",
    kind="implement",
    section=_SECTION,
    reference=_bound,
    inputs=_log_weights,
    edge_cases=_edges,
    misconceptions=wrong,
)
