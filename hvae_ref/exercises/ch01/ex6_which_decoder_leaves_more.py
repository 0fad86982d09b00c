"""Exercise 1.6: which decoder leaves more to z?

Asked for is a prediction: compared with the narrowest decoder, does the widest leave more, less or the same to z?
"""

from __future__ import annotations

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.6 · A decoder that draws pixel by pixel"

wrong = Misconceptions(_SECTION)

wrong.value(
    "S4",
    "more",
    "A larger network can do more with z, and can also do more without it. The bound pays for every "
    "nat in z and nothing for what the decoder learns of the pixels before.",
)

wrong.value(
    "S4", "the same", "The KL is no property of the data. What z is needed for is what the decoder cannot do by itself."
)


EXERCISE = Exercise(
    id="1.6",
    title="Which decoder leaves more to z?",
    kind="predict",
    section=_SECTION,
    reference="less",
    choices=("more", "less", "the same"),
    misconceptions=wrong,
)
