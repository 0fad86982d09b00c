"""Exercises of chapter 3 on the ladder's merge and on silent levels: 3.1, 3.2 and 3.5."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_LADDER = "3.3 · The ladder's merge"
_RESIDUAL = "3.5 · The residual path"

Moments = tuple[Tensor, Tensor]


# 3.1: the ladder's merge ----------------------------------------------------------------------------------------------


def _two_gaussians(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, dim = size(rng), size(rng, high=5)
    loc_p, loc_d = normal(rng, batch, dim, scale=2), normal(rng, batch, dim, scale=2)
    scale_p, scale_d = (normal(rng, batch, dim, scale=0.6).exp() for _ in range(2))
    return loc_p, scale_p, loc_d, scale_d


def _merge_by(weight_p: Tensor, weight_d: Tensor, loc_p: Tensor, loc_d: Tensor) -> Tensor:
    return (weight_p * loc_p + weight_d * loc_d) / (weight_p + weight_d)


def _merged(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    precision_p, precision_d = scale_p**-2, scale_d**-2
    return _merge_by(precision_p, precision_d, loc_p, loc_d), (precision_p + precision_d) ** -0.5


def _merged_average(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    return (loc_p + loc_d) / 2, ((scale_p**2 + scale_d**2) / 2).sqrt()


def _merged_average_scale(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    return (loc_p + loc_d) / 2, (scale_p + scale_d) / 2


def _merged_plain_mean(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    return (loc_p + loc_d) / 2, _merged(loc_p, scale_p, loc_d, scale_d)[1]


def _merged_variances_added(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    return _merged(loc_p, scale_p, loc_d, scale_d)[0], (scale_p**2 + scale_d**2).sqrt()


def _merged_by_variance(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    return _merge_by(scale_p**2, scale_d**2, loc_p, loc_d), _merged(loc_p, scale_p, loc_d, scale_d)[1]


def _merged_inverse_scale(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    return _merge_by(1 / scale_p, 1 / scale_d, loc_p, loc_d), 1 / (1 / scale_p + 1 / scale_d)


def _merged_variance_returned(loc_p: Tensor, scale_p: Tensor, loc_d: Tensor, scale_d: Tensor) -> Moments:
    loc, scale = _merged(loc_p, scale_p, loc_d, scale_d)
    return loc, scale**2


# 3.2: how far x must pull ---------------------------------------------------------------------------------------------

_NATS, _ESTIMATE_SCALE = 3.0, 0.5


def _distance(weight: float, variance: float) -> float:
    """Where ½ ((weight · d)² + variance − 1 − log variance) reaches `_NATS`."""
    return math.sqrt(2 * _NATS - variance + 1 + math.log(variance)) / weight


_MERGED_VARIANCE = 1 / (1 + _ESTIMATE_SCALE**-2)


ON_THE_POSTERIOR: tuple[Exercise, ...] = (
    Exercise(
        id="3.1",
        title="Two Gaussians, one posterior",
        kind="implement",
        section=_LADDER,
        reference=_merged,
        inputs=_two_gaussians,
        check_gradient=True,
        misconceptions=(
            Misconception(
                "S10",
                _merged_average,
                "Prior and estimate are averaged, as if they were two votes. They are two sources of evidence about "
                "one number: the sharper one must count for more, and the two together are sharper than either.",
                _LADDER,
            ),
            Misconception(
                "S10",
                _merged_average_scale,
                "Prior and estimate are averaged, as if they were two votes. They are two sources of evidence about "
                "one number: the sharper one must count for more, and the two together are sharper than either.",
                _LADDER,
            ),
            Misconception(
                "S10",
                _merged_plain_mean,
                "The scale is right, but both means count the same. A vague estimate should hardly move the prior.",
                _LADDER,
            ),
            Misconception(
                "S10",
                _merged_variances_added,
                "The variances are added. That is the variance of a sum of two independent numbers. Here a second "
                "source of evidence must make the result sharper, not vaguer.",
                _LADDER,
            ),
            Misconception(
                "S10",
                _merged_by_variance,
                "The means are weighted by variances, so that the vaguer source counts for more. Precision is the "
                "inverse.",
                _LADDER,
            ),
            Misconception(
                "S10",
                _merged_inverse_scale,
                "1/σ is used as the precision. In the exponent of a Gaussian stands the inverse of the variance.",
                _LADDER,
            ),
            Misconception(
                "O3",
                _merged_variance_returned,
                "The mean is right; in place of the merged scale its square is returned.",
                _LADDER,
            ),
        ),
    ),
    Exercise(
        id="3.2",
        title="How far x must pull",
        kind="experiment",
        section=_LADDER,
        reference=_distance(_MERGED_VARIANCE / _ESTIMATE_SCALE**2, _MERGED_VARIANCE),
        rtol=0.02,
        misconceptions=(
            Misconception(
                "S10",
                _distance(1.0, _ESTIMATE_SCALE**2),
                "This is the distance at which the *estimate* is 3 nats from the prior. The posterior is what "
                "remains of it after the merge, and it stays nearer to the prior.",
                _LADDER,
            ),
            Misconception(
                "S10",
                _distance(1 / (1 + _ESTIMATE_SCALE), (_ESTIMATE_SCALE / (1 + _ESTIMATE_SCALE)) ** 2),
                "The merge here weighs by 1/σ. Precisions are inverse variances.",
                _LADDER,
            ),
            Misconception(
                "O14",
                math.sqrt(_NATS - _MERGED_VARIANCE + 1 + math.log(_MERGED_VARIANCE))
                / (_MERGED_VARIANCE / _ESTIMATE_SCALE**2),
                "At this distance the merged posterior is not yet 3 nats from the prior: the ½ of the KL is missing.",
                _LADDER,
            ),
        ),
    ),
    Exercise(
        id="3.5",
        title="Which level falls silent?",
        kind="predict",
        section=_RESIDUAL,
        reference="z1",
        choices=("z2", "z1", "both", "neither"),
        misconceptions=(
            Misconception(
                "S4",
                "neither",
                "Sharing the path is said to keep every KL above zero. Nothing in the bound does: a level that "
                "leaves its posterior at the prior pays nothing.",
                _RESIDUAL,
            ),
            Misconception(
                "S4",
                "z2",
                "That is what happens where inference starts at the bottom. Here z2 is inferred first, straight from "
                "x, and what it knows reaches x for free through the mean of p(z1|z2).",
                _RESIDUAL,
            ),
            Misconception(
                "S4",
                "both",
                "A model that used neither level could do no better than one distribution for all images, and that "
                "costs more than the few nats of the level that is kept.",
                _RESIDUAL,
            ),
        ),
    ),
)
