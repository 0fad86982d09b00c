"""Exercise 5.1: from a network's output to a mean.

Asked for is E[z] (B, m) of the von Mises-Fisher distribution that a layer's output (B, m + 1) describes: a direction
and, by a softplus, κ. The gradients are compared too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from hvae_ref.distributions.sphere.bessel import bessel_ratio
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "How many nats does a direction cost?"


def _mean(loc: Tensor, concentration: Tensor, order: float | None = None) -> Tensor:
    order = loc.shape[-1] / 2 - 1 if order is None else order
    return bessel_ratio(order, concentration).unsqueeze(-1) * loc


def _expected(raw: Tensor) -> Tensor:
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]))


def _raw(rng: np.random.Generator) -> tuple[Tensor]:
    return (normal(rng, size(rng), size(rng, low=2, high=12) + 1, scale=2),)


def _edges() -> list[tuple[Tensor]]:
    """A κ next to zero and of ten thousand; long and short directions; two dimensions and three hundred; float64."""
    rng = np.random.default_rng(51)
    found = []
    for last in (-15.0, 0.0, 60.0, 1000.0, 1e4):
        raw = normal(rng, 2, 4)
        raw[:, -1] = last
        found += [(raw,), (raw.double(),)]
    lengths = torch.tensor([[1e-3, 1e-3, 1e-3, 1.0], [1e4, 1e4, 1e4, 1.0]])
    return [
        *found,
        (normal(rng, 2, 4) * lengths,),
        (normal(rng, 1, 3, dtype=torch.float64),),
        (normal(rng, 3, 301, scale=30, dtype=torch.float64),),
        (normal(rng, 140, 4),),
    ]


wrong = Misconceptions(_SECTION)


@wrong("V4")
def _expected_at_any_length(raw: Tensor) -> Tensor:
    """The direction keeps the length that the network gave it. A mean direction is a point of the sphere; how sure it
    is belongs to κ alone.
    """
    return _mean(raw[:, :-1], softplus(raw[:, -1]))


@wrong("V4")
def _expected_normalised_with_kappa(raw: Tensor) -> Tensor:
    """The output is normalised before it is split, so the column of κ shortens the direction."""
    return _mean(normalize(raw, dim=-1)[:, :-1], softplus(raw[:, -1]))


@wrong("V4")
def _expected_positive_direction(raw: Tensor) -> Tensor:
    """Softplus is applied to the direction as well, so that only the orthant of positive coordinates can be reached.
    The two have different domains: κ is not negative, μ has length one.
    """
    return _mean(normalize(softplus(raw[:, :-1]), dim=-1), softplus(raw[:, -1]))


@wrong("V3")
def _expected_is_mu(raw: Tensor) -> Tensor:
    """This is μ, the mode. The draws lie around it on a curved surface, and their mean lies inside the sphere: the
    nearer to the centre, the smaller κ.
    """
    return normalize(raw[:, :-1], dim=-1)


@wrong("V1")
def _expected_order_zero(raw: Tensor) -> Tensor:
    """This is the mean length on the circle: I₁/I₀ is used whatever the dimension. The order of the Bessel functions
    grows with it.
    """
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]), order=0)


@wrong("V1")
def _expected_order_above(raw: Tensor) -> Tensor:
    """The order is one too high: in A_m the lower of the two Bessel functions is that of the density's constant."""
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]), order=(raw.shape[-1] - 1) / 2)


@wrong("V1")
def _expected_all_columns(raw: Tensor) -> Tensor:
    """The column of κ is counted as a dimension of the sphere."""
    return _mean(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]), order=raw.shape[-1] / 2 - 1)


EXERCISE = Exercise(
    id="5.1",
    title="From a network's output to a mean",
    kind="implement",
    section=_SECTION,
    reference=_expected,
    inputs=_raw,
    edge_cases=_edges,
    check_gradient=True,
    misconceptions=wrong,
)
