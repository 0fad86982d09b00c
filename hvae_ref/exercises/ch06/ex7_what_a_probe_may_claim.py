"""Exercise 6.7: what a probe may claim.

Asked for is R² (M,) of a ridge regression of factors (M, N) on codes (N, d), predicted out of fold.

The wrong answers, and the exercise itself, follow in `ex7_what_a_probe_may_claim_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.inputs import normal, size

_SECTION = "What does each latent hold?"
Probe = tuple[Tensor, Tensor, Tensor, float]
Fit = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def _ridge(code: Tensor, target: Tensor, penalty: float) -> Tensor:
    """Weights (d, M) of a ridge regression of targets (n, M), both centred already."""
    return torch.linalg.solve(code.T @ code + penalty * torch.eye(code.shape[1], dtype=code.dtype), code.T @ target)


def _predicted(code: Tensor, target: Tensor, other: Tensor, penalty: float) -> Tensor:
    centre, mean = code.mean(0), target.mean(0)
    return mean + (other - centre) @ _ridge(code - centre, target - mean, penalty)


def _out_of_fold(code: Tensor, factors: Tensor, fold: Tensor, penalty: float, fit: Fit = _predicted) -> Tensor:
    """Predictions (M, N), each from a probe that has not seen its row."""
    guess = torch.empty_like(factors)
    for k in fold.unique():
        test = fold == k
        guess[:, test] = fit(code[~test], factors[:, ~test].T, code[test], penalty).T
    return guess


def _score(factors: Tensor, guess: Tensor, around: Tensor | float) -> Tensor:
    return 1 - ((factors - guess) ** 2).sum(-1) / ((factors - around) ** 2).sum(-1)


def _mean(factors: Tensor) -> Tensor:
    return factors.mean(-1, keepdim=True)


def _r2(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
    return _score(factors, _out_of_fold(code, factors, fold, penalty), _mean(factors))


def _codes_and_factors(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, float]:
    rows, dim, count = int(rng.integers(14, 40)), size(rng, high=4), size(rng, high=4)
    code = normal(rng, rows, dim, dtype=torch.float64) + normal(rng, 1, dim, scale=1.5, dtype=torch.float64)
    noise = normal(rng, count, rows, scale=float(rng.uniform(0.3, 1.5)), dtype=torch.float64)
    factors = normal(rng, count, dim, dtype=torch.float64) @ code.T + noise
    factors = factors + normal(rng, count, 1, scale=3, dtype=torch.float64)
    fold = torch.as_tensor(rng.permutation(rows) % int(rng.integers(2, 6)))
    return code, factors, fold, float(rng.uniform(0.1, 3))


def _r2_with(fit: Fit) -> Callable[..., Tensor]:
    """The score, with another probe."""

    def r2(code: Tensor, factors: Tensor, fold: Tensor, penalty: float) -> Tensor:
        return _score(factors, _out_of_fold(code, factors, fold, penalty, fit), _mean(factors))

    return r2


def _edges() -> list[Probe]:
    """Two folds, nine, one a row; gaps; folds of one row; penalties of 0 and 1000; small units."""
    rng = np.random.default_rng(67)

    def drawn(rows: int, dim: int, count: int, fold: np.ndarray | list[int], penalty: float) -> Probe:
        code = normal(rng, rows, dim, dtype=torch.float64) + 2
        factors = normal(rng, count, dim, dtype=torch.float64) @ code.T + normal(rng, count, rows, dtype=torch.float64)
        return code, factors - 5, torch.as_tensor(np.asarray(fold), dtype=torch.int64), penalty

    turns = np.arange(150)
    code, factors, fold, _ = drawn(18, 2, 2, turns[:18] % 3, 0.0)
    return [
        (code, factors, fold, 0.5),
        (code.flip(1), 2 * factors.flip(1), fold, 0.5),
        (1e-4 * code, factors, fold, 0.0),
        (code, 1e-6 * factors, fold, 0.5),
        (0.1 * code, factors, fold, 0.05),
        drawn(150, 2, 3, turns % 3, 0.5),
        drawn(150, 2, 1, turns % 75, 0.5),
        drawn(24, 2, 3, turns[:24] % 2, 0.5),
        drawn(45, 2, 3, turns[:45] % 9, 0.5),
        drawn(12, 1, 1, turns[:12], 1e-6),
        drawn(21, 2, 2, [[2, 5, 9][turn % 3] for turn in range(21)], 1.0),
        drawn(20, 2, 2, np.maximum(turns[:20] - 15, 0), 1.0),
        drawn(30, 7, 5, turns[:30] // 5, 1e3),
        drawn(40, 3, 140, turns[:40] % 4, 0.0),
    ]
