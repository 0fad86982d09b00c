"""Exercise 4.8: flows on order.

Asked for are covariances (B, 4, 4) of (z2, z1) for which a flow is worth given nats on each level. Many answers are
right, so the check compares the two worths, the variances, the symmetry, and whether the levels depend on each
other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import size, uniform
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "Where in a hierarchy should the flow go?"
_REACH = 0.5  # how strongly the lower level follows the upper one in the examples below
_CLOSE = 1e-4  # how far from 1 a variance may be
_COUPLED = 0.1  # covariance from which two levels count as dependent


def _correlated(correlation: Tensor) -> Tensor:
    """(B, 2, 2) with ones on the diagonal."""
    one = torch.ones_like(correlation)
    return torch.stack([one, correlation, correlation, one], -1).view(-1, 2, 2)


def _correlation(nats: Tensor) -> Tensor:
    """The correlation of two numbers at which the best independent q has this KL, in nats."""
    return (1 - (-2 * nats).exp()).sqrt()


def _joined(upper: Tensor, lower: Tensor, reach: float) -> Tensor:
    """Covariance of (z2, z1), where both coordinates of z1 follow the first one of z2."""
    across = reach * upper[:, :1, :].expand(-1, 2, -1)
    return torch.cat([torch.cat([upper, across.mT], 2), torch.cat([across, lower], 2)], 1)


def _ordered(top: Tensor, bottom: Tensor) -> Tensor:
    lower = _REACH**2 + (1 - _REACH**2) * _correlated(_correlation(bottom))
    return _joined(_correlated(_correlation(top)), lower, _REACH)


def _orders(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    batch = size(rng)
    top, bottom = (uniform(rng, batch, low=0.05, high=1.5, dtype=torch.float64) for _ in range(2))
    return top, bottom


def _missed(precision: Tensor) -> Tensor:
    """Least KL of a Gaussian with independent coordinates from one of this precision, in nats."""
    return 0.5 * (precision.diagonal(dim1=1, dim2=2).log().sum(-1) - torch.linalg.slogdet(precision).logabsdet)


def _worths(covariance: Tensor) -> dict[str, Tensor]:
    """What a flow is worth on each level of q(z2|x) q(z1|z2, x), and whether the other conditions hold."""
    covariance = torch.as_tensor(covariance, dtype=torch.float64)
    if covariance.ndim != 3 or covariance.shape[1:] != (4, 4):
        raise ValueError(f"covariance: expected shape (B, 4, 4), got {tuple(covariance.shape)}")
    if (torch.linalg.eigvalsh(covariance) <= 0).any():
        raise ValueError("covariance: expected positive definite matrices, got one with an eigenvalue of 0 or below")
    return {
        "worth on z2": _missed(torch.linalg.inv(covariance[:, :2, :2])),
        "worth on z1": _missed(torch.linalg.inv(covariance)[:, 2:, 2:]),
        "variances are 1": ((covariance.diagonal(dim1=1, dim2=2) - 1).abs() < _CLOSE).all(1),
        "asymmetry": (covariance - covariance.mT).abs().amax((1, 2)),
        "levels depend on each other": covariance[:, :2, 2:].abs().amax((1, 2)) > _COUPLED,
    }


def _edges() -> list[tuple[Tensor, Tensor]]:
    """Very little and very much on one of the levels; one order and 140."""
    little, much = torch.tensor([0.002], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64)
    rng = np.random.default_rng(48)
    return [
        (little, much),
        (much, little),
        (much, much),
        (little, little),
        (2 * much, much),
        (little, 2 * much),
        (uniform(rng, 140, low=0.1, dtype=torch.float64), uniform(rng, 140, low=0.1, dtype=torch.float64)),
    ]


wrong = Misconceptions(_SECTION)


@wrong("F8")
def _ordered_marginally(top: Tensor, bottom: Tensor) -> Tensor:
    """The correlation inside z1 was chosen as if z2 were unknown. q(z1|z2, x) already knows z2, and what z1's
    coordinates have in common through z2 needs no flow.
    """
    return _joined(_correlated(_correlation(top)), _correlated(_correlation(bottom)), _REACH)


@wrong("F8")
def _ordered_upwards(top: Tensor, bottom: Tensor) -> Tensor:
    """These are the worths for q(z1|x) q(z2|z1, x). Top-down, z2 is drawn first and knows nothing of z1."""
    swapped = _ordered(bottom, top)
    return swapped.roll((2, 2), (1, 2))


@wrong("F8")
def _ordered_exchanged(top: Tensor, bottom: Tensor) -> Tensor:
    """The levels are exchanged: rows and columns 0 and 1 belong to z2."""
    return _ordered(bottom, top)


@wrong("F8")
def _ordered_bottom_first(top: Tensor, bottom: Tensor) -> Tensor:
    """The blocks stand in the order (z1, z2). Rows and columns 0 and 1 belong to z2, 2 and 3 to z1."""
    return _ordered(top, bottom).roll((2, 2), (1, 2))


@wrong("F8")
def _ordered_wider(top: Tensor, bottom: Tensor) -> Tensor:
    """The worths are right, but not all variances are 1: where z1 follows z2, its noise has to be that much smaller. No
    worth depends on the scale of a coordinate.
    """
    # z1 is z2's first coordinate plus noise of variance 1.
    lower = 1 + _correlated(_correlation(bottom))
    return _joined(_correlated(_correlation(top)), lower, 1.0)


@wrong("O14")
def _ordered_half(top: Tensor, bottom: Tensor) -> Tensor:
    """Both flows are worth half of what was ordered. Two coordinates with correlation ρ are missed by −½
    log(1 − ρ²).
    """
    return _ordered(top / 2, bottom / 2)


@wrong("F8")
def _ordered_apart(top: Tensor, bottom: Tensor) -> Tensor:
    """The worths are right, but z1 and z2 are independent given x. Then the order of the levels does not matter, and
    the question is no longer one about a hierarchy.
    """
    return _joined(_correlated(_correlation(top)), _correlated(_correlation(bottom)), 0.0)


EXERCISE = Exercise(
    id="4.8",
    title="Flows on order",
    kind="open",
    section=_SECTION,
    reference=_ordered,
    inputs=_orders,
    edge_cases=_edges,
    compare_as=_worths,
    misconceptions=wrong,
)
