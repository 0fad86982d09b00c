"""Exercise 7.1: a covariance from any numbers.

Asked for is a Cholesky factor (B, D, D) from any numbers (B, D(D+1)/2): softplus and a floor on the diagonal, the rest
as it is. The gradients are compared too.

The wrong answers, and the exercise itself, follow in `ex1_cholesky_factor_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hvae_ref.exercises.engine.inputs import normal, size

_SECTION = "What makes it a density?"
Diagonal = Callable[[Tensor, float], Tensor]


def _positive(diagonal: Tensor, floor: float) -> Tensor:
    return softplus(diagonal) + floor


def _below(dim: int) -> tuple[Tensor, Tensor]:
    row, column = torch.tril_indices(dim, dim, -1)
    return row, column


def _filled(diagonal: Tensor, below: Tensor) -> Tensor:
    """A lower triangle (B, D, D) from its diagonal (B, D) and what lies below it, row by row."""
    tril = torch.diag_embed(diagonal)
    row, column = _below(diagonal.shape[-1])
    tril[:, row, column] = below
    return tril


def _scale_tril(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _filled(_positive(raw[:, :dim], floor), raw[:, dim:])


def _raw_numbers(rng: np.random.Generator) -> tuple[Tensor, int, float]:
    batch, dim = size(rng), size(rng, high=5)
    raw = normal(rng, batch, dim * (dim + 1) // 2, scale=2.5, dtype=torch.float64)
    if rng.random() < 0.4:  # from an untrained net, or one whose component shrinks to a point
        raw[rng.integers(batch), rng.integers(dim)] = float(rng.choice([-800.0, 800.0]))
    return raw, dim, float(rng.choice([1e-3, 0.02, 0.3]))


def _with_diagonal(diagonal: Diagonal) -> Callable[[Tensor, int, float], Tensor]:
    """The factor, with another diagonal."""

    def scale_tril(raw: Tensor, dim: int, floor: float) -> Tensor:
        return _filled(diagonal(raw[:, :dim], floor), raw[:, dim:])

    return scale_tril


def _edges() -> list[tuple[Tensor, int, float]]:
    """±800 on the diagonal and below it; floors of next to 0 and of 2; one dimension and twelve; float32."""
    rng = np.random.default_rng(71)
    extreme = torch.tensor([[-800.0, 800.0, -30.0, 800.0, -800.0, 0.0]], dtype=torch.float64)

    def raw(batch: int, dim: int) -> Tensor:
        return normal(rng, batch, dim * (dim + 1) // 2, scale=2, dtype=torch.float64)

    return [
        (extreme, 3, 1e-3),
        (extreme.float(), 3, 1e-3),
        (extreme.flip(1), 3, 2.0),
        (extreme, 3, 1e-9),
        (raw(1, 1), 1, 0.5),
        (raw(2, 12), 12, 1e-6),
        (raw(6, 3), 3, 2.0),
        (raw(140, 2), 2, 0.1),
        (raw(1, 36), 36, 0.1),
    ]
