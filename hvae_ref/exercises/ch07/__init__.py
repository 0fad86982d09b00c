"""Exercises of chapter 7, feature density and synthesis."""

from __future__ import annotations

from hvae_ref.exercises.ch07.auroc import ON_THE_AREA
from hvae_ref.exercises.ch07.cholesky import ON_THE_FACTOR
from hvae_ref.exercises.ch07.cost import ON_THE_COST
from hvae_ref.exercises.ch07.graph import ON_THE_GRAPH
from hvae_ref.exercises.ch07.integral import ON_INTEGRALS
from hvae_ref.exercises.ch07.mixture import ON_THE_MIXTURE
from hvae_ref.exercises.ch07.whitening import ON_WHITENING
from hvae_ref.exercises.ch07.worth import ON_THE_WORTH
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (
    *ON_THE_FACTOR,
    *ON_THE_MIXTURE,
    *ON_THE_COST,
    *ON_INTEGRALS,
    *ON_WHITENING,
    *ON_THE_GRAPH,
    *ON_THE_AREA,
    *ON_THE_WORTH,
)
