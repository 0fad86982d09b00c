"""Exercises of chapter 4, amortised flows."""

from __future__ import annotations

from hvae_ref.exercises.ch04.ex1_density_along_a_chain import EXERCISE as EX1
from hvae_ref.exercises.ch04.ex2_a_test_that_can_fail import EXERCISE as EX2
from hvae_ref.exercises.ch04.ex3_planar_step_with_temperature import EXERCISE as EX3
from hvae_ref.exercises.ch04.ex4_sylvester_step import EXERCISE as EX4
from hvae_ref.exercises.ch04.ex5_back_through_an_iaf import EXERCISE as EX5
from hvae_ref.exercises.ch04.ex6_a_richer_posterior import EXERCISE as EX6
from hvae_ref.exercises.ch04.ex7_two_gaps import EXERCISE as EX7
from hvae_ref.exercises.ch04.ex8_flows_on_order import EXERCISE as EX8
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7, EX8)
