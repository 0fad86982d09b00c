"""Exercises of chapter 1, latent usefulness."""

from __future__ import annotations

from hvae_ref.exercises.ch01.ex1_information_on_order import EXERCISE as EX1
from hvae_ref.exercises.ch01.ex2_kl_to_the_prior import EXERCISE as EX2
from hvae_ref.exercises.ch01.ex3_loss_of_a_batch import EXERCISE as EX3
from hvae_ref.exercises.ch01.ex4_one_line_of_backpropagation import EXERCISE as EX4
from hvae_ref.exercises.ch01.ex5_importance_weighted_bound import EXERCISE as EX5
from hvae_ref.exercises.ch01.ex6_which_decoder_leaves_more import EXERCISE as EX6
from hvae_ref.exercises.ch01.ex7_beta_of_collapse import EXERCISE as EX7
from hvae_ref.exercises.engine.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (EX1, EX2, EX3, EX4, EX5, EX6, EX7)
