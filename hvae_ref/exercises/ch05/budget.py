"""Exercises of chapter 5 on κ beside the dimension and on several spheres: 5.7 and 5.8."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae_ref.distributions.bessel import bessel_kl, bessel_ratio, bessel_ratio_derivative
from hvae_ref.exercises.engine.exercise import Exercise, Misconception

_COLLAPSE = "Why do hyperspherical VAEs collapse?"
_NATS = "How many nats does a direction cost?"
_HIERARCHY = "A sphere at the top of a hierarchy"

_DIMS = (3, 30, 300)

Spheres = tuple[list[int], list[float]]


# 5.7: the κ that is half-way ------------------------------------------------------------------------------------------


def _half_way(dims: tuple[int, ...]) -> tuple[float, ...]:
    """The κ of each dimension at which the mean length is a half, by Newton's method."""
    order = torch.tensor(dims, dtype=torch.float64) / 2 - 1
    concentration = 4 / 3 * (order + 1)
    for _ in range(6):
        excess = bessel_ratio(order, concentration) - 0.5
        concentration = concentration - excess / bessel_ratio_derivative(order, concentration)
    return tuple(concentration.tolist())


def _for_each_dimension(concentrations: Any) -> Tensor | str:  # noqa: ANN401
    """The numbers, or what they have in common if they are one."""
    found = torch.as_tensor(concentrations, dtype=torch.float64)
    alike = found.ndim == 1 and len(found) == len(_DIMS) and bool((found - found[0]).abs().max() < 0.03 * found[0])
    return "one κ for every dimension" if alike else found


# 5.8: a product of spheres that costs what is ordered -----------------------------------------------------------------


def _order(rng: np.random.Generator) -> tuple[float, int, int]:
    count = int(rng.integers(1, 5))
    dim = int(rng.integers(2 * count + 2, 41))
    return float(rng.uniform(0.2, 0.8)) * (dim - count), dim, count


