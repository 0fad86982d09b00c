"""Exercise 3.5: which level falls silent?

Asked for is a prediction: which level of a top-down VAE without the residual path has a KL near zero?
"""

from __future__ import annotations

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "3.5 · The residual path"

wrong = Misconceptions(_SECTION)

wrong.value(
    "S4",
    "neither",
    "Sharing the path is said to keep every KL above zero. Nothing in the bound does: a level that "
    "leaves its posterior at the prior pays nothing.",
)

wrong.value(
    "S4",
    "z2",
    "That is what happens where inference starts at the bottom. Here z2 is inferred first, straight from "
    "x, and what it knows reaches x for free through the mean of p(z1|z2).",
)

wrong.value(
    "S4",
    "both",
    "A model that used neither level could do no better than one distribution for all images, and that "
    "costs more than the few nats of the level that is kept.",
)


EXERCISE = Exercise(
    id="3.5",
    title="Which level falls silent?",
    kind="predict",
    section=_SECTION,
    reference="z1",
    choices=("z2", "z1", "both", "neither"),
    misconceptions=wrong,
)
