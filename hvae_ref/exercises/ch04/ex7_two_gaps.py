"""Exercise 4.7: two gaps in one.

Asked for are the approximation gap and the amortisation gap in nats, each (B,), from log weights (n, B) under the
encoder's q and (m, B) under the fitted q. The weights may be as small as −1200.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What do flows do to a VAE?"
Pair = tuple[Tensor, Tensor]


def _log_mean_exp(log_w: Tensor) -> Tensor:
    return log_w.logsumexp(0) - math.log(len(log_w))


def _gaps(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    return _log_mean_exp(log_w_fitted) - log_w_fitted.mean(0), log_w_fitted.mean(0) - log_w.mean(0)


def _weights(rng: np.random.Generator) -> Pair:
    batch = size(rng)
    log_px = -uniform(rng, batch, low=60, high=1200, dtype=torch.float64)
    rows = []
    for fewest, spread in ((1, 1.6), (2, 0.8)):
        noise = normal(rng, size(rng, low=fewest, high=12), batch, scale=spread, dtype=torch.float64)
        rows.append(log_px - spread**2 / 2 + noise)
    return rows[0], rows[1]


def _edges() -> list[Pair]:
    """Weights 1200 apart, with the largest in every place; one weight; many; large ones; float32."""
    found = []
    for largest in range(3):
        log_w = torch.full((3, 2), -1200.0, dtype=torch.float64)
        log_w[largest, 0] = 0.0
        found.append((log_w[:2] - 5, log_w))
    rng = np.random.default_rng(47)
    return [
        *found,
        (normal(rng, 1, 3, dtype=torch.float64) - 1200, normal(rng, 1, 3, dtype=torch.float64) - 1200),
        (normal(rng, 4, 2, dtype=torch.float64) + 900, normal(rng, 9, 2, dtype=torch.float64) + 905),
        (normal(rng, 2, 1, dtype=torch.float64) - 80, normal(rng, 600, 1, dtype=torch.float64) - 80),
        (normal(rng, 3, 150, dtype=torch.float64) - 80, normal(rng, 2, 150, dtype=torch.float64) - 80),
        (normal(rng, 5, 5) - 8, normal(rng, 5, 5) - 8),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O11")
def _gaps_without_log_k(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """log K is missing: the sum of the weights stands where their mean belongs."""
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation + math.log(len(log_w_fitted)), amortisation


@wrong("O11")
def _gaps_of_the_mean_log(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The mean of the log-weights estimates the ELBO. log p(x) needs the logarithm of their mean."""
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return 0 * approximation, amortisation


@wrong("F7")
def _gaps_whole(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The first number is the whole gap of the encoder's q. What the best member of the family still misses is only
    part of it.
    """
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation + amortisation, amortisation


@wrong("F7")
def _gaps_of_inference(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The second number is the whole inference gap, from log p(x) down to the encoder's ELBO. The part that the best q
    of the family misses too is not the encoder's fault.
    """
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation, approximation + amortisation


@wrong("O10")
def _gaps_pooled(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The weights of both q are pooled to estimate log p(x). The encoder's are the more scattered ones, and the
    exercise asks for the nearer q alone.
    """
    pooled = _log_mean_exp(torch.cat([log_w, log_w_fitted]))
    return pooled - log_w_fitted.mean(0), log_w_fitted.mean(0) - log_w.mean(0)


@wrong("O10")
def _gaps_from_the_encoder(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """log p(x) is estimated with the encoder's q. Both estimates lie below log p(x) on average, and the fitted q's lies
    nearer.
    """
    return _log_mean_exp(log_w) - log_w_fitted.mean(0), log_w_fitted.mean(0) - log_w.mean(0)


@wrong("F7")
def _gaps_exchanged(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The two gaps are exchanged. What a better encoder could close is the amortisation gap; what remains with the best
    q of the family is the approximation gap.
    """
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return amortisation, approximation


@wrong("O14")
def _gaps_below_zero(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """Both signs are flipped: log p(x) is the upper end, and the encoder's ELBO the lower one."""
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return -approximation, -amortisation


@wrong("O10")
def _gaps_of_iwae(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The amortisation gap is a distance between two ELBOs. Importance sampling hides most of it."""
    approximation, _ = _gaps(log_w, log_w_fitted)
    return approximation, _log_mean_exp(log_w_fitted) - _log_mean_exp(log_w)


@wrong("O2")
def _gaps_averaged(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The examples are averaged. Which example has a wide gap is what one wants to see."""
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation.mean(), amortisation.mean()


@wrong("O10")
def _gaps_of_one_draw(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    """The ELBOs are estimated with the first draw only."""
    return _log_mean_exp(log_w_fitted) - log_w_fitted[0], log_w_fitted[0] - log_w[0]


EXERCISE = Exercise(
    id="4.7",
    title="Two gaps in one",
    kind="implement",
    section=_SECTION,
    reference=_gaps,
    inputs=_weights,
    edge_cases=_edges,
    misconceptions=wrong,
)
