"""Exercise 5.3: a constant for 512 dimensions.

Asked for is log C_m(κ), (B,), in up to 1024 dimensions, where the Bessel function itself is too small for a float.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.distributions.sphere.bessel import log_bessel_i
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "Why does the Bessel function break?"
_NATS = "How many nats does a direction cost?"


def _constant(power: float, two_pi: float, log_bessel: Tensor, concentration: Tensor) -> Tensor:
    return power * concentration.log() - two_pi * math.log(2 * math.pi) - log_bessel


def _log_constant(dim: int, concentration: Tensor) -> Tensor:
    return _constant(dim / 2 - 1, dim / 2, log_bessel_i(dim / 2 - 1, concentration), concentration)


def _dim_and_concentration(rng: np.random.Generator) -> tuple[int, Tensor]:
    # At 512 and above I_ν(κ) is too small for float64; below, it is well within the range.
    dim, high = [(2, 60), (3, 60), (4, 60), (7, 60), (16, 60), (64, 60), (256, 60), (512, 10), (512, 10), (1024, 60)][
        rng.integers(10)
    ]
    return dim, uniform(rng, size(rng), low=0.5, high=high, dtype=torch.float64)


def _edges() -> list[tuple[int, Tensor]]:
    """The ends of the range of κ, in the fewest and the most dimensions, even and odd; one κ and many; float32."""
    ends = torch.tensor([0.02, 1.0, 60.0], dtype=torch.float64)
    found = [(dim, ends) for dim in (2, 3, 5, 128, 511, 512, 1023, 1024)]
    return [
        *found,
        (2, ends[2:]),
        (1024, ends[:1]),
        (6, torch.linspace(0.1, 60, 140, dtype=torch.float64)),
        (5, ends.float()),
    ]


wrong = Misconceptions(_SECTION)


@wrong("V8")
def _log_constant_by_way_of_i(dim: int, concentration: Tensor) -> Tensor:
    """The formula is right, and yet it answers infinity where m is large: I_ν(κ) is there below the smallest float64,
    scaled or not, and its logarithm is taken too late. Stay in logarithms from the first term on.
    """
    scaled = (log_bessel_i(dim / 2 - 1, concentration) - concentration).exp()  # what scipy.special.ive returns
    return _constant(dim / 2 - 1, dim / 2, scaled.log() + concentration, concentration)


@wrong("V1", section=_NATS)
def _log_constant_order_zero(dim: int, concentration: Tensor) -> Tensor:
    """I₀ belongs to the circle. The dimension enters through the integral over a slice of the sphere, and with it the
    order.
    """
    return _constant(dim / 2 - 1, dim / 2, log_bessel_i(0, concentration), concentration)


@wrong("V1", section=_NATS)
def _log_constant_order_above(dim: int, concentration: Tensor) -> Tensor:
    """The order is one too high. Try m = 2: the constant of the circle is 1 / (2π I₀(κ))."""
    return _constant(dim / 2 - 1, dim / 2, log_bessel_i(dim / 2, concentration), concentration)


@wrong("V2", section=_NATS)
def _log_constant_without_two_pi(dim: int, concentration: Tensor) -> Tensor:
    """The power of 2π is missing. Try m = 3, where the integral of e^(κt) over the sphere can be done by hand."""
    return _constant(dim / 2 - 1, 0, log_bessel_i(dim / 2 - 1, concentration), concentration)


@wrong("V2", section=_NATS)
def _log_constant_one_two_pi(dim: int, concentration: Tensor) -> Tensor:
    """2π stands there once, which is right on the circle only. Its power grows with the dimension."""
    return _constant(dim / 2 - 1, 1, log_bessel_i(dim / 2 - 1, concentration), concentration)


@wrong("V2", section=_NATS)
def _log_constant_power_of_kappa(dim: int, concentration: Tensor) -> Tensor:
    """The power of κ is one too high. As κ → 0 the constant must approach one over the sphere's area, and this one goes
    to zero.
    """
    return _constant(dim / 2, dim / 2, log_bessel_i(dim / 2 - 1, concentration), concentration)


@wrong("V2", section=_NATS)
def _log_constant_upside_down(dim: int, concentration: Tensor) -> Tensor:
    """The sign is flipped: this is the logarithm of the integral. The constant divides by it."""
    return -_log_constant(dim, concentration)


EXERCISE = Exercise(
    id="5.3",
    title="A constant for 512 dimensions",
    kind="derive",
    section=_SECTION,
    reference=_log_constant,
    inputs=_dim_and_concentration,
    edge_cases=_edges,
    rtol=1e-7,
    atol=1e-7,
    misconceptions=wrong,
)
