"""Exercise 2.3: the price of z1, given z2.

Asked for is KL(q ‖ p) in nats of two diagonal Gaussians, given as loc and log σ (B, d): one value for each example.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.2 · The ELBO of two levels"
_ALIKE = "2.3 · Three objectives that look alike"


def _kl(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    log_ratio = log_sigma_q - log_sigma_p
    distance = ((loc_q - loc_p) * (-log_sigma_p).exp()) ** 2
    return (0.5 * (distance + (2 * log_ratio).exp() - 1) - log_ratio).sum(-1)


def _two_gaussians(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=7)
    return (
        normal(rng, batch, dim),
        normal(rng, batch, dim, scale=0.5),
        normal(rng, batch, dim),
        normal(rng, batch, dim, scale=0.5),
    )


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Scales from e^−300 to e^300, with a distance of the same size; q = p; one value and many."""
    found = []
    for scale, dtype in ((35.0, torch.float32), (300.0, torch.float64)):
        for log_q, log_p in ((0.0, scale), (-scale, -scale + 1), (scale, scale + 1), (-scale, 0.0), (scale / 2, 0.0)):
            q, p = torch.full((1, 1), log_q, dtype=dtype), torch.full((1, 1), log_p, dtype=dtype)
            found.append((1.5 * p.exp(), q, 0 * p, p))
    # The squares of these scales are no float32, and the square of the second ratio is none.
    for log_q, log_p in ((-50.0, -49.0), (-50.0, 50.0), (50.0, 50.5)):
        q, p = torch.full((1, 1), log_q), torch.full((1, 1), log_p)
        found.append((1.5 * p.exp(), q, 0 * p, p))
    rng = np.random.default_rng(23)
    same = normal(rng, 2, 3), normal(rng, 2, 3)
    return [
        *found,
        (*same, *same),
        (*(normal(rng, 140, 1) for _ in range(4)),),
        (*(normal(rng, 20, 20, dtype=torch.float64) for _ in range(4)),),
    ]


wrong = Misconceptions(_SECTION)


@wrong("O4", section=_ALIKE)
def _kl_to_standard_normal(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """This is the divergence from N(0, I). The prior of z1 is p(z1|z2); leave it out and z2 plays no part."""
    return _kl(loc_q, log_sigma_q, torch.zeros_like(loc_p), torch.zeros_like(log_sigma_p))


@wrong("O14")
def _kl_swapped(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """The arguments are swapped: this is KL(p ‖ q). The expectation has to be under q."""
    return _kl(loc_p, log_sigma_p, loc_q, log_sigma_q)


@wrong("O14")
def _kl_without_the_half(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """Twice the right value: the ½ in the exponent of the Gaussian went missing."""
    return 2 * _kl(loc_q, log_sigma_q, loc_p, log_sigma_p)


@wrong("O7")
def _kl_unscaled_distance(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """The distance of the means is not measured in the prior's own units: a shift of 1 is a long way for a narrow
    prior.
    """
    log_ratio = log_sigma_q - log_sigma_p
    return (0.5 * ((loc_q - loc_p) ** 2 + (2 * log_ratio).exp() - 1) - log_ratio).sum(-1)


@wrong("O3")
def _kl_of_log_variances(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """The heads were read as logarithms of variances. They are logarithms of standard deviations."""
    return _kl(loc_q, log_sigma_q / 2, loc_p, log_sigma_p / 2)


@wrong("O14")
def _kl_without_the_one(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """Half a nat too much for each coordinate: for q = p the divergence has to be 0. Is yours?"""
    return _kl(loc_q, log_sigma_q, loc_p, log_sigma_p) + loc_q.shape[-1] / 2


@wrong("O14")
def _kl_with_the_ratio_turned(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """The logarithm of the ratio has the wrong sign. A q narrower than the prior must cost more, not less."""
    return _kl(loc_q, log_sigma_q, loc_p, log_sigma_p) + 2 * (log_sigma_q - log_sigma_p).sum(-1)


@wrong("O2")
def _kl_of_the_batch(loc_q: Tensor, log_sigma_q: Tensor, loc_p: Tensor, log_sigma_p: Tensor) -> Tensor:
    """The batch is summed as well. Each example has its own divergence; only the objective averages them."""
    return _kl(loc_q, log_sigma_q, loc_p, log_sigma_p).sum()


EXERCISE = Exercise(
    id="2.3",
    title="The price of z1, given z2",
    kind="implement",
    section=_SECTION,
    reference=_kl,
    inputs=_two_gaussians,
    edge_cases=_edges,
    misconceptions=wrong,
)
