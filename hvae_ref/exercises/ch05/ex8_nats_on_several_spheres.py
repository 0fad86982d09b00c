"""Exercise 5.8: nats on order, on several spheres.

Asked for are the dimensions and concentrations of spheres that cost given nats altogether. Many answers are right, so
the check compares number, total dimension and nats.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch

from hvae_ref.distributions.sphere.bessel import bessel_kl, bessel_ratio_derivative
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "A sphere at the top of a hierarchy"
_NATS = "How many nats does a direction cost?"
Spheres = tuple[list[int], list[float]]


def _split(dim: int, count: int) -> list[int]:
    return [dim // count + (part < dim % count) for part in range(count)]


@cache
def _costing(nats: float, *dims: int) -> tuple[float, ...]:
    """The κ at which a sphere costs this many nats, for each of several dimensions.

    On logarithmic axes the cost is a concave function of κ and lies below κ²/2m. Newton's method starts where κ²/2m has
    this value, and comes to the solution from below.
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


def _order(rng: np.random.Generator) -> tuple[float, int, int]:
    count = int(rng.integers(1, 5))
    dim = int(rng.integers(2 * count + 2, 41))
    return float(rng.uniform(0.2, 0.8)) * (dim - count), dim, count


def _bill(answer: Any) -> dict[str, Any]:  # noqa: ANN401
    """What is compared of a product of spheres: number, total dimension and nats."""
    dims, concentrations = ([float(part) for part in parts] for parts in answer)
    if len(dims) != len(concentrations):
        raise ValueError(f"expected one concentration a sphere, got {len(dims)} and {len(concentrations)}")
    if any(dim != int(dim) or dim < 2 for dim in dims) or any(not 0 <= k < math.inf for k in concentrations):
        raise ValueError(f"expected whole dims >= 2 and concentrations >= 0, got {dims} and {concentrations}")
    order, kappa = torch.tensor(dims, dtype=torch.float64) / 2 - 1, torch.tensor(concentrations, dtype=torch.float64)
    return {"spheres": len(dims), "dimensions": sum(dims), "nats": bessel_kl(order, kappa).sum()}


def _edges() -> list[tuple[float, int, int]]:
    """One sphere and nine; nothing but circles; few dimensions and many; little and much."""
    return [
        (0.5, 2, 1),
        (2.0, 2, 1),
        (1.2, 6, 3),
        (2.5, 7, 3),
        (3.0, 20, 9),
        (9.0, 18, 9),
        (30.0, 80, 1),
        (20.0, 100, 7),
        (0.3, 8, 2),
        (60.0, 80, 1),
        (50.0, 90, 40),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O1")
def _spheres_all_nats_each(nats: float, dim: int, count: int) -> Spheres:
    """Each sphere pays the whole bill. The factors are independent, so their divergences add up."""
    dims = _split(dim, count)
    return dims, list(_costing(nats, *dims))


@wrong("V1", section=_NATS)
def _spheres_of_the_whole(nats: float, dim: int, count: int) -> Spheres:
    """κ is found for one sphere in all the dimensions. Each factor has an m of its own, and with it its own order of
    the Bessel functions.
    """
    return _split(dim, count), count * list(_costing(nats / count, dim))


@wrong("V9", section=_NATS)
def _spheres_sharing_one_kappa(nats: float, dim: int, count: int) -> Spheres:
    """The κ of one large sphere is shared out. Nats add up over the factors, concentrations do not: what a κ costs
    depends on its sphere's dimension.
    """
    return _split(dim, count), count * [_costing(nats, dim)[0] / count]


@wrong("V5", section=_NATS)
def _spheres_near_uniform(nats: float, dim: int, count: int) -> Spheres:
    """κ²/2m is the price near the uniform. A few nats on a small sphere are far from it."""
    dims = _split(dim, count)
    return dims, [math.sqrt(2 * m * nats / count) for m in dims]


@wrong("V4")
def _spheres_counted_on_the_surface(nats: float, dim: int, count: int) -> Spheres:
    """A sphere in m dimensions is called S^(m−1), and has m − 1 degrees of freedom. The m of all formulas is that of
    the space around it, and these are what should add up.
    """
    dims = [m + 1 for m in _split(dim, count)]
    return dims, list(_costing(nats / count, *dims))


EXERCISE = Exercise(
    id="5.8",
    title="Nats on order, on several spheres",
    kind="open",
    section=_SECTION,
    reference=_spheres,
    inputs=_order,
    edge_cases=_edges,
    compare_as=_bill,
    rtol=1e-3,
    atol=1e-3,
    misconceptions=wrong,
)
