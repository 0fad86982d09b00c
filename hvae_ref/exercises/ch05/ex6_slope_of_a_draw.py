"""Exercise 5.6: how a draw moves with κ.

Asked for is dt/dκ (B,) of a draw t that keeps its rank, in float64, to three digits.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.distributions.sphere.bessel import bessel_ratio, bessel_ratio_derivative
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What is the gradient of a rejected sample?"
_NODES, _WEIGHTS = (torch.as_tensor(part) for part in np.polynomial.legendre.leggauss(200))


def _below(t: Tensor, dim: int, concentration: Tensor, centre: Tensor | float) -> Tensor:
    """The integral of (centre − s) f(s) over s < t, divided by f(t), with f(s) ∝ e^(κs) (1 − s²)^((m−3)/2)."""
    t, concentration, centre = (torch.as_tensor(part).unsqueeze(-1) for part in (t, concentration, centre))
    lowest = t.acos()
    width = (math.pi - lowest) / 2
    angle = lowest + width * (1 + _NODES)
    s = angle.cos()
    log_relative = concentration * (s - t) + (dim - 2) * angle.sin().log() - (dim - 3) / 2 * (1 - t**2).log()
    return (width * _WEIGHTS * (centre - s) * log_relative.exp()).sum(-1)


def _slope(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    return _below(t, dim, concentration, bessel_ratio(dim / 2 - 1, concentration))


def _draws(rng: np.random.Generator) -> tuple[Tensor, int, Tensor]:
    batch, dim = size(rng), int(rng.choice([3, 5, 8, 20, 50]))
    concentration = uniform(rng, batch, low=0.3, high=30, dtype=torch.float64)
    order = dim / 2 - 1
    centre = bessel_ratio(order, concentration)
    spread = bessel_ratio_derivative(order, concentration).sqrt()
    away = normal(rng, batch, dtype=torch.float64).clamp(-2, 2)
    return (centre + spread * away).clamp(-0.95, 0.95), dim, concentration


def _edges() -> list[tuple[Tensor, int, Tensor]]:
    """Nearly uniform and concentrated; three dimensions and a hundred; draws on both sides; one draw and many."""

    def near_the_mean(dim: int, concentration: Tensor) -> tuple[Tensor, int, Tensor]:
        """Draws within two standard deviations of the mean, where a sum over midpoints is accurate."""
        centre = bessel_ratio(dim / 2 - 1, concentration)
        spread = bessel_ratio_derivative(dim / 2 - 1, concentration).sqrt()
        away = torch.tensor([-2.0, -1.0, 0.0, 0.5, 1.5], dtype=torch.float64).repeat(len(concentration) // 5)
        return (centre + spread * away).clamp(-0.95, 0.97), dim, concentration

    values = ((3, 0.02), (3, 60.0), (100, 0.5), (100, 90.0), (4, 5.0))
    found = [near_the_mean(dim, torch.full((5,), value, dtype=torch.float64)) for dim, value in values]
    t, dim, concentration = found[-1]
    many = near_the_mean(30, torch.linspace(0.2, 40, 140).double())
    return [*found, (t[:1], dim, concentration[:1]), many]


wrong = Misconceptions(_SECTION)


@wrong("V6")
def _slope_through_the_proposal(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """This is the slope of Wood's proposal, which autograd finds if it is sent through the sampler. But κ also decides
    which proposals are accepted, and that part has no gradient in the code: the mean over draws comes out wrong, at m =
    5 and κ = 2 as 0.128 for 0.147.
    """
    # With t = (1 − y) / (1 + y) and y = b ε / (1 − ε): ∂t/∂b = −(1 − t²) / 2b, and db/dκ = −2b / √(4κ² + (m−1)²).
    return (1 - t**2) / (4 * concentration**2 + (dim - 1) ** 2).sqrt()


@wrong("V6")
def _slope_of_the_mean(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """This is the derivative of the mean cosine, and the right answer averages to it. But each draw has a slope of its
    own, and a function of z that is not linear needs it.
    """
    return bessel_ratio_derivative(dim / 2 - 1, concentration) + 0 * t


@wrong("V6")
def _slope_without_the_constant(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """The constant of the density depends on κ too. Its derivative is what turns −s into A − s under the integral."""
    return _below(t, dim, concentration, 0.0)


def _density(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """f(t), the density of the cosine."""
    angle = math.pi / 2 * (1 + _NODES)
    log_relative = concentration.unsqueeze(-1) * (angle.cos() - t.unsqueeze(-1)) + (dim - 2) * angle.sin().log()
    mass = (math.pi / 2 * _WEIGHTS * log_relative.exp()).sum(-1)
    return (1 - t**2) ** ((dim - 3) / 2) / mass


@wrong("V6")
def _slope_of_the_cdf(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """This is −∂F/∂κ: how much mass passes t as κ grows. For the speed of the draw, ask how much mass there is at t."""
    return _slope(t, dim, concentration) * _density(t, dim, concentration)


@wrong("V6")
def _score(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """This is the score, ∂ log f(t)/∂κ at a draw that stands still. Asked for is how the draw moves while its rank F(t;
    κ) stays.
    """
    return t - bessel_ratio(dim / 2 - 1, concentration)


@wrong("O14")
def _slope_flipped(t: Tensor, dim: int, concentration: Tensor) -> Tensor:
    """The sign is flipped. A larger κ pulls draws towards μ, so their cosine grows."""
    return -_slope(t, dim, concentration)


EXERCISE = Exercise(
    id="5.6",
    title="How a draw moves with κ",
    kind="derive",
    section=_SECTION,
    reference=_slope,
    inputs=_draws,
    edge_cases=_edges,
    rtol=3e-3,
    atol=1e-5,
    misconceptions=wrong,
)
