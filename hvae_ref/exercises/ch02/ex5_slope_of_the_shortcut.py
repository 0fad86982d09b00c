"""Exercise 2.5: the shortcut's favourite.

Asked for is the slope a of q(z2|z1) = N(a z1, t²) that the shortcut prefers, where the means of q(z1|x) have
variance 3. The cost has its minimum at 0.6; a search may be off by three per cent.
"""

from __future__ import annotations

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "2.3 · Three objectives that look alike"

wrong = Misconceptions(_SECTION)

wrong.value(
    "O5",
    0.8,
    "This is w / (w² + σ²), the slope of p(z2|z1), which the ELBO would choose. The cost you were given "
    "is another one.",
)

wrong.value(
    "S4", 0.0, "The shortcut does not always silence z2. Minimise it: the part of z1 that x determines survives."
)


EXERCISE = Exercise(
    id="2.5",
    title="The shortcut's favourite",
    kind="experiment",
    section=_SECTION,
    reference=0.6,
    rtol=0.03,
    atol=1e-6,
    misconceptions=wrong,
)
