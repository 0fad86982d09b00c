"""Exercises of chapter 1, latent usefulness."""

from __future__ import annotations

from hvae_ref.exercises.ch01.bound import ON_THE_BOUND
from hvae_ref.exercises.ch01.gradient import ON_THE_GRADIENT
from hvae_ref.exercises.ch01.model import ON_THE_MODEL
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (*ON_THE_MODEL, *ON_THE_GRADIENT, *ON_THE_BOUND)
