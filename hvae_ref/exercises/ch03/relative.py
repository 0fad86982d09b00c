"""Exercises of chapter 3 on posteriors that start from their prior: 3.3 and 3.4."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_RELATIVE = "3.4 · Relative posteriors"


# 3.3: the price of a change -------------------------------------------------------------------------------------------


def _prior_and_change(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return normal(rng, batch, dim, scale=0.5), normal(rng, batch, dim), normal(rng, batch, dim, scale=0.5)


def _price(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    moved = (delta_loc / log_sigma.exp()) ** 2
    return (0.5 * (moved + (2 * delta_log_sigma).exp() - 1) - delta_log_sigma).sum(-1)


def _price_at_unit_scale(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return _price(0 * log_sigma, delta_loc, delta_log_sigma)


def _price_of_log_variance(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return _price(0.5 * log_sigma, delta_loc, 0.5 * delta_log_sigma)


def _price_with_half_a_logarithm(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return _price(log_sigma, delta_loc, delta_log_sigma) + 0.5 * delta_log_sigma.sum(-1)


def _price_by_sigma(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return _price(0.5 * log_sigma, delta_loc, delta_log_sigma)


def _price_swapped(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return _price(log_sigma + delta_log_sigma, delta_loc, -delta_log_sigma)


def _price_doubled(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return 2 * _price(log_sigma, delta_loc, delta_log_sigma)


def _price_averaged(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    return _price(log_sigma, delta_loc, delta_log_sigma) / log_sigma.shape[-1]


# 3.4: a posterior with a given KL -------------------------------------------------------------------------------------


def _scales_and_nats(rng: np.random.Generator) -> tuple[Tensor, float]:
    batch, dim = size(rng), size(rng, high=5)
    return normal(rng, batch, dim, scale=0.7, dtype=torch.float64), float(rng.uniform(0.3, 6))


def _shifted(log_sigma: Tensor, squared: float) -> tuple[Tensor, Tensor, Tensor]:
    """All scales kept, the first coordinate moved by √squared of the prior's standard deviations."""
    delta_loc = torch.zeros_like(log_sigma)
    delta_loc[..., 0] = math.sqrt(squared) * log_sigma[..., 0].exp()
    return log_sigma, delta_loc, torch.zeros_like(log_sigma)


def _on_order(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    return _shifted(log_sigma, 2 * nats)


def _on_order_at_unit_scale(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    _, delta_loc, delta_log_sigma = _shifted(torch.zeros_like(log_sigma), 2 * nats)
    return log_sigma, delta_loc, delta_log_sigma


def _on_order_spread_at_unit_scale(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    return log_sigma, torch.full_like(log_sigma, math.sqrt(2 * nats / log_sigma.shape[-1])), torch.zeros_like(log_sigma)


def _on_order_without_the_half(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    return _shifted(log_sigma, nats)


def _on_order_each_coordinate(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    return log_sigma, math.sqrt(2 * nats) * log_sigma.exp(), torch.zeros_like(log_sigma)


def _prior_and_price(answer: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
    """What counts of (log σ, Δμ, log Δσ): the prior it belongs to and the nats it costs."""
    log_sigma, delta_loc, delta_log_sigma = (torch.as_tensor(part, dtype=torch.float64) for part in answer)
    return {"log σ": log_sigma, "KL": _price(log_sigma, delta_loc, delta_log_sigma)}


ON_THE_RELATIVE: tuple[Exercise, ...] = (
    Exercise(
        id="3.3",
        title="The price of a change",
        kind="implement",
        section=_RELATIVE,
        reference=_price,
        inputs=_prior_and_change,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O7",
                _price_at_unit_scale,
                "The change of the mean is charged as if the prior had variance one. A shift costs what it is in "
                "units of the prior's own standard deviation.",
                _RELATIVE,
            ),
            Misconception(
                "O7",
                _price_by_sigma,
                "The squared shift is divided by σ. Both have to be squared: what counts is the ratio of shift and "
                "scale.",
                _RELATIVE,
            ),
            Misconception(
                "O3",
                _price_of_log_variance,
                "The logarithms are read as those of variances. `log_sigma` and `delta_log_sigma` are logarithms of "
                "a scale and of a ratio of scales, and have to be doubled before they become variances.",
                _RELATIVE,
            ),
            Misconception(
                "O3",
                _price_with_half_a_logarithm,
                "`delta_log_sigma` stands where log Δσ² belongs. Inside the bracket the logarithm is that of the "
                "ratio of variances.",
                _RELATIVE,
            ),
            Misconception(
                "O14",
                _price_swapped,
                "This is the KL of the prior from the posterior. The expectation in the bound is under q.",
                _RELATIVE,
            ),
            Misconception(
                "O14",
                _price_doubled,
                "Everything is twice as large as it should be: the ½ has been lost.",
                _RELATIVE,
            ),
            Misconception(
                "O1",
                _price_averaged,
                "The coordinates are averaged. They are independent, so their prices add up.",
                _RELATIVE,
            ),
        ),
    ),
    Exercise(
        id="3.4",
        title="Nats on order",
        kind="open",
        section=_RELATIVE,
        reference=_on_order,
        inputs=_scales_and_nats,
        compare_as=_prior_and_price,
        misconceptions=(
            Misconception(
                "O7",
                _on_order_at_unit_scale,
                "This costs what was ordered only where the prior has scale one. Measure the shift in units of σ.",
                _RELATIVE,
            ),
            Misconception(
                "O7",
                _on_order_spread_at_unit_scale,
                "This costs what was ordered only where the prior has scale one. Measure the shift in units of σ.",
                _RELATIVE,
            ),
            Misconception(
                "O14",
                _on_order_without_the_half,
                "The posterior costs half of the order: there is a ½ in front of the squared shift.",
                _RELATIVE,
            ),
            Misconception(
                "O1",
                _on_order_each_coordinate,
                "Each coordinate costs what was ordered, and the prices of the coordinates add up.",
                _RELATIVE,
            ),
        ),
    ),
)
