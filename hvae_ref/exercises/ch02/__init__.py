"""Exercises of chapter 2, the two-level VAE."""

from __future__ import annotations

from hvae_ref.exercises.ch02.ex1_told_to_the_top_level import EXERCISE as EX1
from hvae_ref.exercises.ch02.ex2_one_sample_of_the_bound import EXERCISE as EX2
from hvae_ref.exercises.ch02.ex3_kl_given_z2 import EXERCISE as EX3
from hvae_ref.exercises.ch02.ex4_distance_of_the_shortcut import EXERCISE as EX4
from hvae_ref.exercises.ch02.ex5_slope_of_the_shortcut import EXERCISE as EX5
from hvae_ref.exercises.ch02.ex6_move_z2_hold_z1 import EXERCISE as EX6
from hvae_ref.exercises.ch02.ex7_information_of_a_level import EXERCISE as EX7
from hvae_ref.exercises.ch02.ex8_levels_on_order import EXERCISE as EX8
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7, EX8)
