"""Exercise 6.5: how late is it?

Asked for is the mean lag (B,) in ms under a softmax of the correlation of two signals (B, T); it is 0, and so is its
gradient, where a signal is constant. The gradients are compared too.

The wrong answers, and the exercise itself, follow in `ex5_lag_with_a_gradient_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.objectives.alignment import soft_lag

_SECTION = "What is minimised, and when?"
Correlation = Callable[[Tensor, Tensor, int], Tensor]
_CONSTANTS = (0.1, 0.25, 0.7, 1.1)  # the mean of 0.25s is exactly 0.25; for the others it is rounded


def _lag(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
    return soft_lag(a, b, max_lag, temperature) * SAMPLE_INTERVAL_MS


def _pairs(rng: np.random.Generator) -> tuple[Tensor, Tensor, int, float]:
    flat = rng.random() < 0.5  # a loose electrode, or a decoder before training
    # A constant minus its mean may not be 0 but a rounding error; with seven samples this happens for three of them.
    short = flat and rng.random() < 0.6
    batch, samples = size(rng), 7 if short else int(rng.integers(24, 60))
    max_lag = int(rng.integers(3, 6 if short else 11))
    time = torch.arange(samples, dtype=torch.float64)
    place = uniform(rng, batch, 1, low=0.3 * samples, high=0.7 * samples, dtype=torch.float64)
    shift = uniform(rng, batch, 1, low=-0.7 * max_lag, high=0.7 * max_lag, dtype=torch.float64)
    width = uniform(rng, batch, 1, low=1.5, high=4, dtype=torch.float64)

    def response(at: Tensor) -> Tensor:
        size_, offset = (uniform(rng, batch, 1, low=low, dtype=torch.float64) for low in (0.2, 0.3))
        noise = normal(rng, batch, samples, scale=0.05, dtype=torch.float64)
        return size_ * torch.exp(-(((time - at) / width) ** 2) / 2) + offset + noise

    a, b = response(place), response(place + shift)
    if flat:
        (a, b)[int(rng.integers(2))][int(rng.integers(batch))] = _CONSTANTS[int(rng.integers(len(_CONSTANTS)))]
    return a, b, max_lag, float(rng.uniform(0.05, 0.4))


def _mean_lag(weight: Tensor, max_lag: int) -> Tensor:
    """From weights of the lags to the mean lag in ms."""
    lags = torch.arange(-max_lag, max_lag + 1, dtype=weight.dtype) * SAMPLE_INTERVAL_MS
    return (weight * lags).sum(-1)


def _lag_of(correlation: Correlation) -> Callable[..., Tensor]:
    """The lag, with another correlation."""

    def lag(a: Tensor, b: Tensor, max_lag: int, temperature: float) -> Tensor:
        return _mean_lag(torch.softmax(correlation(a, b, max_lag) / temperature, -1), max_lag)

    return lag


def _edges() -> list[tuple[Tensor, Tensor, int, float]]:
    """A hot and a cold softmax; small and large signals; both signals constant; one lag, and all there are; float32."""
    rng = np.random.default_rng(65)

    def drawn(batch: int, samples: int) -> tuple[Tensor, Tensor]:
        a = normal(rng, batch, samples, dtype=torch.float64).cumsum(-1)
        return a, a.roll(2, -1) + normal(rng, batch, samples, scale=0.3, dtype=torch.float64)

    a, b = drawn(2, 30)
    flat = torch.full_like(a, 0.7)
    time = torch.arange(120, dtype=torch.float64)
    wide = [(-(((time - centre) / 15) ** 2) / 2).exp()[None] for centre in (60.0, 62.4)]
    return [
        (*wide, 4, 0.001),  # neighbouring lags differ by little
        (a, b, 5, 0.001),
        (a, b, 5, 0.01),
        (a, b, 5, 40.0),
        (1e-2 * a, 1e3 * b, 6, 0.2),
        (b, a, 6, 0.2),
        (a + 100, b - 100, 4, 0.2),
        (flat, b, 3, 0.2),
        (a, 0 * b, 3, 0.2),
        (flat, flat, 3, 0.2),
        (a, -a, 7, 0.1),
        (*drawn(1, 9), 8, 0.3),
        (1e-5 * a, 1e-4 * b, 5, 0.2),
        (*drawn(1, 90), 1, 0.3),
        (*drawn(1, 90), 40, 0.3),
        (*drawn(140, 12), 2, 0.3),
        (a.float(), b.float(), 5, 0.3),
    ]
