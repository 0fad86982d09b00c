"""Exercise 4.4: from two square matrices to a step.

Asked for are z' (B, D) and the log-determinant (B,) of a Sylvester step, from two square matrices (B, M, M) whose upper
triangles are used, with tanh on the diagonal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How do you bend D dimensions at once?"
Step = tuple[Tensor, Tensor]


def _diagonal(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1)


def _triangular(raw: Tensor) -> Tensor:
    return raw.triu(1) + torch.diag_embed(_diagonal(raw).tanh())


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _inside(z: Tensor, q: Tensor, r_tilde: Tensor, b: Tensor) -> Tensor:
    return _times(r_tilde, _times(q.mT, z)) + b


def _moved(z: Tensor, q: Tensor, r: Tensor, r_tilde: Tensor, b: Tensor) -> Tensor:
    return z + _times(q, _times(r, torch.tanh(_inside(z, q, r_tilde, b))))


def _slope(a: Tensor) -> Tensor:
    return 1 - torch.tanh(a) ** 2


def _step(z: Tensor, q: Tensor, r: Tensor, r_tilde: Tensor, b: Tensor) -> Step:
    """Equations 4.7 and 4.8 for any two matrices."""
    slope = _slope(_inside(z, q, r_tilde, b))
    return _moved(z, q, r, r_tilde, b), (1 + slope * _diagonal(r) * _diagonal(r_tilde)).abs().log().sum(-1)


def _sylvester(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    return _step(z, q, _triangular(raw), _triangular(raw_tilde), b)


def _parameters(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng, high=5), size(rng, high=5)
    return _drawn(rng, batch, dim, int(rng.integers(1, dim + 1)))


def _drawn(rng: np.random.Generator, batch: int, dim: int, bends: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    q = torch.linalg.qr(normal(rng, batch, dim, dim, dtype=torch.float64)).Q[:, :, :bends].contiguous()
    while True:
        z = normal(rng, batch, dim, scale=1.5, dtype=torch.float64)
        raw, raw_tilde = (normal(rng, batch, bends, bends, dtype=torch.float64) for _ in range(2))
        b = normal(rng, batch, bends, dtype=torch.float64)
        # Unbounded diagonals may fold a step. These do not, so that the wrong formula is finite with and without | |.
        slope = _slope(_inside(z, q, raw_tilde.triu(), b))
        if (slope * _diagonal(raw) * _diagonal(raw_tilde)).min() > -0.95:
            return z, q, raw, raw_tilde, b


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """As many bends as dimensions, and one of many; more dimensions than a random case has; entries of ±30; float32."""
    rng = np.random.default_rng(44)
    found = [_drawn(rng, *sizes) for sizes in ((1, 1, 1), (1, 9, 9), (2, 12, 1), (3, 10, 4), (140, 3, 2), (1, 36, 36))]
    z, q, raw, raw_tilde, b = _drawn(rng, 2, 4, 3)
    steep = torch.diag_embed(30 * torch.ones(2, 3, dtype=torch.float64) * torch.tensor([1.0, -1.0, 1.0]))
    found += [(z, q, raw.triu(1) + steep, raw_tilde.triu(1) + steep, b), (z, q, 0 * raw, raw_tilde, b)]
    found.append((z, q, 30 * raw.triu(1) + steep, 0.1 * raw_tilde, b))
    return [*found, tuple(part.float() for part in _drawn(rng, 3, 4, 2))]


wrong = Misconceptions(_SECTION)


@wrong("F2")
def _sylvester_dense(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """The matrices still have entries below the diagonal. Then the determinant is not the product of the diagonal's
    factors, and nothing keeps it from zero.
    """
    bounded = (m - torch.diag_embed(_diagonal(m) - _diagonal(m).tanh()) for m in (raw, raw_tilde))
    return _step(z, q, *bounded, b)


@wrong("F2")
def _sylvester_unbounded(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """The matrices are triangular, but their diagonals are unbounded: a product of diagonal entries below −1 folds
    space.
    """
    return _step(z, q, raw.triu(), raw_tilde.triu(), b)


@wrong("F2")
def _sylvester_swapped(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """R and R̃ are exchanged. R̃, from `raw_tilde`, stands inside h, and R, from `raw`, before it."""
    return _sylvester(z, q, raw_tilde, raw, b)


@wrong("F2")
def _sylvester_squashed(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """tanh is applied to all entries. Only the diagonal can bring the determinant to zero; bounding the entries above
    it takes away bends and guards against nothing.
    """
    return _step(z, q, raw.triu().tanh(), raw_tilde.triu().tanh(), b)


@wrong("F2")
def _sylvester_other_half(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """The lower halves of the two matrices are kept. R and R̃ are their upper triangles."""
    return _step(z, q, _triangular(raw.mT).mT, _triangular(raw_tilde.mT).mT, b)


@wrong("F2")
def _sylvester_transposed(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """The right halves are kept, but R and R̃ are transposed: the products with vectors run over the wrong axis."""
    return _step(z, q, _triangular(raw).mT, _triangular(raw_tilde).mT, b)


def _log_sum(factors: Tensor) -> Tensor:
    return factors.abs().log().sum(-1)


@wrong("F2")
def _sylvester_relu(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """h is a ReLU here. Its slope is 0 or 1, so the log-determinant jumps where the argument changes sign and is flat
    everywhere else; the step asks for tanh.
    """
    r, r_tilde = _triangular(raw), _triangular(raw_tilde)
    inside = _inside(z, q, r_tilde, b)
    z_next = z + _times(q, _times(r, inside.relu()))
    return z_next, _log_sum(1 + (inside > 0) * _diagonal(r) * _diagonal(r_tilde))


@wrong("F2")
def _sylvester_slope_without_bias(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
    """The slope of h is taken at another place than h itself: the b is missing."""
    r, r_tilde = _triangular(raw), _triangular(raw_tilde)
    slope = _slope(_inside(z, q, r_tilde, torch.zeros_like(b)))
    return _moved(z, q, r, r_tilde, b), _log_sum(1 + slope * _diagonal(r) * _diagonal(r_tilde))


def _with_log_det(log_det: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Step]:
    """The right z', with another function of the argument of h, of R and of R̃ for the log-determinant."""

    def step(z: Tensor, q: Tensor, raw: Tensor, raw_tilde: Tensor, b: Tensor) -> Step:
        r, r_tilde = _triangular(raw), _triangular(raw_tilde)
        return _moved(z, q, r, r_tilde, b), log_det(_inside(z, q, r_tilde, b), r, r_tilde)

    return step


