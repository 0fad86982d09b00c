"""Exercises of chapter 5, the von Mises-Fisher distribution."""

from __future__ import annotations

from hvae_ref.exercises.chapter5_budget import ON_THE_BUDGET
from hvae_ref.exercises.chapter5_constant import ON_THE_CONSTANT
from hvae_ref.exercises.chapter5_density import ON_THE_DENSITY
from hvae_ref.exercises.chapter5_gradient import ON_THE_GRADIENT
from hvae_ref.exercises.chapter5_orientation import ON_THE_ORIENTATION
from hvae_ref.exercises.chapter5_sampling import ON_SAMPLING
from hvae_ref.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (
    *ON_THE_DENSITY,
    *ON_THE_CONSTANT,
    *ON_THE_ORIENTATION,
    *ON_SAMPLING,
    *ON_THE_GRADIENT,
    *ON_THE_BUDGET,
)
