"""Exercise 3.7: a density in bits.

Asked for are the bits per dimension of −log p on the scale of the grey levels, from the nats (B,) of a density of
pixels that were scaled to [0, 1).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.8 · Likelihoods for grey levels"


def _bits(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return (nats + data_dim * math.log(num_values)) / (data_dim * math.log(2))


def _nats_of_densities(rng: np.random.Generator) -> tuple[Tensor, int, int]:
    batch = size(rng)
    dim, values = int(rng.choice([4, 64, 784])), int(rng.choice([2, 17, 256]))
    # On the scale of the grey levels this is between a fifth of log V and log V for each pixel.
    return dim * math.log(values) * uniform(rng, batch, low=-0.8, high=0, dtype=torch.float64), dim, values


def _edges() -> list[tuple[Tensor, int, int]]:
    """One value and a million; two grey levels and 65,536; nats of every sign; float32."""
    nats = torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4], dtype=torch.float64)
    return [
        (nats, 1, 2),
        (nats, 1, 65_536),
        (nats, 1_000_000, 256),
        (nats.float(), 3072, 256),
        (nats[:1], 12, 10),
        (nats.repeat(30), 784, 2),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O12")
def _bits_of_the_density(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    """The density of scaled pixels is read as if it were a probability. On the grey levels themselves each pixel is
    stretched, and its density falls by the same factor.
    """
    return nats / (data_dim * math.log(2)) + 0 * num_values


@wrong("O12")
def _bits_one_pixel_scaled(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    """The change of units is made for one pixel; all D of them are scaled."""
    return (nats + math.log(num_values)) / (data_dim * math.log(2))


@wrong("O14")
def _bits_wrong_way(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    """The change of units has the wrong sign: stretching an axis makes a density smaller, so −log of it larger."""
    return (nats - data_dim * math.log(num_values)) / (data_dim * math.log(2))


@wrong("O12")
def _bits_in_nats(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    """The change of units is right; the result is in nats for a pixel. A bit is log 2 nats."""
    return nats / data_dim + math.log(num_values)


@wrong("O12")
def _bits_of_the_image(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    """These are bits for the whole image."""
    return (nats + data_dim * math.log(num_values)) / math.log(2)


EXERCISE = Exercise(
    id="3.7",
    title="A density in bits",
    kind="derive",
    section=_SECTION,
    reference=_bits,
    inputs=_nats_of_densities,
    edge_cases=_edges,
    misconceptions=wrong,
)
