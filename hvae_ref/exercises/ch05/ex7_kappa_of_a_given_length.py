"""Exercise 5.7: the κ of a given length.

Asked for are the three concentrations at which the mean has length one half, for m = 3, 30 and 300, to three per
cent.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hvae_ref.distributions.sphere.bessel import bessel_ratio, bessel_ratio_derivative
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "Why do hyperspherical VAEs collapse?"
_NATS = "How many nats does a direction cost?"
_DIMS = (3, 30, 300)


def _half_way(dims: tuple[int, ...]) -> tuple[float, ...]:
    """The κ at which the mean has length one half, for each dimension, by Newton's method."""
    order = torch.tensor(dims, dtype=torch.float64) / 2 - 1
    concentration = 4 / 3 * (order + 1)
    for _ in range(6):
        excess = bessel_ratio(order, concentration) - 0.5
        concentration = concentration - excess / bessel_ratio_derivative(order, concentration)
    return tuple(concentration.tolist())


def _for_each_dimension(concentrations: Any) -> Tensor | str:  # noqa: ANN401
    """The numbers, or a word where all three are the same."""
    found = torch.as_tensor(concentrations, dtype=torch.float64)
    alike = found.ndim == 1 and len(found) == len(_DIMS) and bool((found - found[0]).abs().max() < 0.03 * found[0])
    return "one κ for every dimension" if alike else found


wrong = Misconceptions(_SECTION)

wrong.value(
    "V9",
    tuple(1.0 for _ in _DIMS),
    "One κ for every dimension. What κ means depends on m: the same number that points on the sphere in "
    "three dimensions is next to the uniform in three hundred.",
)

wrong.value(
    "V9",
    tuple(math.sqrt(m) for m in _DIMS),
    "κ grows with √m here, and the mean length falls all the same: near the uniform it is about κ/m.",
)

wrong.value(
    "V5",
    tuple(float(m) for m in _DIMS),
    "The growth is right, the factor is not: κ = m gives a length near 0.62.",
    section=_NATS,
)

wrong.value(
    "V5",
    tuple(2 * m / 3 for m in _DIMS),
    "κ = ⅔m is right for a large m. At m = 3 use the closed form of the length, coth κ − 1/κ.",
    section=_NATS,
)

wrong.value(
    "V5",
    tuple(m / 2 for m in _DIMS),
    "The growth is right, the factor is not. A ≈ κ/m holds near the uniform; half-way it has begun to bend.",
    section=_NATS,
)

wrong.value(
    "V5",
    tuple(m - 1.0 for m in _DIMS),
    "The growth is right, the factor is not. A ≈ 1 − (m − 1)/2κ is the limit of a large κ, and half-way is not there.",
    section=_NATS,
)


EXERCISE = Exercise(
    id="5.7",
    title="The κ of a given length",
    kind="predict",
    section=_SECTION,
    reference=_half_way(_DIMS),
    compare_as=_for_each_dimension,
    rtol=0.03,
    misconceptions=wrong,
)
