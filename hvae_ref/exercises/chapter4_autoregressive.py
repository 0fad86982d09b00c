"""Exercise of chapter 4 on the way back through an inverse autoregressive flow: 4.5."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from hvae_ref.exercises.exercise import Exercise, Misconception
from hvae_ref.exercises.inputs import normal, size

_BUYS = "What does an autoregressive flow buy?"

Step = tuple[Tensor, Tensor]


def _parameters(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=5)
    a, c = (normal(rng, dim, dim, scale=scale, dtype=torch.float64) for scale in (0.7, 0.5))
    beta = normal(rng, batch, dim, dtype=torch.float64)
    parameters = a, c, beta, 1 + normal(rng, batch, dim, scale=0.7, dtype=torch.float64)
    z = normal(rng, batch, dim, dtype=torch.float64)
    m, s = _told(z, *parameters)
    # z' comes from a z of ordinary size; of most other z' the gates would make an astronomical z.
    return torch.lerp(m, z, s.sigmoid()), *parameters


def _told(z: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """m and s, each coordinate's from the coordinates before it."""
    return beta + z @ a.tril(-1).T, gamma + z @ c.tril(-1).T


def _undone(z_next: Tensor, m: Tensor, s: Tensor) -> Tensor:
    gate = s.sigmoid()
    return (z_next - (1 - gate) * m) / gate


def _solved(z_next: Tensor, *parameters: Tensor) -> Tensor:
    z = torch.zeros_like(z_next)
    for _ in range(z.shape[1]):
        # Each pass gets one more coordinate right, since m and s of coordinate i read those before it only.
        z = _undone(z_next, *_told(z, *parameters))
    return z


def _back(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z = _solved(z_next, a, c, beta, gamma)
    return z, -logsigmoid(_told(z, a, c, beta, gamma)[1]).sum(-1)


def _back_in_one_pass(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    m, s = _told(z_next, a, c, beta, gamma)
    return _undone(z_next, m, s), -logsigmoid(s).sum(-1)


def _back_slopes_outside(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z = _solved(z_next, a, c, beta, gamma)
    return z, -logsigmoid(_told(z_next, a, c, beta, gamma)[1]).sum(-1)


def _back_with_forth(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z, log_det = _back(z_next, a, c, beta, gamma)
    return z, -log_det


def _back_transposed(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    # z @ tril(A) without the transpose reads the coordinates that come after.
    def turned(matrix: Tensor) -> Tensor:
        return matrix.tril(-1).T.flip(0, 1)

    parts = (z_next.flip(1), turned(a), turned(c), beta.flip(1), gamma.flip(1))
    z, log_det = _back(*parts)
    return z.flip(1), log_det


def _back_affine(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z = torch.zeros_like(z_next)
    for _ in range(z.shape[1]):
        m, s = _told(z, a, c, beta, gamma)
        z = (z_next - m) / s.sigmoid()
    return z, -logsigmoid(_told(z, a, c, beta, gamma)[1]).sum(-1)


def _back_exponential(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z = _solved(z_next, a, c, beta, gamma)
    return z, -_told(z, a, c, beta, gamma)[1].sum(-1)


def _back_without_log(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z = _solved(z_next, a, c, beta, gamma)
    return z, -_told(z, a, c, beta, gamma)[1].sigmoid().sum(-1)


def _back_averaged(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z, log_det = _back(z_next, a, c, beta, gamma)
    return z, log_det / z.shape[1]


ON_AUTOREGRESSION: tuple[Exercise, ...] = (
    Exercise(
        id="4.5",
        title="The slow way back",
        kind="implement",
        section=_BUYS,
        reference=_back,
        inputs=_parameters,
        misconceptions=(
            Misconception(
                "F6",
                _back_in_one_pass,
                "m and s are computed from z'. That is one pass, and it undoes a *masked* autoregressive flow. Here "
                "they were computed from z, which is what you are looking for, so it has to be found coordinate by "
                "coordinate.",
                _BUYS,
            ),
            Misconception(
                "F6",
                _back_slopes_outside,
                "z is right; the log-determinant takes its gates from z'. The step that is undone had them from z.",
                _BUYS,
            ),
            Misconception(
                "F5",
                _back_with_forth,
                "z is right; the log-determinant is that of the way from z to z'. You came the other way.",
                _BUYS,
            ),
            Misconception(
                "F2",
                _back_transposed,
                "Each coordinate is told of those *after* it: the product runs over the wrong axis of the matrix.",
                _BUYS,
            ),
            Misconception(
                "F6",
                _back_affine,
                "This undoes z' = σ(s) z + m. The gate here weighs z against m, so m comes with 1 − σ(s).",
                _BUYS,
            ),
            Misconception(
                "F1",
                _back_exponential,
                "z is right; the log-determinant reads s as the logarithm of the factor. The factor is σ(s).",
                _BUYS,
            ),
            Misconception(
                "F1",
                _back_without_log,
                "z is right; the gates are summed in place of their logarithms.",
                _BUYS,
            ),
            Misconception(
                "O1",
                _back_averaged,
                "z is right; the coordinates' terms are averaged. A triangular determinant is a product.",
                _BUYS,
            ),
        ),
    ),
)
