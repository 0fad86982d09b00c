"""Exercise 4.5: the slow way back.

Asked for are z (B, D) and log |det ∂z/∂z'| (B,) of the inverse of one step of an inverse autoregressive flow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What does an autoregressive flow buy?"
_TOO_LARGE = 1e2
Step = tuple[Tensor, Tensor]


def _told(z: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """m and s of each coordinate, from the coordinates before it."""
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


def _parameters(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=5)
    while True:
        a, c = (normal(rng, dim, dim, scale=scale, dtype=torch.float64) for scale in (0.7, 0.5))
        beta = normal(rng, batch, dim, dtype=torch.float64)
        parameters = a, c, beta, 1 + normal(rng, batch, dim, scale=0.7, dtype=torch.float64)
        z = normal(rng, batch, dim, dtype=torch.float64)
        m, s = _told(z, *parameters)
        # z' is computed from a z of ordinary size; for most other z' the gates make z extremely large.
        drawn = torch.lerp(m, z, s.sigmoid()), *parameters
        # Without a mask the rounds may diverge; rounding errors then grow, and wrong answers cannot be told apart.
        if all(_with_halves(keep)(*drawn)[0].abs().max() < _TOO_LARGE for keep in (torch.clone, torch.tril)):
            return drawn


def _with_halves(keep: Callable[[Tensor], Tensor]) -> Callable[..., Step]:
    """The right rounds, with other entries of A and C."""

    def back(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
        z = torch.zeros_like(z_next)
        for _ in range(z.shape[1]):
            z = _undone(z_next, beta + z @ keep(a).T, gamma + z @ keep(c).T)
        return z, -logsigmoid(gamma + z @ keep(c).T).sum(-1)

    return back


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """More coordinates than any fixed number of rounds; coordinates that do not depend on each other; one; float32."""
    rng = np.random.default_rng(45)
    chains = [_chain(rng, batch, dim) for batch, dim in ((2, 7), (1, 12), (3, 33), (1, 130))]
    z_next, a, c, beta, gamma = _chain(rng, 2, 6)
    wide = 3 * torch.tensor([[1.0, -1.0] * 3], dtype=torch.float64)
    single = normal(rng, 1, 1, dtype=torch.float64)
    return [
        *chains,
        (z_next, a, c, beta, gamma + wide),
        (z_next, a.triu(), c.triu(), beta, gamma),
        *(_gated(rng, low) for low in (-12.0, -30.0)),
        (single, single, single, single, single),
        (*_chain(rng, 140, 2),),
        (*(part.float() for part in _chain(rng, 2, 3)),),
    ]


def _gated(rng: np.random.Generator, low: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Every second gate nearly shut, so that z' is nearly m; z itself, made from exact parts, is of ordinary size."""
    s = torch.tensor([[low, 1.0, low, 0.5]], dtype=torch.float64)
    z, zero = normal(rng, 1, 4, dtype=torch.float64), torch.zeros(4, 4, dtype=torch.float64)
    below = normal(rng, 4, 4, scale=0.3, dtype=torch.float64)
    below[0], below[2] = 0, 0  # where the gate is nearly shut m is 0, and nothing of z is lost beside it
    beta = torch.tensor([[0.0, 0.5, 0.0, -1.0]], dtype=torch.float64)
    m = _told(z, below, zero, beta, s)[0]
    return torch.lerp(m, z, s.sigmoid()), below, zero, beta, s


