"""Exercises of chapter 2 on the bound and its doubles: 2.1 to 2.5."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_WAYS_UP = "2.1 · Two levels, two ways up"
_ELBO = "2.2 · The ELBO of two levels"
_ALIKE = "2.3 · Three objectives that look alike"


# 2.1: what the top level is told --------------------------------------------------------------------------------------


def _two_arrows(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = size(rng)
    loc, weight = normal(rng, batch, dtype=torch.float64), normal(rng, batch, dtype=torch.float64)
    return loc, uniform(rng, batch, low=0.2, high=1.5, dtype=torch.float64), weight, _scales(rng, batch)


def _scales(rng: np.random.Generator, batch: int) -> Tensor:
    return uniform(rng, batch, low=0.3, high=1.2, dtype=torch.float64)


def _told(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    return weight * loc, weight**2 * scale**2 + noise**2


def _told_the_mean(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    return weight * loc, noise**2


def _told_nothing(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(loc), torch.ones_like(loc)


def _scales_added(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    return weight * loc, (weight.abs() * scale + noise) ** 2


def _told_deviation(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    mean, variance = _told(loc, scale, weight, noise)
    return mean, variance.sqrt()


def _told_from_variances(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    return weight * loc, weight**2 * scale + noise


def _told_in_the_other_order(loc: Tensor, scale: Tensor, weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    mean, variance = _told(loc, scale, weight, noise)
    return variance, mean


# 2.2: one sample of the bound -----------------------------------------------------------------------------------------


def _log_terms(rng: np.random.Generator) -> tuple[Tensor, ...]:
    samples = size(rng, high=9)
    log_px = -80 + 10 * normal(rng, samples)
    return (log_px, *(-10 + 3 * normal(rng, samples) for _ in range(4)))


def _elbo(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px + log_pz1 + log_pz2 - log_qz1 - log_qz2


def _prior_subtracted(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px - log_pz1 + log_pz2 - log_qz1 - log_qz2


def _entropy_left_out(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px + log_pz1 + log_pz2 - log_qz2


def _prior_left_out(log_px: Tensor, log_pz1: Tensor, log_pz2: Tensor, log_qz1: Tensor, log_qz2: Tensor) -> Tensor:
    return log_px + log_pz2 - log_qz1 - log_qz2


# 2.3: KL of two diagonal Gaussians ------------------------------------------------------------------------------------


def _two_gaussians(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return (
        normal(rng, batch, dim),
        normal(rng, batch, dim, scale=0.5),
        normal(rng, batch, dim),
        normal(rng, batch, dim, scale=0.5),
    )


def _kl(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    log_ratio = log_sigma_q - log_sigma_p
    distance = (loc_q - loc_p) ** 2 * (-2 * log_sigma_p).exp()
    return (0.5 * (distance + (2 * log_ratio).exp() - 1) - log_ratio).sum(-1)


def _kl_swapped(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return _kl(loc_p, log_sigma_p, loc_q, log_sigma_q)


def _kl_without_the_half(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return 2 * _kl(loc_q, log_sigma_q, loc_p, log_sigma_p)


def _kl_to_standard_normal(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return _kl(loc_q, log_sigma_q, torch.zeros_like(loc_p), torch.zeros_like(log_sigma_p))


def _kl_of_the_batch(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return _kl(loc_q, log_sigma_q, loc_p, log_sigma_p).sum()


def _kl_unscaled_distance(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    log_ratio = log_sigma_q - log_sigma_p
    return (0.5 * ((loc_q - loc_p) ** 2 + (2 * log_ratio).exp() - 1) - log_ratio).sum(-1)


def _kl_of_log_variances(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return _kl(loc_q, log_sigma_q / 2, loc_p, log_sigma_p / 2)


def _kl_without_the_one(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return _kl(loc_q, log_sigma_q, loc_p, log_sigma_p) + loc_q.shape[-1] / 2


def _kl_with_the_ratio_turned(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    return _kl(loc_q, log_sigma_q, loc_p, log_sigma_p) + 2 * (log_sigma_q - log_sigma_p).sum(-1)


# 2.4: how far the shortcut is from the bound --------------------------------------------------------------------------


def _chain_of_numbers(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch = size(rng)
    a, w = normal(rng, batch, dtype=torch.float64), normal(rng, batch, dtype=torch.float64)
    return _scales(rng, batch), a, _scales(rng, batch), w, _scales(rng, batch)


def _excess(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    return w * a * s**2 / sigma**2


def _excess_none(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    return torch.zeros_like(s)


def _excess_information(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    return 0.5 * torch.log1p((a * s / t) ** 2)


def _excess_halved(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    return 0.5 * w * a * s**2 / sigma**2


def _excess_negative(s: Tensor, a: Tensor, t: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    return -w * a * s**2 / sigma**2


ON_THE_BOUND: tuple[Exercise, ...] = (
    Exercise(
        id="2.1",
        title="What the top level is told",
        kind="derive",
        section=_WAYS_UP,
        reference=_told,
        inputs=_two_arrows,
        misconceptions=(
            Misconception(
                "S2",
                _told_the_mean,
                "The variance is q(z2|z1)'s own. That is what comes out when the mean of z1 is fed upwards; the "
                "posterior chain feeds a sample, whose spread z2 inherits.",
                _WAYS_UP,
            ),
            Misconception(
                "S1",
                _told_nothing,
                "This is the prior p(z2). It generates; in training z2 comes from q, and q has heard of x through z1.",
                _WAYS_UP,
            ),
            Misconception(
                "O3",
                _scales_added,
                "Standard deviations were added. Of independent parts it is the variances that add.",
                _WAYS_UP,
            ),
            Misconception(
                "O3", _told_deviation, "The second tensor is a standard deviation. Asked for is the variance.", _WAYS_UP
            ),
            Misconception(
                "O3",
                _told_from_variances,
                "scale and noise were taken for variances. They are standard deviations.",
                _WAYS_UP,
            ),
            Misconception(
                "O14", _told_in_the_other_order, "Mean and variance are there, in the other order.", _WAYS_UP
            ),
        ),
    ),
    Exercise(
        id="2.2",
        title="One sample of the bound",
        kind="derive",
        section=_ELBO,
        reference=_elbo,
        inputs=_log_terms,
        misconceptions=(
            Misconception(
                "O6",
                _prior_subtracted,
                "log p(z1 | z2) enters with a minus. It is a factor of the model's joint, as p(x | z1) is, and "
                "factors of the joint count for the bound, not against it.",
                _ELBO,
            ),
            Misconception(
                "O6",
                _entropy_left_out,
                "log q(z1 | x) is missing. Without it nothing stops q(z1 | x) from shrinking to a point.",
                _ELBO,
            ),
            Misconception(
                "O4",
                _prior_left_out,
                "log p(z1 | z2) is missing, so z2 generates nothing: x and z1 would be drawn without it.",
                _ELBO,
            ),
        ),
    ),
    Exercise(
        id="2.3",
        title="The price of z1, given z2",
        kind="implement",
        section=_ELBO,
        reference=_kl,
        inputs=_two_gaussians,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O4",
                _kl_to_standard_normal,
                "This is the divergence from N(0, I). The prior of z1 is p(z1|z2); leave it out and z2 plays no part.",
                _ALIKE,
            ),
            Misconception(
                "O14",
                _kl_swapped,
                "The arguments are swapped: this is KL(p ‖ q). The expectation has to be under q.",
                _ELBO,
            ),
            Misconception(
                "O14",
                _kl_without_the_half,
                "Twice the right value: the ½ in the exponent of the Gaussian went missing.",
                _ELBO,
            ),
            Misconception(
                "O7",
                _kl_unscaled_distance,
                "The distance of the means is not measured in the prior's own units: a shift of 1 is a long way for "
                "a narrow prior.",
                _ELBO,
            ),
            Misconception(
                "O3",
                _kl_of_log_variances,
                "The heads were read as logarithms of variances. They are logarithms of standard deviations.",
                _ELBO,
            ),
            Misconception(
                "O14",
                _kl_without_the_one,
                "Half a nat too much for each coordinate: for q = p the divergence has to be 0. Is yours?",
                _ELBO,
            ),
            Misconception(
                "O14",
                _kl_with_the_ratio_turned,
                "The logarithm of the ratio has the wrong sign. A q narrower than the prior must cost more, not less.",
                _ELBO,
            ),
            Misconception(
                "O2",
                _kl_of_the_batch,
                "The batch is summed as well. Each example has its own divergence; only the objective averages them.",
                _ELBO,
            ),
        ),
    ),
    Exercise(
        id="2.4",
        title="How far off is the shortcut?",
        kind="derive",
        section=_ALIKE,
        reference=_excess,
        inputs=_chain_of_numbers,
        misconceptions=(
            Misconception(
                "O5",
                _excess_none,
                "The two would be equal if z1 inside the KL did not care which z1 z2 was drawn from. It does, unless "
                "a or w is 0.",
                _ALIKE,
            ),
            Misconception(
                "O5",
                _excess_information,
                "This is I_q(z1; z2|x), the distance from the mean-field ELBO (equation 2.6). Asked for is the "
                "distance from the ELBO of the chain itself, equation 2.4.",
                _ALIKE,
            ),
            Misconception(
                "O14",
                _excess_halved,
                "Half of it: the cross term of a square comes twice, and cancels the ½ of the Gaussian.",
                _ALIKE,
            ),
            Misconception(
                "O14",
                _excess_negative,
                "The sign is turned round. With a and w of one sign z2 helps to predict its own z1, and only the "
                "ELBO gets the benefit.",
                _ALIKE,
            ),
        ),
    ),
    Exercise(
        id="2.5",
        title="The shortcut's favourite",
        kind="experiment",
        section=_ALIKE,
        reference=0.6,
        rtol=0.03,
        atol=1e-6,
        misconceptions=(
            Misconception(
                "O5",
                0.8,
                "This is w / (w² + σ²), the slope of p(z2|z1), which the ELBO would choose. The cost you were given "
                "is another one.",
                _ALIKE,
            ),
            Misconception(
                "S4",
                0.0,
                "The shortcut does not always silence z2. Minimise it: the part of z1 that x determines survives.",
                _ALIKE,
            ),
        ),
    ),
)
