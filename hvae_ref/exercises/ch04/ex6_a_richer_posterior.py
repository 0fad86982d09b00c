"""Exercise 4.6: a richer posterior, a larger KL?

Asked for are the rise of the ELBO and the change of KL(q ‖ p(z)) in nats, each (B,), from the best q with independent
coordinates to the true posterior of a linear Gaussian model.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "What do flows do to a VAE?"
Pair = tuple[Tensor, Tensor]


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


def _decoders(rng: np.random.Generator) -> Pair:
    batch, dim = size(rng), int(rng.integers(2, 6))  # with one coordinate the best q is exact
    return normal(rng, batch, dim, scale=1.2, dtype=torch.float64), uniform(
        rng, batch, low=0.4, high=1.8, dtype=torch.float64
    )


def _edges() -> list[Pair]:
    """One coordinate, where the best q is exact, and forty; a decoder that ignores z; much and little noise."""
    rng = np.random.default_rng(46)
    one = torch.ones(2, 1, dtype=torch.float64)
    return [
        (normal(rng, 1, 1, dtype=torch.float64), one[:1, 0]),
        (0 * normal(rng, 2, 3, dtype=torch.float64), one[:, 0]),
        (torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, -1.0]], dtype=torch.float64), torch.tensor([1.0, 0.5]).double()),
        (normal(rng, 2, 40, dtype=torch.float64), torch.tensor([0.03, 30.0]).double()),
        (normal(rng, 2, 3, dtype=torch.float64), torch.tensor([1e-3, 1e3]).double()),
        (normal(rng, 140, 2, dtype=torch.float64), uniform(rng, 140, low=0.2, high=5, dtype=torch.float64)),
        (normal(rng, 4, 4), uniform(rng, 4, low=0.5, high=2)),
    ]


wrong = Misconceptions(_SECTION)


@wrong("F7")
def _trade_kl_falls(a: Tensor, s: Tensor) -> Pair:
    """What falls by as much as the bound rises is the KL from the *true posterior*. The KL in the bound is the one from
    the prior, and it has no duty to fall.
    """
    gain, _ = _trade(a, s)
    return gain, -gain


@wrong("F7")
def _trade_kl_stays(a: Tensor, s: Tensor) -> Pair:
    """The gain is credited to the reconstruction alone. q has changed its shape, so its KL from the prior
    changes too.
    """
    gain, _ = _trade(a, s)
    return gain, 0 * gain


@wrong("O14")
def _trade_from_marginals(a: Tensor, s: Tensor) -> Pair:
    """The mean-field q has the true posterior's own variances here. That is the best one for the KL with its arguments
    swapped; the bound prefers a narrower one.
    """
    precision = _precision(a, s)
    return _traded(precision, torch.linalg.inv(precision).diagonal(dim1=1, dim2=2))


@wrong("O14")
def _trade_kl_reversed(a: Tensor, s: Tensor) -> Pair:
    """The first number is KL(p(z|x) ‖ q). What the bound misses is an average over q, so it is the KL with the
    arguments the other way round.
    """
    precision = _precision(a, s)
    variances = 1 / precision.diagonal(dim1=1, dim2=2)
    traces = (torch.linalg.inv(precision).diagonal(dim1=1, dim2=2) / variances).sum(-1)
    log_dets = torch.linalg.slogdet(precision).logabsdet + variances.log().sum(-1)
    return 0.5 * (traces - variances.shape[-1] + log_dets), _trade(a, s)[1]


@wrong("O14")
def _trade_of_the_fall(a: Tensor, s: Tensor) -> Pair:
    """The second number has its sign reversed: it says by how much the KL falls. A change is what comes after, less
    what was before.
    """
    gain, change = _trade(a, s)
    return gain, -change


@wrong("O14")
def _trade_elbo_falls(a: Tensor, s: Tensor) -> Pair:
    """The first number has its sign reversed. The ELBO is log p(x) less a KL and rises when that goes."""
    gain, change = _trade(a, s)
    return -gain, change


@wrong("O14")
def _trade_backwards(a: Tensor, s: Tensor) -> Pair:
    """Both signs are reversed: these are the changes from the true posterior to the independent q."""
    gain, change = _trade(a, s)
    return -gain, -change


@wrong("F7")
def _trade_from_prior(a: Tensor, s: Tensor) -> Pair:
    """The comparison starts from a q with the prior's variances. Start from the best q with independent coordinates."""
    return _traded(_precision(a, s), torch.ones_like(a))


@wrong("O6")
def _trade_reconstruction(a: Tensor, s: Tensor) -> Pair:
    """The first number is what the reconstruction term gains. The bound is that term less the KL."""
    gain, change = _trade(a, s)
    return gain + change, change


@wrong("O3")
def _trade_of_variance(a: Tensor, s: Tensor) -> Pair:
    """`s` is read as a variance. It is a standard deviation."""
    return _trade(a, s.sqrt())


@wrong("O14")
def _trade_doubled(a: Tensor, s: Tensor) -> Pair:
    """Both numbers are twice what they should be: the ½ of the Gaussian KL is missing."""
    gain, change = _trade(a, s)
    return 2 * gain, 2 * change


EXERCISE = Exercise(
    id="4.6",
    title="A richer posterior, a larger KL?",
    kind="predict",
    section=_SECTION,
    reference=_trade,
    inputs=_decoders,
    edge_cases=_edges,
    misconceptions=wrong,
)
