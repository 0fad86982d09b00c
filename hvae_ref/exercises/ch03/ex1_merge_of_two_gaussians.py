"""Exercise 3.1: two Gaussians, one posterior.

Asked for are mean and scale (B, d) of the ladder's merge of prior and estimate.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.3 · The ladder's merge"
Moments = tuple[Tensor, Tensor]


def _merge_by(weight_p: Tensor, weight_d: Tensor, loc_p: Tensor, loc_d: Tensor) -> Tensor:
    return (weight_p * loc_p + weight_d * loc_d) / (weight_p + weight_d)


def _merged(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    precision_p, precision_d = scale_p**-2, scale_d**-2
    return _merge_by(precision_p, precision_d, loc_p, loc_d), (precision_p + precision_d) ** -0.5


def _two_gaussians(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=5)
    loc_p, loc_d = normal(rng, batch, dim, scale=2), normal(rng, batch, dim, scale=2)
    scale_p, scale_d = (normal(rng, batch, dim, scale=0.6).exp() for _ in range(2))
    return loc_p, scale_p, loc_d, scale_d


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One of the two all but certain; both so, with different weights; both very wide; one value and many; float64."""
    rng = np.random.default_rng(31)
    pairs = [(1e-6, 1e6), (1e6, 1e-6), (1e-4, 2e-4), (3e-7, 1e-7), (1e5, 2e5), (1.0, 1e-3)]
    one = torch.ones(1, 1)
    found = [(one, p * one, -3 * one, d * one) for p, d in pairs]
    far = torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float64)
    wide = torch.tensor([[1e-9, 1e9, 1.0]], dtype=torch.float64)
    return [
        *found,
        *(tuple(part.double() for part in pair) for pair in found),
        (far, wide, -far, 2 * wide),
        (normal(rng, 140, 1), normal(rng, 140, 1).exp(), normal(rng, 140, 1), normal(rng, 140, 1).exp()),
        (normal(rng, 9, 9), normal(rng, 9, 9).exp(), normal(rng, 9, 9), normal(rng, 9, 9).exp()),
    ]


wrong = Misconceptions(_SECTION)


@wrong("S10")
def _merged_average(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """Prior and estimate are averaged, as if they were two votes. They are two sources of evidence about one number:
    the sharper one must count for more, and the two together are sharper than either.
    """
    return (loc_p + loc_d) / 2, ((scale_p**2 + scale_d**2) / 2).sqrt()


@wrong("S10")
def _merged_average_scale(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """Prior and estimate are averaged, as if they were two votes. They are two sources of evidence about one number:
    the sharper one must count for more, and the two together are sharper than either.
    """
    return (loc_p + loc_d) / 2, (scale_p + scale_d) / 2


@wrong("S10")
def _merged_plain_mean(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """The scale is right, but both means count the same. A vague estimate should hardly move the prior."""
    return (loc_p + loc_d) / 2, _merged(loc_p, scale_p, loc_d, scale_d)[1]


@wrong("S10")
def _merged_variances_added(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """The variances are added. That is the variance of a sum of two independent numbers. Here a second source of
    evidence must make the result sharper, not vaguer.
    """
    return _merged(loc_p, scale_p, loc_d, scale_d)[0], (scale_p**2 + scale_d**2).sqrt()


@wrong("S10")
def _merged_by_variance(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """The means are weighted by variances, so that the vaguer source counts for more. Precision is the inverse."""
    return _merge_by(scale_p**2, scale_d**2, loc_p, loc_d), _merged(loc_p, scale_p, loc_d, scale_d)[1]


@wrong("S10")
def _merged_inverse_scale(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """1/σ is used as the precision. In the exponent of a Gaussian stands the inverse of the variance."""
    return _merge_by(1 / scale_p, 1 / scale_d, loc_p, loc_d), 1 / (1 / scale_p + 1 / scale_d)


@wrong("O3")
def _merged_variance_returned(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    """The mean is right; in place of the merged scale its square is returned."""
    loc, scale = _merged(loc_p, scale_p, loc_d, scale_d)
    return loc, scale**2


EXERCISE = Exercise(
    id="3.1",
    title="Two Gaussians, one posterior",
    kind="implement",
    section=_SECTION,
    reference=_merged,
    inputs=_two_gaussians,
    edge_cases=_edges,
    atol=1e-13,  # scales may be small
    misconceptions=wrong,
)
