"""Exercise 7.5: whitened, and back.

Asked for is log p(y) (B,) of projected features, from the log-density of whitened ones and the training features
(N, C).

The wrong answers, and the exercise itself, follow in `ex5_density_of_whitened_features_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.ch07.specimens import Tails
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_SECTION = "What does a network see at a place?"
LogDensity = Callable[[Tensor], Tensor]
Basis = tuple[Tensor, Tensor, Tensor]
Fit = Callable[[Tensor, int], Basis]


def _directions(scatter: Tensor) -> tuple[Tensor, Tensor]:
    """Variances, largest first, and their directions as columns."""
    variance, directions = torch.linalg.eigh(scatter)
    return variance.flip(0), directions.flip(1)


def _basis(train: Tensor, dim: int) -> Basis:
    """Mean (C,), directions (C, D) and standard deviations (D,), over all rows."""
    centred = train - train.mean(0)
    variance, directions = _directions(centred.T @ centred / len(train))
    return train.mean(0), directions[:, :dim], variance[:dim].sqrt()


def _whitened(f: Tensor, basis: Basis) -> Tensor:
    mean, directions, scale = basis
    return (f - mean) @ directions / scale


def _log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
    basis = _basis(train, dim)
    return log_p(_whitened(f, basis)) - basis[2].log().sum()


def _features(rng: np.random.Generator) -> tuple[Tensor, Tensor, LogDensity, int]:
    rows, channels, batch = int(rng.integers(12, 30)), int(rng.integers(2, 8)), size(rng)
    # The spreads differ clearly, so that the order of the directions is not in doubt.
    spread = torch.as_tensor(float(rng.uniform(0.3, 3)) * 0.65 ** np.arange(channels))
    turn = torch.linalg.qr(normal(rng, channels, channels, dtype=torch.float64)).Q
    mean = normal(rng, channels, scale=2, dtype=torch.float64)
    cloud = normal(rng, rows + batch, channels, dtype=torch.float64) * spread @ turn + mean
    dim = int(rng.integers(1, channels + 1))
    return cloud[:rows], cloud[rows:], Tails(uniform(rng, dim, low=0.5, high=2, dtype=torch.float64)), dim


def _with_det(log_det: Callable[[Tensor], Tensor | float]) -> Callable[..., Tensor]:
    """The density, with another function of the standard deviations for log |det|."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = _basis(train, dim)
        return log_p(_whitened(f, basis)) + log_det(basis[2])

    return log_density


def _with_u(u: Callable[[Tensor, Basis], Tensor]) -> Callable[..., Tensor]:
    """The density, with another formula for the whitened coordinates."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = _basis(train, dim)
        return log_p(u(f, basis)) - basis[2].log().sum()

    return log_density


def _with_fit(fit: Fit) -> Callable[..., Tensor]:
    """The density, with other components."""

    def log_density(train: Tensor, f: Tensor, log_p: LogDensity, dim: int) -> Tensor:
        basis = fit(train, dim)
        return log_p(_whitened(f, basis)) - basis[2].log().sum()

    return log_density


def _edges() -> list[tuple[Tensor, Tensor, LogDensity, int]]:
    """Large and small features, far from 0; all directions, and one of many; few rows and many; float32."""
    rng = np.random.default_rng(75)

    def drawn(
        rows: int, batch: int, channels: int, dim: int, unit: float, mean: float
    ) -> tuple[Tensor, Tensor, Tails, int]:
        """A cloud in rotated directions of falling spread: rows to fit, rows to score, a density, and how many stay."""
        turn = torch.linalg.qr(normal(rng, channels, channels, dtype=torch.float64)).Q
        spread = torch.as_tensor(unit * 0.6 ** np.arange(channels))
        cloud = normal(rng, rows + batch, channels, dtype=torch.float64) * spread @ turn + mean
        return cloud[:rows], cloud[rows:], Tails(uniform(rng, dim, low=0.5, high=2, dtype=torch.float64)), dim

    single = drawn(30, 3, 3, 2, 1.0, 0.5)
    return [
        drawn(13, 1, 2, 2, 1e3, 1e4),
        drawn(40, 2, 3, 3, 1e-3, 2.0),
        drawn(90, 1, 12, 1, 1.0, -5.0),
        drawn(90, 30, 12, 12, 2.0, 0.0),
        drawn(20, 4, 4, 2, 1.0, 0.0),
        drawn(20, 4, 4, 2, 1.0, 0.0),
        drawn(40, 150, 3, 2, 1.0, 0.0),
        drawn(40, 3, 3, 3, 1e-6, 0.0),
        (single[0].float(), single[1].float(), *single[2:]),
    ]
