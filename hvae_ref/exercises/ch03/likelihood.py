"""Exercises of chapter 3 on likelihoods, units and information: 3.6 to 3.8."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hvae_ref.distributions import DiscretizedLogisticMixture
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import integers, normal, size, uniform

_GREY = "3.8 · Likelihoods for grey levels"
_CLAIMS = "3.11 · Claims, examined"


# 3.6: one discretised logistic ----------------------------------------------------------------------------------------


def _pixels_and_logistics(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, int]:
    batch, pixels, values = size(rng), size(rng, high=6), int(rng.choice([2, 5, 17]))
    x = integers(rng, batch, pixels, high=values, dtype=torch.float64)
    # The outer bins are what people forget, so some of every draw's pixels lie in them.
    x[:, 0] = 0 if rng.random() < 0.5 else values - 1
    loc = uniform(rng, batch, pixels, low=0, high=values - 1, dtype=torch.float64)
    return x, loc, uniform(rng, batch, pixels, low=0.8, high=3, dtype=torch.float64), values


def _log_bin(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    one = torch.zeros_like(loc).unsqueeze(-1)
    p = DiscretizedLogisticMixture(one, loc.unsqueeze(-1), scale.unsqueeze(-1), num_values)
    return p.log_prob(x).sum(-1)


def _log_bin_closed(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    upper, lower = torch.sigmoid((x + 0.5 - loc) / scale), torch.sigmoid((x - 0.5 - loc) / scale)
    return (upper - lower).log().sum(-1)


def _log_density(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    u = (x - loc) / scale
    return (-u - scale.log() - 2 * torch.nn.functional.softplus(-u)).sum(-1)


def _log_bin_of_scaled(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    return _log_density(x, loc, scale, num_values) + x.shape[-1] * math.log(num_values - 1)


def _log_bin_averaged(x: Tensor, loc: Tensor, scale: Tensor, num_values: int) -> Tensor:
    return _log_bin(x, loc, scale, num_values) / x.shape[-1]


# 3.7: from a density on [0, 1) to bits --------------------------------------------------------------------------------


def _nats_of_densities(rng: np.random.Generator) -> tuple[Tensor, int, int]:
    batch = size(rng)
    dim, values = int(rng.choice([4, 64, 784])), int(rng.choice([2, 17, 256]))
    # Between a fifth of log V and log V of them a pixel once they are on the grey levels' own axis.
    return dim * math.log(values) * uniform(rng, batch, low=-0.8, high=0, dtype=torch.float64), dim, values


def _bits(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return (nats + data_dim * math.log(num_values)) / (data_dim * math.log(2))


def _bits_of_the_density(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return nats / (data_dim * math.log(2)) + 0 * num_values


def _bits_one_pixel_scaled(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return (nats + math.log(num_values)) / (data_dim * math.log(2))


def _bits_wrong_way(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return (nats - data_dim * math.log(num_values)) / (data_dim * math.log(2))


def _bits_in_nats(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return nats / data_dim + math.log(num_values)


def _bits_of_the_image(nats: Tensor, data_dim: int, num_values: int) -> Tensor:
    return (nats + data_dim * math.log(num_values)) / math.log(2)


# 3.8: what each level of a top-down posterior knows -------------------------------------------------------------------


def _linear_posterior(rng: np.random.Generator) -> tuple[Tensor, ...]:
    batch = size(rng)
    a, b, c = (normal(rng, batch, dtype=torch.float64) for _ in range(3))
    s2, s1 = (uniform(rng, batch, low=0.3, high=1.5, dtype=torch.float64) for _ in range(2))
    return a, s2, b, c, s1


def _half_log(signal: Tensor, noise: Tensor) -> Tensor:
    return 0.5 * torch.log1p(signal**2 / noise)


def _known(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    return _half_log(a, s2**2), _half_log(b + c * a, c**2 * s2**2 + s1**2)


def _known_along_the_chain(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    return _known(a, s2, 0 * b, c, s1)


def _known_limited(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    at_top, at_bottom = _known(a, s2, b, c, s1)
    return torch.minimum(at_top, at_bottom), at_bottom


def _known_from_the_mean(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    return _half_log(a, s2**2), _half_log(b + c * a, s1**2)


def _known_given_z2(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    return _half_log(a, s2**2), _half_log(b, s1**2) + 0 * c


def _known_doubled(a: Tensor, s2: Tensor, b: Tensor, c: Tensor, s1: Tensor) -> tuple[Tensor, Tensor]:
    at_top, at_bottom = _known(a, s2, b, c, s1)
    return 2 * at_top, 2 * at_bottom


ON_THE_LIKELIHOOD: tuple[Exercise, ...] = (
    Exercise(
        id="3.6",
        title="Bins that hold everything",
        kind="implement",
        section=_GREY,
        reference=_log_bin,
        inputs=_pixels_and_logistics,
        misconceptions=(
            Misconception(
                "O12",
                _log_bin_closed,
                "The outer bins end half a level outside the grey scale, so the mass beyond is given to no value and "
                "the probabilities add up to less than one.",
                _GREY,
            ),
            Misconception(
                "O12",
                _log_density,
                "This is the density of the logistic at x, not the probability of the bin around it. A density may "
                "exceed one and does not add up to one over the values.",
                _GREY,
            ),
            Misconception(
                "O12",
                _log_bin_of_scaled,
                "This is a density of rescaled pixels. It depends on the unit in which grey is measured; a "
                "probability does not.",
                _GREY,
            ),
            Misconception(
                "O1",
                _log_bin_averaged,
                "The pixels are averaged. The log-probability of an image is the sum over its pixels.",
                _GREY,
            ),
        ),
    ),
    Exercise(
        id="3.7",
        title="A density in bits",
        kind="derive",
        section=_GREY,
        reference=_bits,
        inputs=_nats_of_densities,
        misconceptions=(
            Misconception(
                "O12",
                _bits_of_the_density,
                "The density of scaled pixels is read as if it were a probability. On the grey levels themselves "
                "each pixel is stretched, and its density falls by the same factor.",
                _GREY,
            ),
            Misconception(
                "O12",
                _bits_one_pixel_scaled,
                "The change of units is made for one pixel; all D of them are scaled.",
                _GREY,
            ),
            Misconception(
                "O14",
                _bits_wrong_way,
                "The change of units has the wrong sign: stretching an axis makes a density smaller, so −log of it "
                "larger.",
                _GREY,
            ),
            Misconception(
                "O12",
                _bits_in_nats,
                "The change of units is right; the result is in nats for a pixel. A bit is log 2 nats.",
                _GREY,
            ),
            Misconception(
                "O12",
                _bits_of_the_image,
                "These are bits for the whole image.",
                _GREY,
            ),
        ),
    ),
    Exercise(
        id="3.8",
        title="Who knows more?",
        kind="derive",
        section=_CLAIMS,
        reference=_known,
        inputs=_linear_posterior,
        misconceptions=(
            Misconception(
                "S5",
                _known_along_the_chain,
                "z1 is treated as if x could reach it through z2 alone. In q(z1|z2, x) it has a path of its own.",
                _CLAIMS,
            ),
            Misconception(
                "S5",
                _known_limited,
                "z2 is capped at what z1 knows. That inequality belongs to a chain x → z1 → z2, and this posterior "
                "draws z2 first.",
                _CLAIMS,
            ),
            Misconception(
                "S2",
                _known_from_the_mean,
                "z1 is computed as if it were given the mean of z2. The noise of the sample adds to its own.",
                _CLAIMS,
            ),
            Misconception(
                "S5",
                _known_given_z2,
                "This is what z1 says of x beyond z2, or some of it. Asked for is I(x; z1), with z2 unknown.",
                _CLAIMS,
            ),
            Misconception(
                "O14",
                _known_doubled,
                "Twice too much: a Gaussian channel carries half a logarithm.",
                _CLAIMS,
            ),
        ),
    ),
)
