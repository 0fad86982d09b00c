"""Exercises of chapter 1 on the bound and on collapse: 1.5 to 1.7."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.elbo import log_mean_exp
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_BOUND = "1.5 · A bound, and its name"
_AUTOREGRESSIVE = "1.6 · A decoder that draws pixel by pixel"
_REPAIRS = "1.7 · Six repairs, one table"


# 1.5: the importance-weighted bound -----------------------------------------------------------------------------------


def _log_weights(rng: np.random.Generator) -> tuple[Tensor]:
    samples, batch = size(rng, high=9), size(rng)
    # Each example is far from the others, so that one maximum taken out of the whole batch leaves zeros behind.
    far = torch.as_tensor(rng.choice([1.0, 90.0, 900.0], size=batch), dtype=torch.float32)
    return (normal(rng, samples, batch, scale=2) - far,)


def _bound(log_w: Tensor) -> Tensor:
    return log_mean_exp(log_w, dim=0)


def _bound_mean_of_logs(log_w: Tensor) -> Tensor:
    return log_w.mean(0)


def _bound_upside_down(log_w: Tensor) -> Tensor:
    return -log_mean_exp(-log_w, dim=0)


def _bound_not_divided(log_w: Tensor) -> Tensor:
    return torch.logsumexp(log_w, dim=0)


def _bound_divided_outside(log_w: Tensor) -> Tensor:
    return torch.logsumexp(log_w, dim=0) / len(log_w)


def _bound_less_log_batch(log_w: Tensor) -> Tensor:
    return torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[1])


def _bound_of_one_sample(log_w: Tensor) -> Tensor:
    return log_w[0]


ON_THE_BOUND: tuple[Exercise, ...] = (
    Exercise(
        id="1.5",
        title="K samples, one bound",
        kind="implement",
        section=_BOUND,
        reference=_bound,
        inputs=_log_weights,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O11",
                _bound_mean_of_logs,
                "The mean of the logarithms is the ELBO again, estimated with K samples: no tighter, only less "
                "noisy. The logarithm belongs outside the mean.",
                _BOUND,
            ),
            Misconception(
                "O11",
                _bound_upside_down,
                "The average is taken over 1/w: the log-mean-exp went over negative log weights. That is the "
                "harmonic mean, and it lies below the arithmetic one.",
                _BOUND,
            ),
            Misconception(
                "O11",
                _bound_not_divided,
                "The weights are summed, not averaged: log K is missing, and the value grows without end as K "
                "does, past log p(x).",
                _BOUND,
            ),
            Misconception(
                "O11",
                _bound_divided_outside,
                "The division by K came after the logarithm. What divides the weights is subtracted from their "
                "logarithm.",
                _BOUND,
            ),
            Misconception(
                "O11",
                _bound_less_log_batch,
                "The logarithm of the batch size is subtracted. The mean is over the K samples, which are the "
                "first axis.",
                _BOUND,
            ),
            Misconception(
                "O10",
                _bound_of_one_sample,
                "This is the first sample's log weight alone, the estimate of the ELBO. All K have to be used.",
                _BOUND,
            ),
        ),
    ),
    Exercise(
        id="1.6",
        title="Which decoder leaves more to z?",
        kind="predict",
        section=_AUTOREGRESSIVE,
        reference="less",
        choices=("more", "less", "the same"),
        misconceptions=(
            Misconception(
                "S4",
                "more",
                "A larger network can do more with z, and can also do more without it. The bound pays for every "
                "nat in z and nothing for what the decoder learns of the pixels before.",
                _AUTOREGRESSIVE,
            ),
            Misconception(
                "S4",
                "the same",
                "The KL is no property of the data. What z is needed for is what the decoder cannot do by itself.",
                _AUTOREGRESSIVE,
            ),
        ),
    ),
    Exercise(
        id="1.7",
        title="The β at which the light goes out",
        kind="experiment",
        section=_REPAIRS,
        reference=12.5,
        rtol=0.06,
        atol=1e-6,
        misconceptions=(
            Misconception(
                "O3",
                5.0,
                "The noise enters as its standard deviation. A Gaussian's log-density divides by the variance.",
                _REPAIRS,
            ),
            Misconception(
                "O14",
                6.25,
                "Half of the right value: both terms of the loss carry a ½, so it cancels.",
                _REPAIRS,
            ),
        ),
    ),
)
