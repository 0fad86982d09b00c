"""Exercises of chapter 6, the hierarchical conditional VAE."""

from __future__ import annotations

from hvae_ref.exercises.ch06.bound import ON_THE_BOUND
from hvae_ref.exercises.ch06.coverage import ON_COVERAGE
from hvae_ref.exercises.ch06.film import ON_FILM
from hvae_ref.exercises.ch06.lag import ON_THE_LAG
from hvae_ref.exercises.ch06.peaks import ON_PEAKS
from hvae_ref.exercises.ch06.probe import ON_PROBES
from hvae_ref.exercises.ch06.swap import ON_SWAPS
from hvae_ref.exercises.ch06.sweeps import ON_SWEEPS
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (
    *ON_SWEEPS,
    *ON_THE_BOUND,
    *ON_FILM,
    *ON_PEAKS,
    *ON_THE_LAG,
    *ON_COVERAGE,
    *ON_PROBES,
    *ON_SWAPS,
)
