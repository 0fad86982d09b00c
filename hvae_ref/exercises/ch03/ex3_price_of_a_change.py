"""Exercise 3.3: the price of a change.

Asked for is the KL of a relative posterior in nats, from log σ of the prior, the change of the mean and the logarithm
of the ratio of scales (B, d): one value for each example.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.4 · Relative posteriors"


def _price(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    moved = (delta_loc / log_sigma.exp()) ** 2
    return (0.5 * (moved + (2 * delta_log_sigma).exp() - 1) - delta_log_sigma).sum(-1)


def _prior_and_change(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return normal(rng, batch, dim, scale=0.5), normal(rng, batch, dim), normal(rng, batch, dim, scale=0.5)


def _edges() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Scales and ratios from e^−300 to e^300, with a change of the same size; no change; one value and many."""
    found = []
    for size_, dtype in ((35.0, torch.float32), (300.0, torch.float64)):
        for log_sigma, log_ratio in ((-size_, 0.5), (size_, -0.5), (0.0, -size_), (0.0, size_), (size_, -size_)):
            sigma = torch.full((1, 1), log_sigma, dtype=dtype)
            found.append((sigma, 1.5 * sigma.exp(), torch.full((1, 1), log_ratio, dtype=dtype)))
    rng = np.random.default_rng(33)
    return [
        *found,
        (normal(rng, 2, 3), torch.zeros(2, 3), torch.zeros(2, 3)),
        (*(normal(rng, 140, 1) for _ in range(3)),),
        (*(normal(rng, 20, 20, dtype=torch.float64) for _ in range(3)),),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O7")
def _price_at_unit_scale(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """The change of the mean is charged as if the prior had variance one. A shift costs what it is in units of the
    prior's own standard deviation.
    """
    return _price(0 * log_sigma, delta_loc, delta_log_sigma)


@wrong("O7")
def _price_by_sigma(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """The squared shift is divided by σ. Both have to be squared: what counts is the ratio of shift and scale."""
    return _price(0.5 * log_sigma, delta_loc, delta_log_sigma)


@wrong("O3")
def _price_of_log_variance(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """The logarithms are read as those of variances. `log_sigma` and `delta_log_sigma` are logarithms of a scale and of
    a ratio of scales, and have to be doubled before they become variances.
    """
    return _price(0.5 * log_sigma, delta_loc, 0.5 * delta_log_sigma)


@wrong("O3")
def _price_with_half_a_logarithm(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """`delta_log_sigma` stands where log Δσ² belongs. Inside the bracket the logarithm is that of the ratio of
    variances.
    """
    return _price(log_sigma, delta_loc, delta_log_sigma) + 0.5 * delta_log_sigma.sum(-1)


@wrong("O14")
def _price_swapped(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """This is the KL of the prior from the posterior. The expectation in the bound is under q."""
    return _price(log_sigma + delta_log_sigma, delta_loc, -delta_log_sigma)


@wrong("O14")
def _price_doubled(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """Everything is twice as large as it should be: the ½ has been lost."""
    return 2 * _price(log_sigma, delta_loc, delta_log_sigma)


@wrong("O1")
def _price_averaged(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    """The coordinates are averaged. They are independent, so their prices add up."""
    return _price(log_sigma, delta_loc, delta_log_sigma) / log_sigma.shape[-1]


EXERCISE = Exercise(
    id="3.3",
    title="The price of a change",
    kind="implement",
    section=_SECTION,
    reference=_price,
    inputs=_prior_and_change,
    edge_cases=_edges,
    misconceptions=wrong,
)
