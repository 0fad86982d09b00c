"""Exercises of chapter 7, feature density and synthesis."""

from __future__ import annotations

from hvae_ref.exercises.ch07.ex1_cholesky_factor_wrong import EXERCISE as EX1
from hvae_ref.exercises.ch07.ex2_log_density_of_a_mixture_wrong import EXERCISE as EX2
from hvae_ref.exercises.ch07.ex3_cost_of_full_covariances_wrong import EXERCISE as EX3
from hvae_ref.exercises.ch07.ex4_does_it_integrate_to_one_wrong import EXERCISE as EX4
from hvae_ref.exercises.ch07.ex5_density_of_whitened_features_wrong import EXERCISE as EX5
from hvae_ref.exercises.ch07.ex6_who_reads_whom import EXERCISE as EX6
from hvae_ref.exercises.ch07.ex7_area_under_the_curve_wrong import EXERCISE as EX7
from hvae_ref.exercises.ch07.ex8_worth_of_a_level_wrong import EXERCISE as EX8
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7, EX8)
