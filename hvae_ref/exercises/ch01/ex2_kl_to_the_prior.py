"""Exercise 1.2: the price of one code.

Asked for is KL(q ‖ p) in nats of a diagonal Gaussian q, given as loc and log σ (B, d), from p = N(0, I): one value for
each example.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, float64

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.3 · The single-level VAE"


def _kl(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).sum(-1)


def _loc_and_log_sigma(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return normal(rng, batch, dim), normal(rng, batch, dim, scale=0.5)


def _edges() -> list[tuple[Tensor, Tensor]]:
    """Scales from e^−300 to e^300, where the square of a scale is still a number; q = p; one value and many."""
    scales = torch.tensor([[-44.0, -25.0, 25.0, 40.0], [-12.0, -3.0, 3.0, 12.0], [0.0, 0.0, 0.0, 0.0]])
    sizes = (-44.0, -40.0, -3.0, 0.0, 3.0, 40.0, 44.0)
    single = [(torch.zeros(1, 1), torch.tensor([[log_sigma]])) for log_sigma in sizes]
    rng = np.random.default_rng(12)
    return [
        *single,
        (torch.zeros(3, 4), scales),
        (torch.tensor([[1e3, -30.0, 0.0, 1e-3]]), torch.zeros(1, 4)),
        (torch.tensor([[1e8, -1e15]]), torch.zeros(1, 2)),
        (torch.tensor([[0.02]], dtype=float64), torch.tensor([[0.01]], dtype=float64)),
        (torch.ones(1, 2, dtype=float64), torch.tensor([[-300.0, 300.0]], dtype=float64)),
        *((torch.zeros(1, 1, dtype=float64), torch.tensor([[low]], dtype=float64)) for low in (-60.0, -300.0)),
        (normal(rng, 140, 1), normal(rng, 140, 1)),
        (normal(rng, 33, 33, dtype=float64), normal(rng, 33, 33, dtype=float64)),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O1")
def _kl_mean_over_dimensions(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The KL is averaged over the latent dimensions. Independent dimensions add up: a mean divides the price of the
    code by its length and so is a β that nobody states.
    """
    return (0.5 * (loc**2 + (2 * log_sigma).exp() - 1) - log_sigma).mean(-1)


@wrong("O2")
def _kl_of_the_batch(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The examples are added up as well. Each has a price of its own; reducing the batch is the objective's business,
    or the step size comes to depend on the batch size.
    """
    return _kl(loc, log_sigma).sum()


@wrong("O3")
def _kl_of_log_variance(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """`log_sigma` is read as the logarithm of the variance. It is the logarithm of the standard deviation; the two
    differ by a factor of two.
    """
    return 0.5 * (loc**2 + log_sigma.exp() - 1 - log_sigma).sum(-1)


@wrong("O3")
def _kl_sigma_not_squared(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """σ stands where σ² belongs: the exponential of log σ is the standard deviation, and the divergence asks for the
    variance.
    """
    return (0.5 * (loc**2 + log_sigma.exp() - 1) - log_sigma).sum(-1)


@wrong("O3")
def _kl_of_squared_logarithm(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """The square of log σ stands where σ² belongs. To square σ, double its logarithm and take the exponential."""
    return (0.5 * (loc**2 + log_sigma**2 - 1) - log_sigma).sum(-1)


@wrong("O14")
def _kl_without_the_half(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """Everything is there, and everything is twice as large: look again at the ½ in the density of a Gaussian and
    follow it through.
    """
    return 2 * _kl(loc, log_sigma)


@wrong("O14")
def _kl_swapped(loc: Tensor, log_sigma: Tensor) -> Tensor:
    """This is the divergence the other way round, of the prior from the posterior. The expectation is under q, whose
    samples the decoder sees.
    """
    return (log_sigma + 0.5 * ((1 + loc**2) * (-2 * log_sigma).exp() - 1)).sum(-1)


EXERCISE = Exercise(
    id="1.2",
    title="The price of one code",
    kind="implement",
    section=_SECTION,
    reference=_kl,
    inputs=_loc_and_log_sigma,
    edge_cases=_edges,
    misconceptions=wrong,
)
