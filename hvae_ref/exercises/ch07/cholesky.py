"""Exercise of chapter 7 on a Cholesky factor from a net's numbers: 7.1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_DENSITY = "What makes it a density?"

Diagonal = Callable[[Tensor, float], Tensor]


def _raw_numbers(rng: np.random.Generator) -> tuple[Tensor, int, float]:
    batch, dim = size(rng), size(rng, high=5)
    raw = normal(rng, batch, dim * (dim + 1) // 2, scale=2.5, dtype=torch.float64)
    if rng.random() < 0.4:  # as an untrained net may answer, or one that closes in on a point
        raw[rng.integers(batch), rng.integers(dim)] = float(rng.choice([-800.0, 800.0]))
    return raw, dim, float(rng.choice([1e-3, 0.02, 0.3]))


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


def _with(diagonal: Diagonal) -> Callable[[Tensor, int, float], Tensor]:
    """The factor, with another diagonal."""

    def scale_tril(raw: Tensor, dim: int, floor: float) -> Tensor:
        return _filled(diagonal(raw[:, :dim], floor), raw[:, dim:])

    return scale_tril


def _diagonal_alone(raw: Tensor, dim: int, floor: float) -> Tensor:
    return torch.diag_embed(_positive(raw[:, :dim], floor))


def _positive_throughout(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _filled(_positive(raw[:, :dim], floor), softplus(raw[:, dim:]))


def _bounded_below(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _filled(_positive(raw[:, :dim], floor), torch.tanh(raw[:, dim:]))


def _floor_throughout(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _filled(_positive(raw[:, :dim], floor), raw[:, dim:] + floor)


def _positive_and_floor_throughout(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _filled(_positive(raw[:, :dim], floor), _positive(raw[:, dim:], floor))


def _floor_in_the_square(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _filled(softplus(raw[:, :dim]), raw[:, dim:]) + floor


def _covariance(raw: Tensor, dim: int, floor: float) -> Tensor:
    factor = _scale_tril(raw, dim, floor)
    return factor @ factor.mT


def _upper(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _scale_tril(raw, dim, floor).mT


def _upper_by_rows(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _by_columns(raw, dim, floor).mT


def _symmetric(raw: Tensor, dim: int, floor: float) -> Tensor:
    factor = _scale_tril(raw, dim, floor)
    return factor + factor.tril(-1).mT


def _by_columns(raw: Tensor, dim: int, floor: float) -> Tensor:
    tril = torch.diag_embed(_positive(raw[:, :dim], floor))
    row, column = torch.triu_indices(dim, dim, 1)
    tril[:, column, row] = raw[:, dim:]
    return tril


def _triangle_in_one_go(raw: Tensor, dim: int, floor: float) -> Tensor:
    tril = raw.new_zeros(len(raw), dim, dim)
    row, column = torch.tril_indices(dim, dim)
    tril[:, row, column] = raw
    return _filled(_positive(tril.diagonal(dim1=1, dim2=2), floor), tril[:, *_below(dim)])


def _diagonal_last(raw: Tensor, dim: int, floor: float) -> Tensor:
    return _scale_tril(raw.roll(dim, -1), dim, floor)


ON_THE_FACTOR: tuple[Exercise, ...] = (
    Exercise(
        id="7.1",
        title="A covariance from any numbers",
        kind="implement",
        section=_DENSITY,
        reference=_scale_tril,
        inputs=_raw_numbers,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal),
                "The diagonal is what the net happened to answer, so it may be negative or zero. Then its logarithm, "
                "which the density needs, is NaN or −∞.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal + floor),
                "A floor is added to numbers that may be anything. It keeps nothing away from zero: −0.3 + 0.3 is 0.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: softplus(diagonal)),
                "The floor is missing. Softplus is positive on paper, but of −800 it is exactly 0 in floating point, "
                "and a component that closes in on one point has a density without end.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: softplus(diagonal).clamp(min=floor)),
                "The floor is a clamp. Below it there is no gradient, so a component that once got there never comes "
                "back. Equation 7.4 adds the floor.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal.clamp(min=floor)),
                "The net's numbers are clamped. Below the floor there is no gradient: every component that starts "
                "there stays there. Softplus is positive and never flat for ordinary numbers.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: softplus(diagonal + floor)),
                "The floor is added before softplus. What comes out can still be as near to zero as you like.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: (1 + diagonal.exp()).log() + floor),
                "log(1 + eˣ) is right on paper. For x = 800 the exponential is infinite, and so is everything after "
                "it; torch has the same function in a form that does not overflow.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal.exp() + floor),
                "This takes an exponential. It is positive, but it turns a step of the net into a factor, and "
                "overflows for 800; equation 7.4 has softplus, which is nearly the number itself where that is large.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal.exp()),
                "This takes an exponential, without a floor. It overflows for 800 and is 0 for −800; equation 7.4 has "
                "softplus and a floor.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: (softplus(diagonal).square() + floor**2).sqrt()),
                "The floor is added to the variances, under a root. It works as well, but it is another number "
                "wherever softplus is not zero; equation 7.4 adds it to the factor's diagonal.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal.abs() + floor),
                "An absolute value is positive, but −2 and 2 give the same, and its slope jumps at 0. Equation 7.4 "
                "has softplus.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal.square() + floor),
                "A square is positive, but −2 and 2 give the same, and its slope vanishes at 0. Equation 7.4 has "
                "softplus.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: diagonal.clamp(min=0) + floor),
                "Half of all numbers have no gradient here: a rectifier is flat below zero. Softplus is its smooth "
                "relative.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _with(lambda diagonal, floor: (softplus(diagonal) + floor).sqrt()),
                "The diagonal is taken for variances, and their root goes into the factor. What softplus and floor "
                "answer is the factor's diagonal itself.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _diagonal_alone,
                "What lies below the diagonal is left at zero. Such a mixture component cannot say that two features "
                "go together.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _positive_throughout,
                "Softplus is applied below the diagonal too. There any sign is allowed: with none but positive "
                "numbers some correlations could never be negative.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _bounded_below,
                "What lies below the diagonal is squeezed between −1 and 1. These are no correlations: any number is "
                "allowed there.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _positive_and_floor_throughout,
                "Softplus and the floor are applied to all numbers. Below the diagonal any sign is allowed, and "
                "needed: correlations may be negative.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _floor_throughout,
                "The floor is added below the diagonal as well. Those entries need no floor; it only tilts them.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _floor_in_the_square,
                "The floor is added to the whole square, and above the diagonal something other than zero now stands.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _covariance,
                "This is the covariance. Asked for is its Cholesky factor, from which density, draws and determinant "
                "all come more cheaply.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _symmetric,
                "The matrix is made symmetric. That is how a covariance looks, and such a matrix need not be one: "
                "nothing keeps its eigenvalues positive. A factor has zeros above its diagonal.",
                _DENSITY,
            ),
            Misconception("D3", _upper, "The factor is transposed: its zeros stand below the diagonal.", _DENSITY),
            Misconception(
                "D3",
                _upper_by_rows,
                "An *upper* triangle is filled. The factor has its zeros above the diagonal.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _by_columns,
                "The numbers below the diagonal are filled in column by column. Asked for is row by row.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _triangle_in_one_go,
                "The numbers are read off row by row with the diagonal among them. Here all of the diagonal comes "
                "first, and then what lies below it.",
                _DENSITY,
            ),
            Misconception(
                "D3",
                _diagonal_last,
                "The last D numbers have become the diagonal. It is given by the first D.",
                _DENSITY,
            ),
        ),
    ),
)
