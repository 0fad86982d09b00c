"""Exercise of chapter 4 on the way back through an inverse autoregressive flow: 4.5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_BUYS = "What does an autoregressive flow buy?"

_ASTRONOMICAL = 1e2

_A_ROUND_SHORT = (
    "One round is missing. After r rounds the first r coordinates are right, and there are D: the last one still "
    "depends on the z you started from."
)

Step = tuple[Tensor, Tensor]


def _parameters(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=5)
    while True:
        a, c = (normal(rng, dim, dim, scale=scale, dtype=torch.float64) for scale in (0.7, 0.5))
        beta = normal(rng, batch, dim, dtype=torch.float64)
        parameters = a, c, beta, 1 + normal(rng, batch, dim, scale=0.7, dtype=torch.float64)
        z = normal(rng, batch, dim, dtype=torch.float64)
        m, s = _told(z, *parameters)
        # z' comes from a z of ordinary size; of most other z' the gates would make an astronomical z.
        drawn = torch.lerp(m, z, s.sigmoid()), *parameters
        # Without a mask the rounds may run away, where rounding grows and gates vanish: mistakes cannot be told apart.
        if all(_with_halves(keep)(*drawn)[0].abs().max() < _ASTRONOMICAL for keep in (_all, torch.tril)):
            return drawn


def _all(matrix: Tensor) -> Tensor:
    return matrix


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


def _back_exponential_gate(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    z = torch.zeros_like(z_next)
    for _ in range(z.shape[1]):
        m, s = _told(z, a, c, beta, gamma)
        z = m + (z_next - m) / s.exp()
    return z, -_told(z, a, c, beta, gamma)[1].sum(-1)


def _with_halves(keep: Callable[[Tensor], Tensor]) -> Callable[..., Step]:
    """The rounds of the right answer with other entries of A and C kept."""

    def back(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
        z = torch.zeros_like(z_next)
        for _ in range(z.shape[1]):
            z = _undone(z_next, beta + z @ keep(a).T, gamma + z @ keep(c).T)
        return z, -logsigmoid(gamma + z @ keep(c).T).sum(-1)

    return back


def _back_slopes_unmasked(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    # Coordinate by coordinate from zeros, what stands on or above the diagonal meets zeros until the log-determinant.
    z = _solved(z_next, a, c, beta, gamma)
    return z, -logsigmoid(gamma + z @ c.T).sum(-1)


def _a_round_short(start: Callable[[Tensor], Tensor]) -> Callable[..., Step]:
    """One round fewer than there are coordinates."""

    def back(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
        z = start(z_next)
        for _ in range(z.shape[1] - 1):
            z = _undone(z_next, *_told(z, a, c, beta, gamma))
        return z, -logsigmoid(_told(z, a, c, beta, gamma)[1]).sum(-1)

    return back


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
                "F6",
                _back_exponential_gate,
                "The gate is exp(s) here, which can exceed one, and then 1 minus the gate is negative. The step's "
                "gate is the sigmoid of s, and the log-determinant follows it.",
                _BUYS,
            ),
            Misconception(
                "F6",
                _with_halves(_all),
                "A and C are used in full, so every coordinate is told of all the others. What the step may read "
                "stands below the diagonal; without that mask no number of rounds has to arrive.",
                _BUYS,
            ),
            Misconception(
                "F6",
                _with_halves(torch.tril),
                "The diagonals of A and C are kept, so each coordinate is told of itself. m and s of coordinate i "
                "read those before it only.",
                _BUYS,
            ),
            Misconception(
                "F6",
                _back_slopes_unmasked,
                "z is right; the gates of the log-determinant read all of C. Only its entries below the diagonal "
                "count.",
                _BUYS,
            ),
            Misconception("F6", _a_round_short(torch.zeros_like), _A_ROUND_SHORT, _BUYS),
            Misconception("F6", _a_round_short(torch.clone), _A_ROUND_SHORT, _BUYS),
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
