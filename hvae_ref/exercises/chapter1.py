"""Exercises of chapter 1, latent usefulness."""

from __future__ import annotations

from hvae_ref.exercises.chapter1_bound import ON_THE_BOUND
from hvae_ref.exercises.chapter1_gradient import ON_THE_GRADIENT
from hvae_ref.exercises.chapter1_model import ON_THE_MODEL
from hvae_ref.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (*ON_THE_MODEL, *ON_THE_GRADIENT, *ON_THE_BOUND)
