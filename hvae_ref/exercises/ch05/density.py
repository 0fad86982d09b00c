"""Exercises of chapter 5 on the mean of a von Mises-Fisher distribution and on what it costs: 5.1 and 5.2."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from hvae_ref.distributions.bessel import bessel_kl, bessel_ratio, log_bessel_i, log_bessel_normalized
from hvae_ref.distributions.hyperspherical_uniform import log_sphere_area
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_NATS = "How many nats does a direction cost?"


# 5.1: from a network's output to the mean of z ------------------------------------------------------------------------


def _raw(rng: np.random.Generator) -> tuple[Tensor]:
    return (normal(rng, size(rng), size(rng, low=2, high=12) + 1, scale=2),)


def _mean(loc: Tensor, concentration: Tensor, order: float | None = None) -> Tensor:
    order = loc.shape[-1] / 2 - 1 if order is None else order
    return bessel_ratio(order, concentration).unsqueeze(-1) * loc


def _expected(raw: Tensor) -> Tensor:
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]))


def _expected_at_any_length(raw: Tensor) -> Tensor:
    return _mean(raw[:, :-1], softplus(raw[:, -1]))


def _expected_normalised_with_kappa(raw: Tensor) -> Tensor:
    return _mean(normalize(raw, dim=-1)[:, :-1], softplus(raw[:, -1]))


def _expected_positive_direction(raw: Tensor) -> Tensor:
    return _mean(normalize(softplus(raw[:, :-1]), dim=-1), softplus(raw[:, -1]))


def _expected_is_mu(raw: Tensor) -> Tensor:
    return normalize(raw[:, :-1], dim=-1)


def _expected_order_zero(raw: Tensor) -> Tensor:
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]), order=0)


def _expected_order_above(raw: Tensor) -> Tensor:
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]), order=(raw.shape[-1] - 1) / 2)


def _expected_all_columns(raw: Tensor) -> Tensor:
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]), order=raw.shape[-1] / 2 - 1)


# 5.2: the divergence from the uniform ---------------------------------------------------------------------------------


def _dim_and_concentration(rng: np.random.Generator) -> tuple[int, Tensor]:
    dim = int(rng.choice([2, 3, 5, 10, 50, 200]))
    # From next to nothing (where two large numbers cancel) to a sharp direction.
    return dim, 10 ** uniform(rng, size(rng), low=-2.5, high=2.5, dtype=torch.float64)


def _log_c(dim: int, concentration: Tensor) -> Tensor:
    return -log_bessel_normalized(dim / 2 - 1, concentration) - log_sphere_area(dim)


def _kl(dim: int, concentration: Tensor) -> Tensor:
    return bessel_kl(dim / 2 - 1, concentration)


def _kl_half_kappa(dim: int, concentration: Tensor) -> Tensor:
    return concentration / 2 + _log_c(dim, concentration) - math.lgamma(dim / 2)


def _kl_kappa(dim: int, concentration: Tensor) -> Tensor:
    return concentration + _log_c(dim, concentration) + log_sphere_area(dim)


def _kl_without_area(dim: int, concentration: Tensor) -> Tensor:
    return _kl(dim, concentration) - log_sphere_area(dim)


def _kl_area_subtracted(dim: int, concentration: Tensor) -> Tensor:
    return _kl(dim, concentration) - 2 * log_sphere_area(dim)


def _kl_half_the_area(dim: int, concentration: Tensor) -> Tensor:
    return _kl(dim, concentration) - math.log(2)


def _kl_without_two_pi(dim: int, concentration: Tensor) -> Tensor:
    return _kl(dim, concentration) + dim / 2 * math.log(2 * math.pi)


def _kl_constant_upside_down(dim: int, concentration: Tensor) -> Tensor:
    return concentration * bessel_ratio(dim / 2 - 1, concentration) - _log_c(dim, concentration) + log_sphere_area(dim)


def _kl_order_zero(dim: int, concentration: Tensor) -> Tensor:
    log_c = (dim / 2 - 1) * concentration.log() - dim / 2 * math.log(2 * math.pi) - log_bessel_i(0, concentration)
    return concentration * bessel_ratio(0, concentration) + log_c + log_sphere_area(dim)


def _kl_swapped(dim: int, concentration: Tensor) -> Tensor:
    return log_bessel_normalized(dim / 2 - 1, concentration)


ON_THE_DENSITY: tuple[Exercise, ...] = (
    Exercise(
        id="5.1",
        title="From a network's output to a mean",
        kind="implement",
        section=_NATS,
        reference=_expected,
        inputs=_raw,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "V4",
                _expected_at_any_length,
                "The direction keeps the length that the network gave it. A mean direction is a point of the sphere; "
                "how sure it is belongs to κ alone.",
                _NATS,
            ),
            Misconception(
                "V4",
                _expected_normalised_with_kappa,
                "The output is normalised before it is split, so the column of κ shortens the direction.",
                _NATS,
            ),
            Misconception(
                "V4",
                _expected_positive_direction,
                "Softplus is applied to the direction as well, so that only the orthant of positive coordinates can be "
                "reached. The two have different domains: κ is not negative, μ has length one.",
                _NATS,
            ),
            Misconception(
                "V3",
                _expected_is_mu,
                "This is μ, the mode. The draws lie around it on a curved surface, and their mean lies inside the "
                "sphere: the nearer to the centre, the smaller κ.",
                _NATS,
            ),
            Misconception(
                "V1",
                _expected_order_zero,
                "This is the mean length on the circle: I₁/I₀ is used whatever the dimension. The order of the Bessel "
                "functions grows with it.",
                _NATS,
            ),
            Misconception(
                "V1",
                _expected_order_above,
                "The order is one too high: in A_m the lower of the two Bessel functions is that of the density's "
                "constant.",
                _NATS,
            ),
            Misconception(
                "V1",
                _expected_all_columns,
                "The column of κ is counted as a dimension of the sphere.",
                _NATS,
            ),
        ),
    ),
    Exercise(
        id="5.2",
        title="The price of a direction",
        kind="derive",
        section=_NATS,
        reference=_kl,
        inputs=_dim_and_concentration,
        check_gradient=True,
        atol=1e-10,
        misconceptions=(
            Misconception(
                "V3",
                _kl_half_kappa,
                "½κ + log C − log Γ(m/2) is found in lecture notes, and is no divergence: at κ = 0, where the two "
                "distributions are one, it is not zero. Begin with E[log q(z)], and keep the whole area of the sphere.",
                _NATS,
            ),
            Misconception(
                "V3",
                _kl_kappa,
                "κ stands there alone, as if every draw were at μ. What is needed is κ times the *mean* cosine.",
                _NATS,
            ),
            Misconception(
                "V3",
                _kl_without_area,
                "This is the expected log-density of q. The uniform has a log-density too, and it is not zero.",
                _NATS,
            ),
            Misconception(
                "V3",
                _kl_area_subtracted,
                "The log-density of the uniform is *minus* the logarithm of the area, and it is subtracted.",
                _NATS,
            ),
            Misconception(
                "V3",
                _kl_half_the_area,
                "log 2 is missing on every input: the area of the sphere has a factor 2 (think of the circle, 2π).",
                _NATS,
            ),
            Misconception(
                "V2",
                _kl_without_two_pi,
                "The constant of the density lacks its (2π) to the power m/2, so at κ = 0 something is left.",
                _NATS,
            ),
            Misconception(
                "V2",
                _kl_constant_upside_down,
                "The constant stands upside down: C multiplies the density, so the Bessel function is in its "
                "denominator.",
                _NATS,
            ),
            Misconception(
                "V1",
                _kl_order_zero,
                "The Bessel functions have order 0 (and 1) in every dimension. That is the circle's; on the sphere in "
                "m dimensions the order depends on m.",
                _NATS,
            ),
            Misconception(
                "O14",
                _kl_swapped,
                "This is the divergence of the uniform from q: under the uniform the mean cosine is zero. The bound "
                "takes its expectation under q.",
                _NATS,
            ),
        ),
    ),
)
