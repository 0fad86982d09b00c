"""Exercise 3.4: nats on order.

Asked for is a relative posterior whose KL is a given number of nats for every example, whatever the prior's scales
(B, d). Many answers are right, so the check compares the prior's scales and the KL.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.4 · Relative posteriors"


def _shifted(log_sigma: Tensor, squared: float) -> tuple[Tensor, Tensor, Tensor]:
    """All scales kept, the first coordinate moved by √squared of the prior's standard deviations."""
    delta_loc = torch.zeros_like(log_sigma)
    delta_loc[..., 0] = math.sqrt(squared) * log_sigma[..., 0].exp()
    return log_sigma, delta_loc, torch.zeros_like(log_sigma)


def _on_order(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    return _shifted(log_sigma, 2 * nats)


def _scales_and_nats(rng: np.random.Generator) -> tuple[Tensor, float]:
    batch, dim = size(rng), size(rng, high=5)
    return normal(rng, batch, dim, scale=0.7, dtype=torch.float64), float(rng.uniform(0.3, 6))


def _price(log_sigma: Tensor, delta_loc: Tensor, delta_log_sigma: Tensor) -> Tensor:
    moved = (delta_loc / log_sigma.exp()) ** 2
    return (0.5 * (moved + (2 * delta_log_sigma).exp() - 1) - delta_log_sigma).sum(-1)


def _prior_and_price(answer: Any) -> dict[str, Tensor]:  # noqa: ANN401
    """What is compared of (log σ, Δμ, log Δσ): log σ of the prior, and the KL."""
    log_sigma, delta_loc, delta_log_sigma = (torch.as_tensor(part, dtype=torch.float64) for part in answer)
    return {"log σ": log_sigma, "KL": _price(log_sigma, delta_loc, delta_log_sigma)}


def _edges() -> list[tuple[Tensor, float]]:
    """Very little and very much; scales from e^−20 to e^20; one value and many; float32."""
    rng = np.random.default_rng(34)
    scales = torch.tensor([[-20.0, -5.0, 0.0, 5.0, 20.0]], dtype=torch.float64)
    return [
        (scales, 0.01),
        (scales.T.contiguous(), 150.0),
        (torch.zeros(1, 1, dtype=torch.float64), 40.0),
        (normal(rng, 30, 40, dtype=torch.float64), 3.0),
        (torch.zeros(1, 3, dtype=torch.float64), 2000.0),
        *((normal(rng, 140, 2, dtype=torch.float64), 0.7) for _ in range(2)),  # a second of one shape
        (normal(rng, 4, 1), 1.0),
        (normal(rng, 5, 3), 20.0),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O7")
def _on_order_at_unit_scale(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    """This costs what was ordered only where the prior has scale one. Measure the shift in units of σ."""
    _, delta_loc, delta_log_sigma = _shifted(torch.zeros_like(log_sigma), 2 * nats)
    return log_sigma, delta_loc, delta_log_sigma


@wrong("O7")
def _on_order_spread_at_unit_scale(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    """This costs what was ordered only where the prior has scale one. Measure the shift in units of σ."""
    return log_sigma, torch.full_like(log_sigma, math.sqrt(2 * nats / log_sigma.shape[-1])), torch.zeros_like(log_sigma)


@wrong("O14")
def _on_order_without_the_half(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    """The posterior costs half of the order: there is a ½ in front of the squared shift."""
    return _shifted(log_sigma, nats)


@wrong("O1")
def _on_order_each_coordinate(log_sigma: Tensor, nats: float) -> tuple[Tensor, Tensor, Tensor]:
    """Each coordinate costs what was ordered, and the prices of the coordinates add up."""
    return log_sigma, math.sqrt(2 * nats) * log_sigma.exp(), torch.zeros_like(log_sigma)


EXERCISE = Exercise(
    id="3.4",
    title="Nats on order",
    kind="open",
    section=_SECTION,
    reference=_on_order,
    inputs=_scales_and_nats,
    edge_cases=_edges,
    compare_as=_prior_and_price,
    misconceptions=wrong,
)
