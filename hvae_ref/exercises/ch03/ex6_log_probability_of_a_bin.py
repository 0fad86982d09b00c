"""Exercise 3.6: bins that hold everything.

Asked for is the log-probability in nats of pixels x (B, D) under one discretised logistic a pixel, summed over the
pixels, where the first and the last bin reach to infinity.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.distributions import DiscretizedLogisticMixture
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import integers, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.8 · Likelihoods for grey levels"


def _log_bin(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    one = torch.zeros_like(loc).unsqueeze(-1)
    p = DiscretizedLogisticMixture(one, loc.unsqueeze(-1), scale.unsqueeze(-1), num_values)
    return p.log_prob(x).sum(-1)


def _pixels_and_logistics(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, int]:
    batch, pixels, values = size(rng), size(rng, high=6), int(rng.choice([2, 5, 17]))
    x = integers(rng, batch, pixels, high=values, dtype=torch.float64)
    # The outer bins are often forgotten, so in every draw some of the pixels lie in one of them.
    x[:, 0] = 0 if rng.random() < 0.5 else values - 1
    loc = uniform(rng, batch, pixels, low=0, high=values - 1, dtype=torch.float64)
    return x, loc, uniform(rng, batch, pixels, low=0.8, high=3, dtype=torch.float64), values


def _edges() -> list[tuple[Tensor, Tensor, Tensor, int]]:
    """Bins with a probability of e^−30 and of e^−600; the outer ones, from both sides; wide and narrow logistics."""
    rng = np.random.default_rng(36)
    rare = torch.tensor([[0.0, 3.0, 100.0]], dtype=torch.float64)
    one = torch.ones(1, 1, dtype=torch.float64)
    found = [(rare, rare + away, torch.ones_like(rare), 256) for away in (12.0, 30.0, 150.0)]
    found.append((rare, rare + 120, 0.2 * torch.ones_like(rare), 256))
    outer = [(edge * one, loc * one, one, 256) for edge in (0.0, 255.0) for loc in (-3.0, 0.0, 100.0, 255.0, 258.0)]
    middle = torch.full((1, 1), 128.0, dtype=torch.float64)
    found += [(20 * one, 0 * one, 0.5 * one, 256), (-20 + 255 * one, 255 * one, 0.5 * one, 256)]
    found += [(middle + side, middle, one, 256) for away in (30.0, 36.0, 60.0, 120.0) for side in (away, -away)]
    return [
        *found,
        *(case for case in outer if case[0] < case[1] + 12),
        *((4 * one, at * one, 0.01 * one, 17) for at in (4.0, 4.45, 5.0)),
        (one, one, 200 * one, 2),
        (0 * one, 8 * one, 200 * one, 17),
        (torch.tensor([[0.0, 1.0]]), torch.tensor([[0.2, 0.9]]), torch.ones(1, 2), 2),
        (
            integers(rng, 140, 50, high=256, dtype=torch.float64),
            uniform(rng, 140, 50, low=100, high=256, dtype=torch.float64),
            uniform(rng, 140, 50, low=20, high=60, dtype=torch.float64),
            256,
        ),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O12")
def _log_bin_closed(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    """The outer bins end half a level outside the grey scale, so the mass beyond is given to no value and the
    probabilities add up to less than one.
    """
    upper, lower = torch.sigmoid((x + 0.5 - loc) / scale), torch.sigmoid((x - 0.5 - loc) / scale)
    return (upper - lower).log().sum(-1)


@wrong("O12")
def _log_density(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    """This is the density of the logistic at x, not the probability of the bin around it. A density may exceed one and
    does not add up to one over the values.
    """
    u = (x - loc) / scale
    return (-u - scale.log() - 2 * torch.nn.functional.softplus(-u)).sum(-1)


@wrong("O12")
def _log_bin_of_scaled(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    """This is a density of rescaled pixels. It depends on the unit in which grey is measured; a probability
    does not.
    """
    return _log_density(x, loc, scale, num_values) + x.shape[-1] * math.log(num_values - 1)


@wrong("O1")
def _log_bin_averaged(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    """The pixels are averaged. The log-probability of an image is the sum over its pixels."""
    return _log_bin(x, loc, scale, num_values) / x.shape[-1]


EXERCISE = Exercise(
    id="3.6",
    title="Bins that hold everything",
    kind="implement",
    section=_SECTION,
    reference=_log_bin,
    inputs=_pixels_and_logistics,
    edge_cases=_edges,
    misconceptions=wrong,
)
