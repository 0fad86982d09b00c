"""Exercises of chapter 7, feature density and synthesis."""

from __future__ import annotations

from hvae_ref.exercises.chapter7_auroc import ON_THE_AREA
from hvae_ref.exercises.chapter7_cholesky import ON_THE_FACTOR
from hvae_ref.exercises.chapter7_cost import ON_THE_COST
from hvae_ref.exercises.chapter7_graph import ON_THE_GRAPH
from hvae_ref.exercises.chapter7_integral import ON_INTEGRALS
from hvae_ref.exercises.chapter7_mixture import ON_THE_MIXTURE
from hvae_ref.exercises.chapter7_whitening import ON_WHITENING
from hvae_ref.exercises.chapter7_worth import ON_THE_WORTH
from hvae_ref.exercises.exercise import Exercise

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