@wrong("F2", into=_with_log_det)
def _of_r_alone(a: Tensor, r: Tensor, r_tilde: Tensor) -> Tensor:
    """This is log |det R|. The map is the identity plus a bend, so its Jacobian is the identity plus a product, and R
    is only one factor of it.
    """
    return torch.linalg.slogdet(r).logabsdet + 0 * a.sum(-1)


@wrong("F2", into=_with_log_det)
def _of_both_matrices(a: Tensor, r: Tensor, r_tilde: Tensor) -> Tensor:
    """This is log |det R R̃|. The identity that z itself contributes is missing, and so is the slope of h."""
    return torch.linalg.slogdet(r @ r_tilde).logabsdet + 0 * a.sum(-1)


@wrong("F2", into=_with_log_det)
def _one_diagonal(a: Tensor, r: Tensor, r_tilde: Tensor) -> Tensor:
    """Only the diagonal of R is used. The bend passes through R̃ on its way in and through R on its way out."""
    return _log_sum(1 + _slope(a) * _diagonal(r))


@wrong("F2", into=_with_log_det)
def _without_slope(a: Tensor, r: Tensor, r_tilde: Tensor) -> Tensor:
    """The slope of h is missing, as if h were the identity. The Jacobian depends on where z is."""
    return _log_sum(1 + 0 * a + _diagonal(r) * _diagonal(r_tilde))


@wrong("O1", into=_with_log_det)
def _averaged(a: Tensor, r: Tensor, r_tilde: Tensor) -> Tensor:
    """The M factors are averaged. The determinant is their product."""
    return (1 + _slope(a) * _diagonal(r) * _diagonal(r_tilde)).log().mean(-1)


EXERCISE = Exercise(
    id="4.4",
    title="From two square matrices to a step",
    kind="implement",
    section=_SECTION,
    reference=_sylvester,
    inputs=_parameters,
    edge_cases=_edges,
    misconceptions=wrong,
)
