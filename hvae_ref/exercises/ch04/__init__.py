"""Exercises of chapter 4, amortised flows."""

from __future__ import annotations

from hvae_ref.exercises.ch04.autoregressive import ON_AUTOREGRESSION
from hvae_ref.exercises.ch04.density import ON_THE_DENSITY
from hvae_ref.exercises.ch04.gaps import ON_THE_GAPS
from hvae_ref.exercises.ch04.hierarchy import ON_THE_HIERARCHY
from hvae_ref.exercises.ch04.planar import ON_THE_PLANAR_STEP
from hvae_ref.exercises.ch04.sylvester import ON_THE_SYLVESTER_STEP
from hvae_ref.exercises.ch04.trade import ON_THE_TRADE
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (
    *ON_THE_DENSITY,
    *ON_THE_PLANAR_STEP,
    *ON_THE_SYLVESTER_STEP,
    *ON_AUTOREGRESSION,
    *ON_THE_TRADE,
    *ON_THE_GAPS,
    *ON_THE_HIERARCHY,
)
