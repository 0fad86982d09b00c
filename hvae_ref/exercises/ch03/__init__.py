"""Exercises of chapter 3, the top-down VAE."""

from __future__ import annotations

from hvae_ref.exercises.ch03.ex1_merge_of_two_gaussians import EXERCISE as EX1
from hvae_ref.exercises.ch03.ex2_how_far_x_must_pull import EXERCISE as EX2
from hvae_ref.exercises.ch03.ex3_price_of_a_change import EXERCISE as EX3
from hvae_ref.exercises.ch03.ex4_nats_on_order import EXERCISE as EX4
from hvae_ref.exercises.ch03.ex5_which_level_falls_silent import EXERCISE as EX5
from hvae_ref.exercises.ch03.ex6_log_probability_of_a_bin import EXERCISE as EX6
from hvae_ref.exercises.ch03.ex7_density_in_bits import EXERCISE as EX7
from hvae_ref.exercises.ch03.ex8_who_knows_more import EXERCISE as EX8
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7, EX8)
