"""Exercises of chapter 5, the von Mises-Fisher distribution."""

from __future__ import annotations

from hvae_ref.exercises.ch05.ex1_mean_of_a_von_mises_fisher import EXERCISE as EX1
from hvae_ref.exercises.ch05.ex2_kl_to_the_uniform import EXERCISE as EX2
from hvae_ref.exercises.ch05.ex3_constant_in_many_dimensions import EXERCISE as EX3
from hvae_ref.exercises.ch05.ex4_orientation import EXERCISE as EX4
from hvae_ref.exercises.ch05.ex5_draws_of_the_cosine import EXERCISE as EX5
from hvae_ref.exercises.ch05.ex6_slope_of_a_draw import EXERCISE as EX6
from hvae_ref.exercises.ch05.ex7_kappa_of_a_given_length import EXERCISE as EX7
from hvae_ref.exercises.ch05.ex8_nats_on_several_spheres import EXERCISE as EX8
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7, EX8)
