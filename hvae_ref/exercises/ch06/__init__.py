"""Exercises of chapter 6, the hierarchical conditional VAE."""

from __future__ import annotations

from hvae_ref.exercises.ch06.ex1_number_of_sweeps import EXERCISE as EX1
from hvae_ref.exercises.ch06.ex2_terms_of_the_bound_wrong import EXERCISE as EX2
from hvae_ref.exercises.ch06.ex3_feature_wise_modulation import EXERCISE as EX3
from hvae_ref.exercises.ch06.ex4_peaks_that_may_be_absent import EXERCISE as EX4
from hvae_ref.exercises.ch06.ex5_lag_with_a_gradient_wrong import EXERCISE as EX5
from hvae_ref.exercises.ch06.ex6_coverage import EXERCISE as EX6
from hvae_ref.exercises.ch06.ex7_what_a_probe_may_claim_wrong import EXERCISE as EX7
from hvae_ref.exercises.ch06.ex8_shares_of_a_swap_test import EXERCISE as EX8
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7, EX8)
