"""Exercise 1.3: one number to minimise.

Asked for is the mean −ELBO of a batch, from logits (B, D), binary pixels (B, D) and the KL of each example (B,).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, float64
from torch.nn.functional import binary_cross_entropy_with_logits

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import integers, normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.3 · The single-level VAE"


def _loss(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    return (binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1) + kl).mean()


def _logits_x_and_kl(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    batch, pixels = size(rng), size(rng, low=2, high=9)
    logits = normal(rng, batch, pixels, scale=3)
    return logits, integers(rng, batch, pixels), uniform(rng, batch, low=0.5, high=6)


def _edges() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Logits at which a sigmoid is exactly 0 or 1, for both values of a pixel; one pixel and many."""
    sizes = torch.tensor([[20.0, -20.0], [95.0, -95.0], [1000.0, -1000.0], [0.0, 0.0]])
    certain = [(row[None], x, torch.tensor([2.0])) for row in sizes for x in (torch.eye(2)[:1], torch.eye(2)[1:])]
    rng = np.random.default_rng(13)
    return [
        *certain,
        (sizes.double(), torch.ones(4, 2, dtype=float64), torch.tensor([0.0, 900.0, 3.0, 1.0], dtype=float64)),
        (1e4 * sizes, sizes.sign().clamp(min=0), 1e6 * torch.ones(4)),
        (1e6 * sizes[:1], torch.eye(2)[1:], torch.ones(1)),
        (torch.zeros(1, 1), torch.ones(1, 1), torch.zeros(1)),
        (normal(rng, 140, 1), integers(rng, 140, 1), uniform(rng, 140)),
        (normal(rng, 1, 300), integers(rng, 1, 300), uniform(rng, 1)),
        (normal(rng, 9, 9, dtype=float64), integers(rng, 9, 9, dtype=float64), uniform(rng, 9, dtype=float64)),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O1")
def _loss_mean_over_pixels(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    """The reconstruction is averaged over the pixels while the KL is a sum over its dimensions. That multiplies the KL
    by the number of pixels: a β-VAE with a β nobody chose.
    """
    return binary_cross_entropy_with_logits(logits, x) + kl.mean()


@wrong("O2")
def _loss_of_the_whole_batch(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    """The batch is summed. The loss, and with it the gradient, grows with the batch size."""
    return binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl.sum()


@wrong("O8")
def _loss_squashed_twice(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    """The logits go through a sigmoid twice, once by hand and once inside the cross-entropy. No pixel can then be
    predicted with more than 73 % or less than 50 %.
    """
    return _loss(logits.sigmoid(), x, kl)


@wrong("O9")
def _loss_minus_kl(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    """The KL is subtracted. In the bound it carries a minus, and the loss is minus the bound: as it stands, training is
    rewarded for codes far from the prior.
    """
    return _loss(logits, x, -kl)


@wrong("O8")
def _loss_arguments_swapped(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    """The cross-entropy takes the pixels for logits and the logits for pixels. Its first argument is what the decoder
    puts out, its second what is to be predicted.
    """
    return _loss(x, logits, kl)


@wrong("O9")
def _loss_kl_rewarded(logits: Tensor, x: Tensor, kl: Tensor) -> Tensor:
    """The cross-entropy already is −log p(x|z). Negating the difference of the two terms makes training maximise the
    reconstruction error.
    """
    return -_loss(logits, x, -kl)


EXERCISE = Exercise(
    id="1.3",
    title="One number to minimise",
    kind="implement",
    section=_SECTION,
    reference=_loss,
    inputs=_logits_x_and_kl,
    edge_cases=_edges,
    misconceptions=wrong,
)
