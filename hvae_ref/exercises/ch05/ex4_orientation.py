"""Exercise 5.4: an orientation that never divides by zero.

Asked for are orthogonal matrices U (B, m, m) with U e₁ = μ, for unit vectors μ (B, m) in float32, some of which are at
a pole or next to it. Many U are right, so the check compares U e₁ and UᵀU.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How do you draw from it?"


def _first_axis(loc: Tensor) -> Tensor:
    axis = torch.zeros_like(loc)
    axis[..., 0] = 1
    return axis


def _reflection(unit: Tensor) -> Tensor:
    return torch.eye(unit.shape[-1]) - 2 * unit.unsqueeze(-1) * unit.unsqueeze(-2)


def _towards_the_far_pole(loc: Tensor) -> tuple[Tensor, Tensor]:
    """The sign s of μ₁ and the matrix that reflects e₁ to −s μ."""
    sign = torch.where(loc[..., :1] < 0, -1.0, 1.0)
    return sign.unsqueeze(-1), _reflection(normalize(loc + sign * _first_axis(loc), dim=-1))


def _orient(loc: Tensor) -> Tensor:
    sign, reflection = _towards_the_far_pole(loc)
    return -sign * reflection


def _directions(rng: np.random.Generator) -> tuple[Tensor]:
    """Unit vectors: anywhere, on the equator, at the poles, and next to the poles, where a difference loses digits."""
    batch, dim = size(rng), size(rng, low=2, high=8)
    loc = normalize(normal(rng, batch, dim, dtype=torch.float64), dim=-1)
    for row in range(batch):
        where = rng.integers(5)
        if where < 2:
            pole = torch.zeros(dim, dtype=torch.float64)
            pole[0] = 1 if rng.random() < 0.5 else -1
            away = 0 if where == 0 else 10 ** rng.uniform(-5, -3)
            loc[row] = normalize(pole + away * loc[row], dim=-1)
        elif where == 2:
            loc[row, 0] = 0
            loc[row] = normalize(loc[row], dim=-1)
    return (loc.float(),)


def _where_it_leads(matrix: Tensor) -> dict[str, Tensor]:
    """What is compared of an orientation: U e₁, and UᵀU. NaN becomes infinity, so that it can be compared."""
    matrix = matrix.nan_to_num(nan=math.inf)
    return {"first column": matrix[..., 0], "UᵀU": (matrix.mT @ matrix).nan_to_num(nan=math.inf)}


def _edges() -> list[tuple[Tensor]]:
    """Both poles, each alone and among others; next to them; orthogonal to them; two dimensions and sixty-four."""
    found = []
    for dim in (2, 3, 64):
        pole = torch.eye(dim)[:1]
        side = torch.eye(dim)[1:2]
        near = [normalize(sign * pole + away * side, dim=-1) for sign in (1, -1) for away in (1e-7, 1e-5, 1e-3)]
        found += [(pole,), (-pole,), (side,), (-side,), (torch.cat([*near, pole, -pole, side]),)]
    rng = np.random.default_rng(54)
    return [*found, (normalize(normal(rng, 140, 3), dim=-1),), (normalize(normal(rng, 1, 40), dim=-1),)]


wrong = Misconceptions(_SECTION)


@wrong("V7")
def _orient_zero_by_zero(loc: Tensor) -> Tensor:
    """Where μ is e₁ itself, the difference of the two has no direction: 0/0, and one such row of a batch fills the
    gradient of all weights with NaN.
    """
    difference = _first_axis(loc) - loc
    return _reflection(difference / difference.norm(dim=-1, keepdim=True))


@wrong("V7")
def _orient_difference_with_epsilon(loc: Tensor) -> Tensor:
    """The small number in the denominator hides 0/0 and leaves another error: near e₁ the vector is no longer of length
    one, the matrix no longer orthogonal, and samples leave the sphere.
    """
    difference = _first_axis(loc) - loc
    return _reflection(difference / (difference.norm(dim=-1, keepdim=True) + 1e-5))


@wrong("V7")
def _orient_difference(loc: Tensor) -> Tensor:
    """e₁ − μ loses its digits where μ is near e₁: its first coordinate is a difference of two numbers that are almost
    equal. There is a second reflection, along a vector that is never short.
    """
    return _reflection(normalize(_first_axis(loc) - loc, dim=-1))


@wrong("V7")
def _orient_by_torch_sign(loc: Tensor) -> Tensor:
    """Right but where μ₁ is exactly 0: torch.sign(0) is 0, and the whole matrix with it. Both signs are safe there;
    take one of them.
    """
    sign = loc[..., :1].sign()
    return -sign.unsqueeze(-1) * _reflection(normalize(loc + sign * _first_axis(loc), dim=-1))


@wrong("V7")
def _orient_without_the_sign(loc: Tensor) -> Tensor:
    """A reflection along μ + s e₁ takes e₁ to −s μ. The matrix still needs the sign that puts this right."""
    return _towards_the_far_pole(loc)[1]


@wrong("V7")
def _orient_to_minus(loc: Tensor) -> Tensor:
    """The first column is −μ: every sample would land on the far side of the sphere."""
    return -_orient(loc)


@wrong("V7")
def _orient_first_column_replaced(loc: Tensor) -> Tensor:
    """e₁ goes to μ, but the columns are not orthogonal, so other points of the sphere leave it."""
    matrix = torch.eye(loc.shape[-1]).repeat(len(loc), 1, 1)
    matrix[..., 0] = loc
    return matrix


EXERCISE = Exercise(
    id="5.4",
    title="An orientation that never divides by zero",
    kind="implement",
    section=_SECTION,
    reference=_orient,
    inputs=_directions,
    edge_cases=_edges,
    compare_as=_where_it_leads,
    atol=5e-6,
    misconceptions=wrong,
)
