"""Exercise 5.2: the price of a direction.

Asked for is KL(vMF(μ, κ) ‖ uniform) in nats for concentrations (B,) from a few thousandths to some hundreds. The
gradient is compared too.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.distributions.sphere.bessel import bessel_kl, bessel_ratio, log_bessel_i, log_bessel_normalized
from hvae_ref.distributions.sphere.hyperspherical_uniform import log_sphere_area
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How many nats does a direction cost?"


def _kl(dim: int, concentration: Tensor) -> Tensor:
    return bessel_kl(dim / 2 - 1, concentration)


def _dim_and_concentration(rng: np.random.Generator) -> tuple[int, Tensor]:
    dim = int(rng.choice([2, 3, 5, 10, 50, 200]))
    # From nearly uniform (where two large numbers cancel) to very concentrated.
    return dim, 10 ** uniform(rng, size(rng), low=-2.5, high=2.5, dtype=torch.float64)


def _edges() -> list[tuple[int, Tensor]]:
    """The ends of the range of κ, in few dimensions and in a thousand; one κ and many; float32."""
    ends = torch.tensor([0.002, 0.01, 1.0, 100.0, 900.0, 2e4], dtype=torch.float64)
    return [
        (2, ends),
        (3, ends),
        (7, ends),
        (200, ends),
        (1000, ends[2:]),
        *((3, value[None]) for value in ends),
        (4, torch.linspace(0.1, 9, 140, dtype=torch.float64)),
        (11, torch.tensor([3.0, 40.0])),
    ]


wrong = Misconceptions(_SECTION)


def _log_c(dim: int, concentration: Tensor) -> Tensor:
    return -log_bessel_normalized(dim / 2 - 1, concentration) - log_sphere_area(dim)


@wrong("V3")
def _kl_half_kappa(dim: int, concentration: Tensor) -> Tensor:
    """½κ + log C − log Γ(m/2) is found in lecture notes, and is no divergence: at κ = 0, where the two distributions
    are one, it is not zero. Begin with E[log q(z)], and keep the whole area of the sphere.
    """
    return concentration / 2 + _log_c(dim, concentration) - math.lgamma(dim / 2)


@wrong("V3")
def _kl_kappa(dim: int, concentration: Tensor) -> Tensor:
    """κ stands there alone, as if every draw were at μ. What is needed is κ times the *mean* cosine."""
    return concentration + _log_c(dim, concentration) + log_sphere_area(dim)


@wrong("V3")
def _kl_without_area(dim: int, concentration: Tensor) -> Tensor:
    """This is the expected log-density of q. The uniform has a log-density too, and it is not zero."""
    return _kl(dim, concentration) - log_sphere_area(dim)


@wrong("V3")
def _kl_area_subtracted(dim: int, concentration: Tensor) -> Tensor:
    """The log-density of the uniform is *minus* the logarithm of the area, and it is subtracted."""
    return _kl(dim, concentration) - 2 * log_sphere_area(dim)


@wrong("V3")
def _kl_half_the_area(dim: int, concentration: Tensor) -> Tensor:
    """log 2 is missing on every input: the area of the sphere has a factor 2 (think of the circle, 2π)."""
    return _kl(dim, concentration) - math.log(2)


@wrong("V2")
def _kl_without_two_pi(dim: int, concentration: Tensor) -> Tensor:
    """The constant of the density lacks its (2π) to the power m/2, so at κ = 0 something is left."""
    return _kl(dim, concentration) + dim / 2 * math.log(2 * math.pi)


@wrong("V2")
def _kl_constant_upside_down(dim: int, concentration: Tensor) -> Tensor:
    """The constant stands upside down: C multiplies the density, so the Bessel function is in its denominator."""
    return concentration * bessel_ratio(dim / 2 - 1, concentration) - _log_c(dim, concentration) + log_sphere_area(dim)


@wrong("V1")
def _kl_order_zero(dim: int, concentration: Tensor) -> Tensor:
    """The Bessel functions have order 0 (and 1) in every dimension. That is the circle's; on the sphere in m dimensions
    the order depends on m.
    """
    log_c = (dim / 2 - 1) * concentration.log() - dim / 2 * math.log(2 * math.pi) - log_bessel_i(0, concentration)
    return concentration * bessel_ratio(0, concentration) + log_c + log_sphere_area(dim)


@wrong("O14")
def _kl_swapped(dim: int, concentration: Tensor) -> Tensor:
    """This is the divergence of the uniform from q: under the uniform the mean cosine is zero. The bound takes its
    expectation under q.
    """
    return log_bessel_normalized(dim / 2 - 1, concentration)


EXERCISE = Exercise(
    id="5.2",
    title="The price of a direction",
    kind="derive",
    section=_SECTION,
    reference=_kl,
    inputs=_dim_and_concentration,
    edge_cases=_edges,
    check_gradient=True,
    atol=1e-10,
    misconceptions=wrong,
)
