"""Exercise 3.8: who knows more?

Asked for are I(x; z2) and I(x; z1) in nats, each (B,), under q(z2|x) = N(a x, s2²) and
q(z1|z2, x) = N(b x + c z2, s1²), where x ~ N(0, 1).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.11 · Claims, examined"


def _half_log(signal: Tensor, noise: Tensor) -> Tensor:
    return 0.5 * torch.log1p(signal**2 / noise)


def _known(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    return _half_log(a, s2**2), _half_log(b + c * a, c**2 * s2**2 + s1**2)


def _linear_posterior(rng: np.random.Generator) -> tuple[Tensor, ...]:
    batch = size(rng)
    a, b, c = (normal(rng, batch, dtype=torch.float64) for _ in range(3))
    s2, s1 = (uniform(rng, batch, low=0.3, high=1.5, dtype=torch.float64) for _ in range(2))
    return a, s2, b, c, s1


def _edges() -> list[tuple[Tensor, ...]]:
    """Each of the paths alone; a sum of the paths that is zero; noise of 1e-6 to 1e3; little signal; in float32, those
    for which 1 − ρ² keeps its digits.
    """
    rng = np.random.default_rng(38)
    rows = [
        [0.0, 0.5, 1.0, 2.0, 0.5],
        [1.0, 0.5, 0.0, 2.0, 0.5],
        [1.0, 0.5, 1.0, 0.0, 0.5],
        [2.0, 1e-3, -2.0, 1.0, 1e-3],
        [1e3, 1e-3, -3.0, 0.7, 1e-3],
        [-1.0, 1e3, 5.0, -2.0, 1e3],
        [1.0, 1e-6, 0.5, 1.0, 1e-6],
        [1e-4, 1.0, 1e-4, 0.0, 1.0],
    ]
    table = torch.tensor(rows, dtype=torch.float64).T
    single = table[:, [0, 1, 2, 5, 7]].float()
    many = normal(rng, 5, 150).abs() + 0.3
    return [tuple(table), *(tuple(column) for column in table.T[:, :, None]), tuple(single), tuple(many)]


wrong = Misconceptions(_SECTION)


@wrong("S5")
def _known_along_the_chain(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    """z1 is treated as if x could reach it through z2 alone. In q(z1|z2, x) it has a path of its own."""
    return _known(a, s2, 0 * b, c, s1)


@wrong("S5")
def _known_limited(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    """z2 is capped at what z1 knows. That inequality belongs to a chain x → z1 → z2, and this posterior
    draws z2 first.
    """
    at_top, at_bottom = _known(a, s2, b, c, s1)
    return torch.minimum(at_top, at_bottom), at_bottom


@wrong("S2")
def _known_from_the_mean(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    """z1 is computed as if it were given the mean of z2. The noise of the sample adds to its own."""
    return _half_log(a, s2**2), _half_log(b + c * a, s1**2)


@wrong("S5")
def _known_given_z2(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    """This is what z1 says of x beyond z2, or some of it. Asked for is I(x; z1), with z2 unknown."""
    return _half_log(a, s2**2), _half_log(b, s1**2) + 0 * c


@wrong("O14")
def _known_doubled(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    """Twice too much: a Gaussian channel carries half a logarithm."""
    at_top, at_bottom = _known(a, s2, b, c, s1)
    return 2 * at_top, 2 * at_bottom


EXERCISE = Exercise(
    id="3.8",
    title="Who knows more?",
    kind="derive",
    section=_SECTION,
    reference=_known,
    inputs=_linear_posterior,
    edge_cases=_edges,
    atol=1e-10,  # informations may be small
    misconceptions=wrong,
)
