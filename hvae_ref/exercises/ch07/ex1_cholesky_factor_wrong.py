"""Wrong answers to exercise 7.1: a covariance from any numbers.

The reference and the inputs are in `ex1_cholesky_factor.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hvae_ref.exercises.ch07.ex1_cholesky_factor import (
    _SECTION,
    _below,
    _edges,
    _filled,
    _positive,
    _raw_numbers,
    _scale_tril,
    _with_diagonal,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("D3", into=_with_diagonal)
def _as_it_comes(diagonal: Tensor, floor: float) -> Tensor:
    """The diagonal is what the net happened to answer, so it may be negative or zero. Then its logarithm, which the
    density needs, is NaN or −∞.
    """
    return diagonal


@wrong("D3", into=_with_diagonal)
def _floor_alone(diagonal: Tensor, floor: float) -> Tensor:
    """A floor is added to numbers that may be anything. It keeps nothing away from zero: −0.3 + 0.3 is 0."""
    return diagonal + floor


@wrong("D3", into=_with_diagonal)
def _without_floor(diagonal: Tensor, floor: float) -> Tensor:
    """The floor is missing. Softplus is positive on paper, but of −800 it is exactly 0 in floating point, and a
    component that closes in on one point has a density without end.
    """
    return softplus(diagonal)


@wrong("D3", into=_with_diagonal)
def _clamped_softplus(diagonal: Tensor, floor: float) -> Tensor:
    """The floor is a clamp. Below it there is no gradient, so a component that once got there never comes back.
    Equation 7.4 adds the floor.
    """
    return softplus(diagonal).clamp(min=floor)


@wrong("D3", into=_with_diagonal)
def _clamped(diagonal: Tensor, floor: float) -> Tensor:
    """The net's numbers are clamped. Below the floor there is no gradient: every component that starts there stays
    there. Softplus is positive and never flat for ordinary numbers.
    """
    return diagonal.clamp(min=floor)


@wrong("D3", into=_with_diagonal)
def _floor_inside(diagonal: Tensor, floor: float) -> Tensor:
    """The floor is added before softplus. What comes out can still be as near to zero as you like."""
    return softplus(diagonal + floor)


@wrong("D3", into=_with_diagonal)
def _overflowing(diagonal: Tensor, floor: float) -> Tensor:
    """log(1 + eˣ) is right on paper. For x = 800 the exponential is infinite, and so is everything after it; torch has
    the same function in a form that does not overflow.
    """
    return (1 + diagonal.exp()).log() + floor


@wrong("D3", into=_with_diagonal)
def _exponential(diagonal: Tensor, floor: float) -> Tensor:
    """This takes an exponential. It is positive, but it turns a step of the net into a factor, and overflows for 800;
    equation 7.4 has softplus, which is nearly the number itself where that is large.
    """
    return diagonal.exp() + floor


@wrong("D3", into=_with_diagonal)
def _exponential_without_floor(diagonal: Tensor, floor: float) -> Tensor:
    """This takes an exponential, without a floor. It overflows for 800 and is 0 for −800; equation 7.4 has softplus and
    a floor.
    """
    return diagonal.exp()


@wrong("D3", into=_with_diagonal)
def _floor_of_the_variance(diagonal: Tensor, floor: float) -> Tensor:
    """The floor is added to the variances, under a root. It works as well, but it is another number wherever softplus
    is not zero; equation 7.4 adds it to the factor's diagonal.
    """
    return (softplus(diagonal).square() + floor**2).sqrt()


@wrong("D3", into=_with_diagonal)
def _absolute_value(diagonal: Tensor, floor: float) -> Tensor:
    """An absolute value is positive, but −2 and 2 give the same, and its slope jumps at 0. Equation 7.4 has
    softplus.
    """
    return diagonal.abs() + floor


@wrong("D3", into=_with_diagonal)
def _square(diagonal: Tensor, floor: float) -> Tensor:
    """A square is positive, but −2 and 2 give the same, and its slope vanishes at 0. Equation 7.4 has softplus."""
    return diagonal.square() + floor


@wrong("D3", into=_with_diagonal)
def _rectified(diagonal: Tensor, floor: float) -> Tensor:
    """Half of all numbers have no gradient here: a rectifier is flat below zero. Softplus is its smooth relative."""
    return diagonal.clamp(min=0) + floor


@wrong("D3", into=_with_diagonal)
def _variances(diagonal: Tensor, floor: float) -> Tensor:
    """The diagonal is taken for variances, and their root goes into the factor. What softplus and floor answer is the
    factor's diagonal itself.
    """
    return (softplus(diagonal) + floor).sqrt()


@wrong("D3")
def _diagonal_alone(raw: Tensor, dim: int, floor: float) -> Tensor:
    """What lies below the diagonal is left at zero. Such a mixture component cannot say that two features go
    together.
    """
    return torch.diag_embed(_positive(raw[:, :dim], floor))


@wrong("D3")
def _positive_throughout(raw: Tensor, dim: int, floor: float) -> Tensor:
    """Softplus is applied below the diagonal too. There any sign is allowed: with none but positive numbers some
    correlations could never be negative.
    """
    return _filled(_positive(raw[:, :dim], floor), softplus(raw[:, dim:]))


@wrong("D3")
def _bounded_below(raw: Tensor, dim: int, floor: float) -> Tensor:
    """What lies below the diagonal is squeezed between −1 and 1. These are no correlations: any number is allowed
    there.
    """
    return _filled(_positive(raw[:, :dim], floor), torch.tanh(raw[:, dim:]))


@wrong("D3")
def _positive_and_floor_throughout(raw: Tensor, dim: int, floor: float) -> Tensor:
    """Softplus and the floor are applied to all numbers. Below the diagonal any sign is allowed, and needed:
    correlations may be negative.
    """
    return _filled(_positive(raw[:, :dim], floor), _positive(raw[:, dim:], floor))


@wrong("D3")
def _floor_throughout(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The floor is added below the diagonal as well. Those entries need no floor; it only tilts them."""
    return _filled(_positive(raw[:, :dim], floor), raw[:, dim:] + floor)


