"""Exercise 3.2: how far x must pull.

Asked for is the distance of an estimate of scale 0.5 from the prior N(0, 1) at which the merged posterior holds three
nats, to two per cent.
"""

from __future__ import annotations

import math

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.3 · The ladder's merge"
_NATS, _ESTIMATE_SCALE = 3.0, 0.5
_MERGED_VARIANCE = 1 / (1 + _ESTIMATE_SCALE**-2)


def _distance(weight: float, variance: float) -> float:
    """Where ½ ((weight · d)² + variance − 1 − log variance) reaches `_NATS`."""
    return math.sqrt(2 * _NATS - variance + 1 + math.log(variance)) / weight


wrong = Misconceptions(_SECTION)

wrong.value(
    "S10",
    _distance(1.0, _ESTIMATE_SCALE**2),
    "This is the distance at which the *estimate* is 3 nats from the prior. The posterior is what "
    "remains of it after the merge, and it stays nearer to the prior.",
)

wrong.value(
    "S10",
    _distance(1 / (1 + _ESTIMATE_SCALE), (_ESTIMATE_SCALE / (1 + _ESTIMATE_SCALE)) ** 2),
    "The merge here weighs by 1/σ. Precisions are inverse variances.",
)

wrong.value(
    "O14",
    math.sqrt(_NATS - _MERGED_VARIANCE + 1 + math.log(_MERGED_VARIANCE)) / (_MERGED_VARIANCE / _ESTIMATE_SCALE**2),
    "At this distance the merged posterior is not yet 3 nats from the prior: the ½ of the KL is missing.",
)


EXERCISE = Exercise(
    id="3.2",
    title="How far x must pull",
    kind="experiment",
    section=_SECTION,
    reference=_distance(_MERGED_VARIANCE / _ESTIMATE_SCALE**2, _MERGED_VARIANCE),
    rtol=0.02,
    misconceptions=wrong,
)
