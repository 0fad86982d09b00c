"""Exercise of chapter 4 on what a richer posterior does to the terms of the bound: 4.6."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size, uniform

_FLOWS_IN_A_VAE = "What do flows do to a VAE?"

Pair = tuple[Tensor, Tensor]


def _decoders(rng: np.random.Generator) -> Pair:
    batch, dim = size(rng), int(rng.integers(2, 6))  # with one coordinate nothing is missed
    return normal(rng, batch, dim, scale=1.2, dtype=torch.float64), uniform(
        rng, batch, low=0.4, high=1.8, dtype=torch.float64
    )


def _precision(a: Tensor, s: Tensor) -> Tensor:
    eye = torch.eye(a.shape[-1], dtype=a.dtype)
    return eye + a[:, :, None] * a[:, None, :] / s[:, None, None] ** 2


def _traded(precision: Tensor, variances: Tensor) -> Pair:
    """Gain of the bound and change of KL(q ‖ prior) when N(μ, diag variances) becomes the true posterior N(μ, Λ⁻¹)."""
    log_det = -torch.linalg.slogdet(precision).logabsdet
    spread = (precision.diagonal(dim1=1, dim2=2) * variances).sum(-1)
    gain = 0.5 * (spread - variances.shape[-1] - variances.log().sum(-1) + log_det)
    traces = torch.linalg.inv(precision).diagonal(dim1=1, dim2=2).sum(-1) - variances.sum(-1)
    return gain, 0.5 * (traces - log_det + variances.log().sum(-1))


def _trade(a: Tensor, s: Tensor) -> Pair:
    precision = _precision(a, s)
    return _traded(precision, 1 / precision.diagonal(dim1=1, dim2=2))


def _trade_kl_falls(a: Tensor, s: Tensor) -> Pair:
    gain, _ = _trade(a, s)
    return gain, -gain


def _trade_kl_stays(a: Tensor, s: Tensor) -> Pair:
    gain, _ = _trade(a, s)
    return gain, 0 * gain


def _trade_from_marginals(a: Tensor, s: Tensor) -> Pair:
    precision = _precision(a, s)
    return _traded(precision, torch.linalg.inv(precision).diagonal(dim1=1, dim2=2))


def _trade_kl_reversed(a: Tensor, s: Tensor) -> Pair:
    precision = _precision(a, s)
    variances = 1 / precision.diagonal(dim1=1, dim2=2)
    traces = (torch.linalg.inv(precision).diagonal(dim1=1, dim2=2) / variances).sum(-1)
    log_dets = torch.linalg.slogdet(precision).logabsdet + variances.log().sum(-1)
    return 0.5 * (traces - variances.shape[-1] + log_dets), _trade(a, s)[1]


def _trade_of_the_fall(a: Tensor, s: Tensor) -> Pair:
    gain, change = _trade(a, s)
    return gain, -change


def _trade_elbo_falls(a: Tensor, s: Tensor) -> Pair:
    gain, change = _trade(a, s)
    return -gain, change


def _trade_backwards(a: Tensor, s: Tensor) -> Pair:
    gain, change = _trade(a, s)
    return -gain, -change


def _trade_reconstruction(a: Tensor, s: Tensor) -> Pair:
    gain, change = _trade(a, s)
    return gain + change, change


def _trade_of_variance(a: Tensor, s: Tensor) -> Pair:
    return _trade(a, s.sqrt())


def _trade_doubled(a: Tensor, s: Tensor) -> Pair:
    gain, change = _trade(a, s)
    return 2 * gain, 2 * change


def _trade_from_prior(a: Tensor, s: Tensor) -> Pair:
    return _traded(_precision(a, s), torch.ones_like(a))


ON_THE_TRADE: tuple[Exercise, ...] = (
    Exercise(
        id="4.6",
        title="A richer posterior, a larger KL?",
        kind="predict",
        section=_FLOWS_IN_A_VAE,
        reference=_trade,
        inputs=_decoders,
        misconceptions=(
            Misconception(
                "F7",
                _trade_kl_falls,
                "What falls by as much as the bound rises is the KL from the *true posterior*. The KL in the bound "
                "is the one from the prior, and it has no duty to fall.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "F7",
                _trade_kl_stays,
                "The gain is credited to the reconstruction alone. q has changed its shape, so its KL from the prior "
                "changes too.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _trade_from_marginals,
                "The mean-field q has the true posterior's own variances here. That is the best one for the KL with "
                "its arguments swapped; the bound prefers a narrower one.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _trade_kl_reversed,
                "The first number is KL(p(z|x) ‖ q). What the bound misses is an average over q, so it is the KL with "
                "the arguments the other way round.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _trade_of_the_fall,
                "The second number has its sign reversed: it says by how much the KL falls. A change is what comes "
                "after, less what was before.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _trade_elbo_falls,
                "The first number has its sign reversed. The ELBO is log p(x) less a KL and rises when that goes.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _trade_backwards,
                "Both signs are reversed: these are the changes from the true posterior to the independent q.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "F7",
                _trade_from_prior,
                "The comparison starts from a q with the prior's variances. Start from the best q with independent "
                "coordinates.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O6",
                _trade_reconstruction,
                "The first number is what the reconstruction term gains. The bound is that term less the KL.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O3",
                _trade_of_variance,
                "`s` is read as a variance. It is a standard deviation.",
                _FLOWS_IN_A_VAE,
            ),
            Misconception(
                "O14",
                _trade_doubled,
                "Both numbers are twice what they should be: the ½ of the Gaussian KL is missing.",
                _FLOWS_IN_A_VAE,
            ),
        ),
    ),
)
