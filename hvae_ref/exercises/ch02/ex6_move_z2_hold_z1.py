"""Exercise 2.6: move z2, hold z1.

Asked for is a prediction: what changes in the decoded images when z1 is held and z2 is moved?
"""

from __future__ import annotations

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.5 · What each level holds"

wrong = Misconceptions(_SECTION)

wrong.value(
    "S3",
    "the digit changes",
    "Follow the arrows of equation 2.1 from z2 to x. Which of them is still open when z1 is held?",
)

wrong.value(
    "S3", "the style changes", "Style or digit, whatever z2 has to say reaches x through z1 alone, and z1 is held."
)


EXERCISE = Exercise(
    id="2.6",
    title="Move z2, hold z1",
    kind="predict",
    section=_SECTION,
    reference="nothing changes",
    choices=("the digit changes", "the style changes", "nothing changes"),
    misconceptions=wrong,
)
