"""Exercises of chapter 5, the von Mises-Fisher distribution."""

from __future__ import annotations

from hvae_ref.exercises.ch05.budget import ON_THE_BUDGET
from hvae_ref.exercises.ch05.constant import ON_THE_CONSTANT
from hvae_ref.exercises.ch05.density import ON_THE_DENSITY
from hvae_ref.exercises.ch05.gradient import ON_THE_GRADIENT
from hvae_ref.exercises.ch05.orientation import ON_THE_ORIENTATION
from hvae_ref.exercises.ch05.sampling import ON_SAMPLING
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (
    *ON_THE_DENSITY,
    *ON_THE_CONSTANT,
    *ON_THE_ORIENTATION,
    *ON_SAMPLING,
    *ON_THE_GRADIENT,
    *ON_THE_BUDGET,
)