def _split(dim: int, count: int) -> list[int]:
    return [dim // count + (part < dim % count) for part in range(count)]


@cache
def _costing(nats: float, *dims: int) -> tuple[float, ...]:
    """The κ at which a sphere costs so much, for each of several dimensions.

    On logarithmic axes the cost is a concave function of κ, and κ²/2m lies above it: from where that costs as much,
    Newton's method climbs to the answer without passing it.
    """
    order = torch.tensor(dims, dtype=torch.float64) / 2 - 1
    concentration = (4 * (order + 1) * nats).sqrt()
    for _ in range(20):
        cost = bessel_kl(order, concentration)
        if bool(((cost / nats - 1).abs() < 1e-7).all()):
            break
        slope = concentration**2 * bessel_ratio_derivative(order, concentration) / cost
        concentration = concentration * (-(cost / nats).log() / slope).exp()
    return tuple(concentration.tolist())


def _spheres(nats: float, dim: int, count: int) -> Spheres:
    dims = _split(dim, count)
    return dims, list(_costing(nats / count, *dims))


def _spheres_all_nats_each(nats: float, dim: int, count: int) -> Spheres:
    dims = _split(dim, count)
    return dims, list(_costing(nats, *dims))


def _spheres_of_the_whole(nats: float, dim: int, count: int) -> Spheres:
    return _split(dim, count), count * list(_costing(nats / count, dim))


def _spheres_sharing_one_kappa(nats: float, dim: int, count: int) -> Spheres:
    return _split(dim, count), count * [_costing(nats, dim)[0] / count]


def _spheres_near_uniform(nats: float, dim: int, count: int) -> Spheres:
    dims = _split(dim, count)
    return dims, [math.sqrt(2 * m * nats / count) for m in dims]


def _spheres_counted_on_the_surface(nats: float, dim: int, count: int) -> Spheres:
    dims = [m + 1 for m in _split(dim, count)]
    return dims, list(_costing(nats / count, *dims))


def _bill(answer: Spheres) -> dict[str, Any]:
    """What counts of a product of spheres: how many, in how many dimensions altogether, and their nats."""
    dims, concentrations = ([float(part) for part in parts] for parts in answer)
    if len(dims) != len(concentrations):
        raise ValueError(f"expected one concentration a sphere, got {len(dims)} and {len(concentrations)}")
    if any(dim != int(dim) or dim < 2 for dim in dims) or any(not 0 <= k < math.inf for k in concentrations):
        raise ValueError(f"expected whole dims >= 2 and concentrations >= 0, got {dims} and {concentrations}")
    order, kappa = torch.tensor(dims, dtype=torch.float64) / 2 - 1, torch.tensor(concentrations, dtype=torch.float64)
    return {"spheres": len(dims), "dimensions": sum(dims), "nats": bessel_kl(order, kappa).sum()}


ON_THE_BUDGET: tuple[Exercise, ...] = (
    Exercise(
        id="5.7",
        title="The κ of a given length",
        kind="predict",
        section=_COLLAPSE,
        reference=_half_way(_DIMS),
        compare_as=_for_each_dimension,
        rtol=0.03,
        misconceptions=(
            Misconception(
                "V9",
                tuple(1.0 for _ in _DIMS),
                "One κ for every dimension. What κ means depends on m: the same number that points on the sphere in "
                "three dimensions is next to the uniform in three hundred.",
                _COLLAPSE,
            ),
            Misconception(
                "V9",
                tuple(math.sqrt(m) for m in _DIMS),
                "κ grows with √m here, and the mean length falls all the same: near the uniform it is about κ/m.",
                _COLLAPSE,
            ),
            Misconception(
                "V5",
                tuple(float(m) for m in _DIMS),
                "The growth is right, the factor is not: κ = m gives a length near 0.62.",
                _NATS,
            ),
            Misconception(
                "V5",
                tuple(2 * m / 3 for m in _DIMS),
                "κ = ⅔m is right for a large m. At m = 3 use the closed form of the length, coth κ − 1/κ.",
                _NATS,
            ),
            Misconception(
                "V5",
                tuple(m / 2 for m in _DIMS),
                "The growth is right, the factor is not. A ≈ κ/m holds near the uniform; half-way it has begun to "
                "bend.",
                _NATS,
            ),
            Misconception(
                "V5",
                tuple(m - 1.0 for m in _DIMS),
                "The growth is right, the factor is not. A ≈ 1 − (m − 1)/2κ is the limit of a large κ, and half-way "
                "is not there.",
                _NATS,
            ),
        ),
    ),
    Exercise(
        id="5.8",
        title="Nats on order, on several spheres",
        kind="open",
        section=_HIERARCHY,
        reference=_spheres,
        inputs=_order,
        compare_as=_bill,
        rtol=1e-3,
        atol=1e-3,
        misconceptions=(
            Misconception(
                "O1",
                _spheres_all_nats_each,
                "Each sphere pays the whole bill. The factors are independent, so their divergences add up.",
                _HIERARCHY,
            ),
            Misconception(
                "V1",
                _spheres_of_the_whole,
                "κ is found for one sphere in all the dimensions. Each factor has an m of its own, and with it its own "
                "order of the Bessel functions.",
                _NATS,
            ),
            Misconception(
                "V9",
                _spheres_sharing_one_kappa,
                "The κ of one large sphere is shared out. Nats add up over the factors, concentrations do not: what a "
                "κ costs depends on its sphere's dimension.",
                _NATS,
            ),
            Misconception(
                "V5",
                _spheres_near_uniform,
                "κ²/2m is the price near the uniform. A few nats on a small sphere are far from it.",
                _NATS,
            ),
            Misconception(
                "V4",
                _spheres_counted_on_the_surface,
                "A sphere in m dimensions is called S^(m−1), and has m − 1 degrees of freedom. The m of all formulas "
                "is that of the space around it, and these are what should add up.",
                _HIERARCHY,
            ),
        ),
    ),
)
