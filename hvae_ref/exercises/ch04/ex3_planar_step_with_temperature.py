"""Exercise 4.3: a sharper bend.

Asked for are z' (B, D) and log |det ∂z'/∂z| (B,) of a planar step with temperature τ, where u is changed so that the
step is invertible.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "Which bends stay invertible?"
Step = tuple[Tensor, Tensor]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1)


def _pushed(w: Tensor, u: Tensor, wanted: Tensor, power: int = 2) -> Tensor:
    """u moved along w; with power 2, wᵀu is then `wanted`."""
    norm = _dot(w, w) ** (power / 2)
    return u + ((wanted - _dot(w, u)) / norm)[:, None] * w


def _constrained(w: Tensor, u: Tensor, tau: float) -> Tensor:
    return _pushed(w, u, softplus(_dot(w, u) + math.log(math.expm1(tau))) - tau)


def _moved(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Tensor:
    return z + u * torch.tanh((_dot(w, z) + b) / tau)[:, None]


def _slope(z: Tensor, w: Tensor, b: Tensor, tau: float) -> Tensor:
    return (1 - torch.tanh((_dot(w, z) + b) / tau) ** 2) / tau


def _step(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """The step of equation 4.5 for any u."""
    return _moved(z, w, u, b, tau), (1 + _slope(z, w, b, tau) * _dot(w, u)).abs().log()


def _planar(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    return _step(z, w, _constrained(w, u, tau), b, tau)


def _parameters(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    return _drawn(rng, size(rng), size(rng, high=5), float(rng.uniform(0.3, 2.5)))


def _drawn(rng: np.random.Generator, batch: int, dim: int, tau: float) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    z, w, u = (normal(rng, batch, dim, scale=s, dtype=torch.float64) for s in (1.0, 0.8, 1.5))
    u = u - w
    # A step that folds is evaluated beside its fold, with sech² of the argument below `share`: there the wrong formulas
    # are finite, with or without an absolute value, and differ from each other.
    share = (0.95 * tau / (0.5 - _dot(w, u)).clamp_min(1e-3)).clamp_max(1)
    argument = torch.acosh(share.rsqrt()) + normal(rng, batch, scale=0.5, dtype=torch.float64).abs()
    side = torch.as_tensor(rng.choice([-1.0, 1.0], batch))
    return z, w, u, tau * side * argument - _dot(w, z), tau


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor, float]]:
    """Sharp and blunt bends; w next to zero; u far along w, both ways; one dimension and forty; float32."""
    rng = np.random.default_rng(43)
    found = [
        _drawn(rng, *sizes)
        for sizes in ((1, 1, 0.02), (2, 12, 0.05), (140, 2, 0.5), (3, 1, 15.0), (2, 3, 1.0), (1, 40, 1.0))
    ]
    z, w, u, b, tau = _drawn(rng, 2, 3, 0.7)
    found.append((z, 1e-4 * w, u, torch.full_like(b, 0.8), tau))
    for along in (60.0, -60.0, 6e5):
        argument = torch.tensor([0.6, -2.0], dtype=torch.float64)
        found.append((z, w, along * w, tau * argument - _dot(w, z), tau))
    return [*found, (z.float(), w.float(), u.float(), b.float(), tau)]


wrong = Misconceptions(_SECTION)


@wrong("F3")
def _planar_free(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """u is used as it comes. Where wᵀu is too negative the step folds space: several z land on one z', and no absolute
    value in the log-determinant repairs that.
    """
    return _step(z, w, u, b, tau)


@wrong("F3")
def _planar_unshifted(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """This softplus has no shift: it keeps the step invertible, but at wᵀu = 0 it asks for another value than 0, and
    the push along w/‖w‖² then grows without limit as w shrinks.
    """
    return _step(z, w, _pushed(w, u, softplus(_dot(w, u)) - tau), b, tau)


@wrong("F3")
def _planar_for_slope_one(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """This is the constraint of h = tanh, whose slope is at most 1. The slope of tanh(a/τ) is at most 1/τ: a sharp bend
    has to be held back more, a gentle one less.
    """
    return _step(z, w, _constrained(w, u, 1.0), b, tau)


@wrong("F3")
def _planar_inverse_bound(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """wᵀû is kept above −1/τ, which is minus the largest slope of h. What must not reach zero is one plus the product
    of the two.
    """
    return _step(z, w, _constrained(w, u, 1 / tau), b, tau)


@wrong("F3")
def _planar_shift_for_slope_one(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """The lower end is right, the shift inside the softplus is that of τ = 1. Choose it so that m(0) = 0."""
    return _step(z, w, _pushed(w, u, softplus(_dot(w, u) + math.log(math.e - 1)) - tau), b, tau)


@wrong("F3")
def _planar_other_vector(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """z' is moved along û, and the log-determinant is that of a step along u. Both belong to one map."""
    return _planar(z, w, u, b, tau)[0], _step(z, w, u, b, tau)[1]


@wrong("F3")
def _planar_norm(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """The push along w is divided by ‖w‖. Multiply û by wᵀ and see by what it has to be divided for wᵀû to become
    m(wᵀu).
    """
    wanted = softplus(_dot(w, u) + math.log(math.expm1(tau))) - tau
    return _step(z, w, _pushed(w, u, wanted, power=1), b, tau)


@wrong("F1")
def _planar_inner_slope(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """The derivative of h is taken as 1 − tanh². The chain rule adds the derivative of a/τ."""
    u = _constrained(w, u, tau)
    return _moved(z, w, u, b, tau), (1 + tau * _slope(z, w, b, tau) * _dot(w, u)).abs().log()


@wrong("F1")
def _planar_no_slope(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """The log-determinant has the largest slope of h everywhere. It depends on where z is."""
    u = _constrained(w, u, tau)
    return _moved(z, w, u, b, tau), (1 + _dot(w, u) / tau).abs().log() + 0 * b


@wrong("F1")
def _planar_silent(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """z' is right; the log-determinant is left out."""
    return _planar(z, w, u, b, tau)[0], torch.zeros_like(b)


@wrong("F5")
def _planar_back(z: Tensor, w: Tensor, u: Tensor, b: Tensor, tau: float) -> Step:
    """This is the log-determinant of the way back, from z' to z."""
    z_next, log_det = _planar(z, w, u, b, tau)
    return z_next, -log_det


EXERCISE = Exercise(
    id="4.3",
    title="A sharper bend",
    kind="implement",
    section=_SECTION,
    reference=_planar,
    inputs=_parameters,
    edge_cases=_edges,
    misconceptions=wrong,
)
