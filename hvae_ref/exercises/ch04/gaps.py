"""Exercise of chapter 4 on what a posterior misses, and why: 4.7."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_FLOWS_IN_A_VAE = "What do flows do to a VAE?"

Pair = tuple[Tensor, Tensor]


def _weights(rng: np.random.Generator) -> Pair:
    batch = size(rng)
    log_px = -uniform(rng, batch, low=60, high=1200, dtype=torch.float64)
    rows = []
    for fewest, spread in ((1, 1.6), (2, 0.8)):
        noise = normal(rng, size(rng, low=fewest, high=12), batch, scale=spread, dtype=torch.float64)
        rows.append(log_px - spread**2 / 2 + noise)
    return rows[0], rows[1]


def _log_mean_exp(log_w: Tensor) -> Tensor:
    return log_w.logsumexp(0) - math.log(len(log_w))


def _gaps(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    return _log_mean_exp(log_w_fitted) - log_w_fitted.mean(0), log_w_fitted.mean(0) - log_w.mean(0)


def _gaps_without_log_k(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation + math.log(len(log_w_fitted)), amortisation


def _gaps_of_the_mean_log(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return 0 * approximation, amortisation


def _gaps_whole(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation + amortisation, amortisation


def _gaps_of_inference(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation, approximation + amortisation


def _gaps_pooled(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    pooled = _log_mean_exp(torch.cat([log_w, log_w_fitted]))
    return pooled - log_w_fitted.mean(0), log_w_fitted.mean(0) - log_w.mean(0)


def _gaps_from_the_encoder(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    return _log_mean_exp(log_w) - log_w_fitted.mean(0), log_w_fitted.mean(0) - log_w.mean(0)


def _gaps_exchanged(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return amortisation, approximation


def _gaps_below_zero(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return -approximation, -amortisation


def _gaps_of_iwae(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, _ = _gaps(log_w, log_w_fitted)
    return approximation, _log_mean_exp(log_w_fitted) - _log_mean_exp(log_w)


def _gaps_averaged(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    approximation, amortisation = _gaps(log_w, log_w_fitted)
    return approximation.mean(), amortisation.mean()


def _gaps_of_one_draw(log_w: Tensor, log_w_fitted: Tensor) -> Pair:
    return _log_mean_exp(log_w_fitted) - log_w_fitted[0], log_w_fitted[0] - log_w[0]


ON_THE_GAPS: tuple[Exercise, ...] = (
    Exercise(
        id="4.7",
        title="Two gaps in one",
        kind="implement",
        section=_FLOWS_IN_A_VAE,
        reference=_gaps,
        inputs=_weights,
        misconceptions=(
            Misconception(
                "O11",
                _gaps_without_log_k,
                "log K is missing: the sum of the weights stands where their mean belongs.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O11",
                _gaps_of_the_mean_log,
                "The mean of the log-weights estimates the ELBO. log p(x) needs the logarithm of their mean.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "F7",
                _gaps_whole,
                "The first number is the whole gap of the encoder's q. What the best member of the family still "
                "misses is only part of it.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "F7",
                _gaps_of_inference,
                "The second number is the whole inference gap, from log p(x) down to the encoder's ELBO. The part that "
                "the best q of the family misses too is not the encoder's fault.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O10",
                _gaps_pooled,
                "The weights of both q are pooled to estimate log p(x). The encoder's are the more scattered ones, and "
                "the exercise asks for the nearer q alone.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O10",
                _gaps_from_the_encoder,
                "log p(x) is estimated with the encoder's q. Both estimates lie below log p(x) on average, and the "
                "fitted q's lies nearer.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "F7",
                _gaps_exchanged,
                "The two gaps are exchanged. What a better encoder could close is the amortisation gap; what remains "
                "with the best q of the family is the approximation gap.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _gaps_below_zero,
                "Both signs are flipped: log p(x) is the upper end, and the encoder's ELBO the lower one.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O10",
                _gaps_of_iwae,
                "The amortisation gap is a distance between two ELBOs. Importance sampling hides most of it.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O2",
                _gaps_averaged,
                "The examples are averaged. Which example has a wide gap is what one wants to see.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O10",
                _gaps_of_one_draw,
                "The ELBOs are estimated with the first draw only.",
                _FLOWS_IN_A_VAE,
            ),
        ),
    ),
)
