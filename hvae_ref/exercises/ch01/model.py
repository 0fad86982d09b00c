"""Exercises of chapter 1 on the model and its loss: 1.1 to 1.3."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hvae_ref.exercises.engine.evaluate import UnsupportedAnswerError
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import integers, normal, size, uniform

_FAMILY = "1.2 · Same p(x), different usefulness"
_VAE = "1.3 · The single-level VAE"


# 1.1: a model of N(0, Σ) whose latent holds a given number of nats ----------------------------------------------------


def _covariance_and_nats(rng: np.random.Generator) -> tuple[Tensor, float]:
    dim = size(rng, low=1, high=5)
    root = normal(rng, dim, dim, dtype=torch.float64)
    return root @ root.mT + 0.3 * torch.eye(dim, dtype=torch.float64), float(rng.uniform(0.2, 2.5))


def _share(covariance: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """One latent that accounts for `share` of the variance along the first Cholesky direction."""
    weight = math.sqrt(share) * torch.linalg.cholesky(covariance)[:, :1]
    return weight, covariance - weight @ weight.mT


def _model_on_order(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    return _share(covariance, 1 - math.exp(-2 * nats))


def _order_without_the_half(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    return _share(covariance, 1 - math.exp(-nats))


def _order_in_bits(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    return _share(covariance, 1 - 4.0**-nats)


def _order_with_share_for_root(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    return _share(covariance, (1 - math.exp(-2 * nats)) ** 2)


def _order_for_each_of_two(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    weight = math.sqrt(1 - math.exp(-2 * nats)) * torch.linalg.cholesky(covariance)[:, :2]
    return weight, covariance - weight @ weight.mT


def _noise_kept(covariance: Tensor, nats: float) -> tuple[Tensor, Tensor]:
    # I = ½ log(1 + s) in nats for W W^T = s l l^T beside the noise Σ.
    return math.sqrt(math.expm1(2 * nats)) * torch.linalg.cholesky(covariance)[:, :1], covariance


def _marginal_and_information(answer: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """What counts of a pair (W, Ψ): the covariance of p(x), and I(x; z). Any pair that has both right is right."""
    pair = "expected a pair (W of shape (D, d), Ψ of shape (D, D))"
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        size = f" of length {len(answer)}" if isinstance(answer, list | tuple) else ""
        raise UnsupportedAnswerError(f"{pair}, got {type(answer).__name__}{size}")
    try:
        weight, noise = (torch.as_tensor(part, dtype=torch.float64) for part in answer)
    except (TypeError, ValueError, RuntimeError):
        kinds = " and ".join(type(part).__name__ for part in answer)
        raise UnsupportedAnswerError(f"{pair}, got {kinds}") from None
    if weight.ndim != 2 or noise.shape != (len(weight), len(weight)):
        raise UnsupportedAnswerError(f"{pair}, got shapes {tuple(weight.shape)} and {tuple(noise.shape)}")
    if not torch.allclose(noise, noise.mT):
        raise UnsupportedAnswerError("the noise Ψ is expected to be a covariance; yours is not symmetric")
    lowest = float(torch.linalg.eigvalsh(noise)[0])
    if not lowest > 0:
        raise UnsupportedAnswerError(
            f"the noise Ψ is expected to be positive definite; its smallest eigenvalue is {lowest:.3g}"
        )
    marginal = weight @ weight.mT + noise
    return {"covariance of x": marginal, "I(x; z)": 0.5 * (torch.logdet(marginal) - torch.logdet(noise))}


# 1.2: KL of a diagonal Gaussian against the prior ---------------------------------------------------------------------


def _loc_and_log_sigma(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return normal(rng, batch, dim), normal(rng, batch, dim, scale=0.5)


def _kl(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).sum(-1)


def _kl_mean_over_dimensions(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).mean(-1)


def _kl_of_log_variance(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return 0.5 * (loc**2 + log_sigma.exp() - 1 - log_sigma).sum(-1)


def _kl_sigma_not_squared(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + log_sigma.exp() - 1) - log_sigma).sum(-1)


def _kl_of_squared_logarithm(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + log_sigma**2 - 1) - log_sigma).sum(-1)


def _kl_without_the_half(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return 2 * _kl(loc, log_sigma)


def _kl_swapped(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (log_sigma + 0.5 * ((1 + loc**2) * (-2 * log_sigma).exp() - 1)).sum(-1)


def _kl_of_the_batch(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return _kl(loc, log_sigma).sum()


# 1.3: the loss of a batch ---------------------------------------------------------------------------------------------


def _logits_x_and_kl(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    batch, pixels = size(rng), size(rng, low=2, high=9)
    logits = normal(rng, batch, pixels, scale=3)
    return logits, integers(rng, batch, pixels), uniform(rng, batch, low=0.5, high=6)


def _loss(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return (binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1) + kl).mean()


def _loss_mean_over_pixels(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, x) + kl.mean()


def _loss_of_the_whole_batch(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl.sum()


def _loss_squashed_twice(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return _loss(logits.sigmoid(), x, kl)


def _loss_minus_kl(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return _loss(logits, x, -kl)


def _loss_arguments_swapped(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return _loss(x, logits, kl)


def _loss_kl_rewarded(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return -_loss(logits, x, -kl)


ON_THE_MODEL: tuple[Exercise, ...] = (
    Exercise(
        id="1.1",
        title="Information on order",
        kind="open",
        section=_FAMILY,
        reference=_model_on_order,
        inputs=_covariance_and_nats,
        compare_as=_marginal_and_information,
        misconceptions=(
            Misconception(
                "O14",
                _order_without_the_half,
                "The marginal is right, but the latent holds half of what was ordered: the ½ in front of the "
                "log-determinant of a Gaussian's entropy has been lost on the way.",
                _FAMILY,
            ),
            Misconception(
                "O12",
                _order_in_bits,
                "The marginal is right and the amount is, in bits. The order was in nats: one bit is log 2 of them.",
                _FAMILY,
            ),
            Misconception(
                "O14",
                _order_with_share_for_root,
                "The marginal is right, but the column was scaled by t² where t belongs: W enters the covariance "
                "squared, so the share of the variance became its square.",
                _FAMILY,
            ),
            Misconception(
                "O14",
                _order_for_each_of_two,
                "Each of two latents holds the whole order, so together they hold twice as much. Information of "
                "independent latents adds up.",
                _FAMILY,
            ),
            Misconception(
                "O14",
                _noise_kept,
                "The latent holds what was ordered, but p(x) has changed: what z explains was added to Σ and has "
                "to be taken out of the noise instead.",
                _FAMILY,
            ),
        ),
    ),
    Exercise(
        id="1.2",
        title="The price of one code",
        kind="implement",
        section=_VAE,
        reference=_kl,
        inputs=_loc_and_log_sigma,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O1",
                _kl_mean_over_dimensions,
                "The KL is averaged over the latent dimensions. Independent dimensions add up: a mean divides "
                "the price of the code by its length and so is a β that nobody states.",
                _VAE,
            ),
            Misconception(
                "O2",
                _kl_of_the_batch,
                "The examples are added up as well. Each has a price of its own; reducing the batch is the "
                "objective's business, or the step size comes to depend on the batch size.",
                _VAE,
            ),
            Misconception(
                "O3",
                _kl_of_log_variance,
                "`log_sigma` is read as the logarithm of the variance. It is the logarithm of the standard "
                "deviation; the two differ by a factor of two.",
                _VAE,
            ),
            Misconception(
                "O3",
                _kl_sigma_not_squared,
                "σ stands where σ² belongs: the exponential of log σ is the standard deviation, and the "
                "divergence asks for the variance.",
                _VAE,
            ),
            Misconception(
                "O3",
                _kl_of_squared_logarithm,
                "The square of log σ stands where σ² belongs. To square σ, double its logarithm and take the "
                "exponential.",
                _VAE,
            ),
            Misconception(
                "O14",
                _kl_without_the_half,
                "Everything is there, and everything is twice as large: look again at the ½ in the density of a "
                "Gaussian and follow it through.",
                _VAE,
            ),
            Misconception(
                "O14",
                _kl_swapped,
                "This is the divergence the other way round, of the prior from the posterior. The expectation is "
                "under q, whose samples the decoder sees.",
                _VAE,
            ),
        ),
    ),
    Exercise(
        id="1.3",
        title="One number to minimise",
        kind="implement",
        section=_VAE,
        reference=_loss,
        inputs=_logits_x_and_kl,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "O1",
                _loss_mean_over_pixels,
                "The reconstruction is averaged over the pixels while the KL is a sum over its dimensions. That "
                "multiplies the KL by the number of pixels: a β-VAE with a β nobody chose.",
                _VAE,
            ),
            Misconception(
                "O2",
                _loss_of_the_whole_batch,
                "The batch is summed. The loss, and with it the gradient, grows with the batch size.",
                _VAE,
            ),
            Misconception(
                "O8",
                _loss_squashed_twice,
                "The logits go through a sigmoid twice, once by hand and once inside the cross-entropy. No pixel "
                "can then be predicted with more than 73 % or less than 50 %.",
                _VAE,
            ),
            Misconception(
                "O9",
                _loss_minus_kl,
                "The KL is subtracted. In the bound it carries a minus, and the loss is minus the bound: as it "
                "stands, training is rewarded for codes far from the prior.",
                _VAE,
            ),
            Misconception(
                "O8",
                _loss_arguments_swapped,
                "The cross-entropy takes the pixels for logits and the logits for pixels. Its first argument is "
                "what the decoder puts out, its second what is to be predicted.",
                _VAE,
            ),
            Misconception(
                "O9",
                _loss_kl_rewarded,
                "The cross-entropy already is −log p(x|z). Negating the difference of the two terms makes "
                "training maximise the reconstruction error.",
                _VAE,
            ),
        ),
    ),
)