@wrong("D3")
def _floor_in_the_square(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The floor is added to the whole square, and above the diagonal something other than zero now stands."""
    return _filled(softplus(raw[:, :dim]), raw[:, dim:]) + floor


@wrong("D3")
def _covariance(raw: Tensor, dim: int, floor: float) -> Tensor:
    """This is the covariance. Asked for is its Cholesky factor, from which density, draws and determinant all come more
    cheaply.
    """
    factor = _scale_tril(raw, dim, floor)
    return factor @ factor.mT


@wrong("D3")
def _symmetric(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The matrix is made symmetric. That is how a covariance looks, and such a matrix need not be one: nothing keeps
    its eigenvalues positive. A factor has zeros above its diagonal.
    """
    factor = _scale_tril(raw, dim, floor)
    return factor + factor.tril(-1).mT


@wrong("D3")
def _upper(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The factor is transposed: its zeros stand below the diagonal."""
    return _scale_tril(raw, dim, floor).mT


@wrong("D3")
def _upper_by_rows(raw: Tensor, dim: int, floor: float) -> Tensor:
    """An *upper* triangle is filled. The factor has its zeros above the diagonal."""
    return _by_columns(raw, dim, floor).mT


@wrong("D3")
def _by_columns(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The numbers below the diagonal are filled in column by column. Asked for is row by row."""
    tril = torch.diag_embed(_positive(raw[:, :dim], floor))
    row, column = torch.triu_indices(dim, dim, 1)
    tril[:, column, row] = raw[:, dim:]
    return tril


@wrong("D3")
def _triangle_in_one_go(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The numbers are read off row by row with the diagonal among them. Here all of the diagonal comes first, and then
    what lies below it.
    """
    tril = raw.new_zeros(len(raw), dim, dim)
    row, column = torch.tril_indices(dim, dim)
    tril[:, row, column] = raw
    return _filled(_positive(tril.diagonal(dim1=1, dim2=2), floor), tril[:, *_below(dim)])


@wrong("D3")
def _diagonal_last(raw: Tensor, dim: int, floor: float) -> Tensor:
    """The last D numbers have become the diagonal. It is given by the first D."""
    return _scale_tril(raw.roll(dim, -1), dim, floor)


EXERCISE = Exercise(
    id="7.1",
    title="A covariance from any numbers",
    kind="implement",
    section=_SECTION,
    reference=_scale_tril,
    inputs=_raw_numbers,
    edge_cases=_edges,
    atol=1e-12,  # floors may be small
    check_gradient=True,
    misconceptions=wrong,
)
