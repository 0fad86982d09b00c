"""Exercise 2.1: what the top level is told.

Asked for are mean and variance of q(z2|x), each (B,), where q(z1|x) = N(loc, scale²) and q(z2|z1) = N(weight · z1,
noise²) are single numbers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.1 · Two levels, two ways up"


def _told(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    return weight * loc, weight**2 * scale**2 + noise**2


def _two_arrows(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = size(rng)
    loc, weight = normal(rng, batch, dtype=torch.float64), normal(rng, batch, dtype=torch.float64)
    return loc, uniform(rng, batch, low=0.2, high=1.5, dtype=torch.float64), weight, _scales(rng, batch)


def _scales(rng: np.random.Generator, batch: int) -> Tensor:
    return uniform(rng, batch, low=0.3, high=1.2, dtype=torch.float64)


def _edges() -> list[tuple[Tensor, ...]]:
    """A weight of zero; scales from a ten-thousandth to ten thousand; one value and many; float32."""
    rng = np.random.default_rng(21)
    rows = [
        [0.5, 1.0, 0.0, 0.7],
        [-3.0, 1e4, -2.0, 1e-3],
        [1e3, 1e-3, 50.0, 1e4],
        [-0.5, 0.2, -0.1, 0.0],
        [0.0, 3.0, 3.0, 3.0],
        [0.5, 1e-3, 0.5, 1e-3],
        [1e-3, 1e-4, -1e-2, 1e-4],
    ]
    table = torch.tensor(rows, dtype=torch.float64).T
    many = normal(rng, 4, 150, scale=3)
    return [tuple(table), *(tuple(column) for column in table.T[:, :, None]), tuple(table.float()), tuple(many.abs())]


wrong = Misconceptions(_SECTION)


@wrong("S2")
def _told_the_mean(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The variance is q(z2|z1)'s own. That is what comes out when the mean of z1 is fed upwards; the posterior chain
    feeds a sample, whose spread z2 inherits.
    """
    return weight * loc, noise**2


@wrong("S1")
def _told_nothing(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """This is the prior p(z2). It generates; in training z2 comes from q, and q has heard of x through z1."""
    return torch.zeros_like(loc), torch.ones_like(loc)


@wrong("O3")
def _scales_added(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations were added. Of independent parts it is the variances that add."""
    return weight * loc, (weight.abs() * scale + noise) ** 2


@wrong("O3")
def _told_deviation(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The second tensor is a standard deviation. Asked for is the variance."""
    mean, variance = _told(loc, scale, weight, noise)
    return mean, variance.sqrt()


@wrong("O3")
def _told_from_variances(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """scale and noise were taken for variances. They are standard deviations."""
    return weight * loc, weight**2 * scale + noise


@wrong("O14")
def _told_in_the_other_order(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance are there, in the other order."""
    mean, variance = _told(loc, scale, weight, noise)
    return variance, mean


EXERCISE = Exercise(
    id="2.1",
    title="What the top level is told",
    kind="derive",
    section=_SECTION,
    reference=_told,
    inputs=_two_arrows,
    edge_cases=_edges,
    atol=1e-13,  # variances may be small
    misconceptions=wrong,
)
