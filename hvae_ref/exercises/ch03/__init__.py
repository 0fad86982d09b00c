"""Exercises of chapter 3, the top-down VAE."""

from __future__ import annotations

from hvae_ref.exercises.ch03.likelihood import ON_THE_LIKELIHOOD
from hvae_ref.exercises.ch03.posterior import ON_THE_POSTERIOR
from hvae_ref.exercises.ch03.relative import ON_THE_RELATIVE
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (*ON_THE_POSTERIOR, *ON_THE_RELATIVE, *ON_THE_LIKELIHOOD)
