"""Exercises of chapter 6, the hierarchical conditional VAE."""

from __future__ import annotations

from hvae_ref.exercises.chapter6_bound import ON_THE_BOUND
from hvae_ref.exercises.chapter6_coverage import ON_COVERAGE
from hvae_ref.exercises.chapter6_film import ON_FILM
from hvae_ref.exercises.chapter6_lag import ON_THE_LAG
from hvae_ref.exercises.chapter6_peaks import ON_PEAKS
from hvae_ref.exercises.chapter6_probe import ON_PROBES
from hvae_ref.exercises.chapter6_swap import ON_SWAPS
from hvae_ref.exercises.chapter6_sweeps import ON_SWEEPS
from hvae_ref.exercises.exercise import Exercise

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
