"""Exercise 2.4: how far off is the shortcut?

Asked for is the ELBO minus the shortcut, (B,), for a chain of single numbers: q(z1|x) = N(m, s²),
q(z2|z1) = N(a z1, t²), p(z1|z2) = N(w z2, σ²).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.3 · Three objectives that look alike"


def _excess(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    return w * a * s**2 / sigma**2


def _scales(rng: np.random.Generator, batch: int) -> Tensor:
    return uniform(rng, batch, low=0.3, high=1.2, dtype=torch.float64)


def _chain_of_numbers(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch = size(rng)
    a, w = normal(rng, batch, dtype=torch.float64), normal(rng, batch, dtype=torch.float64)
    return _scales(rng, batch), a, _scales(rng, batch), w, _scales(rng, batch)


def _edges() -> list[tuple[Tensor, ...]]:
    """Weights of zero and below; scales from 1e-5 to a thousand; one value and many; float32."""
    rng = np.random.default_rng(24)
    rows = [
        [0.5, 0.0, 0.5, 2.0, 0.5],
        [0.5, 1.0, 0.7, 0.0, 0.5],
        [1e3, -2.0, 1e-2, 3.0, 0.5],
        [1e-1, 2.0, 1e3, -3.0, 1e-2],
        [2.0, -1.0, 5.0, -1.0, 40.0],
        [0.1, 2.0, 0.5, -3.0, 1e-5],
        [1e-3, 1e-2, 0.5, 1e-2, 1.0],
    ]
    table = torch.tensor(rows, dtype=torch.float64).T
    many = normal(rng, 5, 150).abs() + 0.3
    return [tuple(table), *(tuple(column) for column in table.T[:, :, None]), tuple(table.float()), tuple(many)]


wrong = Misconceptions(_SECTION)


@wrong("O5")
def _excess_none(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """The two would be equal if z1 inside the KL did not care which z1 z2 was drawn from. It does, unless a
    or w is 0.
    """
    return torch.zeros_like(s)


@wrong("O5")
def _excess_information(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """This is I_q(z1; z2|x), the distance from the mean-field ELBO (equation 2.6). Asked for is the distance from the
    ELBO of the chain itself, equation 2.4.
    """
    return 0.5 * torch.log1p((a * s / t) ** 2)


@wrong("O14")
def _excess_halved(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """Half of it: the cross term of a square comes twice, and cancels the ½ of the Gaussian."""
    return 0.5 * w * a * s**2 / sigma**2


@wrong("O14")
def _excess_negative(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """The sign is turned round. With a and w of one sign z2 helps to predict its own z1, and only the ELBO gets the
    benefit.
    """
    return -w * a * s**2 / sigma**2


EXERCISE = Exercise(
    id="2.4",
    title="How far off is the shortcut?",
    kind="derive",
    section=_SECTION,
    reference=_excess,
    inputs=_chain_of_numbers,
    edge_cases=_edges,
    atol=1e-14,  # distances may be small
    misconceptions=wrong,
)