def _chain(rng: np.random.Generator, batch: int, dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Each coordinate depends on the one before it so strongly that a mistake in the first reaches the last."""
    above = normal(rng, 2, dim, dim, scale=0.1, dtype=torch.float64).triu()
    before = torch.diag(torch.ones(dim - 1, dtype=torch.float64), -1)
    beta, z = (normal(rng, batch, dim, dtype=torch.float64) for _ in range(2))
    a, c, gamma = before + above[0], 0.02 * before + above[1], torch.zeros(batch, dim, dtype=torch.float64)
    m, s = _told(z, a, c, beta, gamma)
    return torch.lerp(m, z, s.sigmoid()), a, c, beta, gamma


wrong = Misconceptions(_SECTION)


@wrong("F6")
def _back_in_one_pass(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """m and s are computed from z'. That is one pass, and it undoes a *masked* autoregressive flow. Here they were
    computed from z, which is what you are looking for, so it has to be found coordinate by coordinate.
    """
    m, s = _told(z_next, a, c, beta, gamma)
    return _undone(z_next, m, s), -logsigmoid(s).sum(-1)


@wrong("F6")
def _back_slopes_outside(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """z is right; the log-determinant takes its gates from z'. The step that is undone had them from z."""
    z = _solved(z_next, a, c, beta, gamma)
    return z, -logsigmoid(_told(z_next, a, c, beta, gamma)[1]).sum(-1)


@wrong("F5")
def _back_with_forth(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """z is right; the log-determinant is that of the way from z to z'. You came the other way."""
    z, log_det = _back(z_next, a, c, beta, gamma)
    return z, -log_det


@wrong("F2")
def _back_transposed(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """Each coordinate is told of those *after* it: the product runs over the wrong axis of the matrix."""

    # z @ tril(A) without the transpose reads the coordinates that come later.
    def turned(matrix: Tensor) -> Tensor:
        return matrix.tril(-1).T.flip(0, 1)

    parts = (z_next.flip(1), turned(a), turned(c), beta.flip(1), gamma.flip(1))
    z, log_det = _back(*parts)
    return z.flip(1), log_det


@wrong("F6")
def _back_affine(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """This undoes z' = σ(s) z + m. The gate here weighs z against m, so m comes with 1 − σ(s)."""
    z = torch.zeros_like(z_next)
    for _ in range(z.shape[1]):
        m, s = _told(z, a, c, beta, gamma)
        z = (z_next - m) / s.sigmoid()
    return z, -logsigmoid(_told(z, a, c, beta, gamma)[1]).sum(-1)


@wrong("F1")
def _back_exponential(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """z is right; the log-determinant reads s as the logarithm of the factor. The factor is σ(s)."""
    z = _solved(z_next, a, c, beta, gamma)
    return z, -_told(z, a, c, beta, gamma)[1].sum(-1)


@wrong("F6")
def _back_exponential_gate(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """The gate is exp(s) here, which can exceed one, and then 1 minus the gate is negative. The step's gate is the
    sigmoid of s, and the log-determinant follows it.
    """
    z = torch.zeros_like(z_next)
    for _ in range(z.shape[1]):
        m, s = _told(z, a, c, beta, gamma)
        z = m + (z_next - m) / s.exp()
    return z, -_told(z, a, c, beta, gamma)[1].sum(-1)


@wrong("F6", into=_with_halves)
def _all(matrix: Tensor) -> Tensor:
    """A and C are used in full, so every coordinate is told of all the others. What the step may read stands below the
    diagonal; without that mask no number of rounds has to arrive.
    """
    return matrix


@wrong("F6", into=_with_halves)
def _with_the_diagonal(matrix: Tensor) -> Tensor:
    """The diagonals of A and C are kept, so each coordinate is told of itself. m and s of coordinate i read those
    before it only.
    """
    return matrix.tril()


@wrong("F6")
def _back_slopes_unmasked(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """z is right; the gates of the log-determinant read all of C. Only its entries below the diagonal count."""
    # z is solved coordinate by coordinate from zeros, so entries on and above the diagonal matter here only.
    z = _solved(z_next, a, c, beta, gamma)
    return z, -logsigmoid(gamma + z @ c.T).sum(-1)


@wrong("F6", variants=(torch.zeros_like, torch.clone))
def _a_round_short(
    z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor, start: Callable[[Tensor], Tensor]
) -> Step:
    """One round is missing. After r rounds the first r coordinates are right, and there are D: the last one still
    depends on the z you started from.
    """
    z = start(z_next)
    for _ in range(z.shape[1] - 1):
        z = _undone(z_next, *_told(z, a, c, beta, gamma))
    return z, -logsigmoid(_told(z, a, c, beta, gamma)[1]).sum(-1)


@wrong("F1")
def _back_without_log(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """z is right; the gates are summed in place of their logarithms."""
    z = _solved(z_next, a, c, beta, gamma)
    return z, -_told(z, a, c, beta, gamma)[1].sigmoid().sum(-1)


@wrong("O1")
def _back_averaged(z_next: Tensor, a: Tensor, c: Tensor, beta: Tensor, gamma: Tensor) -> Step:
    """z is right; the coordinates' terms are averaged. A triangular determinant is a product."""
    z, log_det = _back(z_next, a, c, beta, gamma)
    return z, log_det / z.shape[1]


EXERCISE = Exercise(
    id="4.5",
    title="The slow way back",
    kind="implement",
    section=_SECTION,
    reference=_back,
    inputs=_parameters,
    edge_cases=_edges,
    misconceptions=wrong,
)
