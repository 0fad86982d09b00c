"""Exercise 1.7: the β at which z is given up.

Asked for is the smallest β at which the best KL of a one-number VAE is zero. The variance along the latent is
2 and the noise is σ = 0.4, so β = 2 / σ² = 12.5; a search may be off by five per cent.
"""

from __future__ import annotations

from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "1.7 · Six repairs, one table"

wrong = Misconceptions(_SECTION)

wrong.value("O3", 5.0, "The noise enters as its standard deviation. A Gaussian's log-density divides by the variance.")

wrong.value("O14", 6.25, "Half of the right value: both terms of the loss carry a ½, so it cancels.")


EXERCISE = Exercise(
    id="1.7",
    title="The β at which z is given up",
    kind="experiment",
    section=_SECTION,
    reference=12.5,
    rtol=0.05,
    atol=1e-6,
    misconceptions=wrong,
)
