"""Exercises of chapter 2, the two-level VAE."""

from __future__ import annotations

from hvae_ref.exercises.ch02.bound import ON_THE_BOUND
from hvae_ref.exercises.ch02.levels import ON_THE_LEVELS
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (*ON_THE_BOUND, *ON_THE_LEVELS)
