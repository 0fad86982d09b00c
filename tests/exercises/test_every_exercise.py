"""Every exercise of the book: right answers pass, no others do, and a broken comparison would be noticed."""

import numpy as np
import pytest
import torch

from hvae_ref.exercises.engine import cases as inputs
from hvae_ref.exercises.engine import compare
from hvae_ref.exercises.engine import judge as judging
from hvae_ref.exercises.engine.registry import registered
from tests.exercises import properties

ALL = tuple(registered().values())
FUNCTIONS = {x.id for x in ALL if x.is_function}
NUMERIC = {x.id for x in ALL if not isinstance(x.reference, str)}
OF_ALL = (
    properties.the_reference_passes,
    properties.stubs_are_not_attempted,
    properties.one_choice_is_right,
    properties.misconceptions_differ,
    properties.first_and_last_misconception_are_recognised,
    properties.a_constant_fails,
)
OF_NUMBERS = (properties.numbers_off_by_a_little_fail,)
OF_FUNCTIONS = (
    properties.the_reference_is_finite,
    properties.inputs_vary,
    properties.permuted_axes_fail,
    properties.rounding_does_not_matter,
)
OF_ARGUMENTS = (properties.every_argument_matters,)
OF_GRADIENTS = (properties.right_values_without_a_gradient_fail,)


def properties_of(exercise):
    held = [*OF_ALL]
    held += OF_NUMBERS if exercise.id in NUMERIC else ()
    held += (*OF_FUNCTIONS, *OF_ARGUMENTS) if exercise.id in FUNCTIONS else ()
    return held + list(OF_GRADIENTS if exercise.check_gradient else ())


@pytest.mark.parametrize("exercise", ALL, ids=[x.id for x in ALL])
def test_every_exercise(exercise):
    for holds in properties_of(exercise):
        holds(exercise)


def test_the_book_has_exercises_and_all_but_the_open_ones_know_mistakes():
    assert {x.chapter for x in ALL} >= {1, 2, 3}
    for exercise in ALL:
        assert exercise.misconceptions or exercise.kind not in ("derive", "implement", "predict"), exercise.id
        assert not isinstance(exercise.reference, str) or len(exercise.choices) >= 2, exercise.id


@pytest.mark.parametrize("exercise", [x for x in ALL if x.is_function], ids=[x.id for x in ALL if x.is_function])
def test_inputs_are_the_same_in_every_run(exercise):
    """Whatever the states of the random generators, and whatever types and modes the reader has chosen."""
    before = inputs.cases(exercise)
    torch.manual_seed(5)
    np.random.seed(6)
    torch.set_default_dtype(torch.float64)
    try:
        again = inputs._drawn(exercise)
    finally:
        torch.set_default_dtype(torch.float32)
    assert [case.seed for case in before] == [case.seed for case in again]
    for one, other in zip(before, again, strict=True):
        for a, b in zip(one.inputs, other.inputs, strict=True):
            assert not isinstance(a, torch.Tensor) or (
                a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
            )


# -- the comparison broken on purpose --------------------------------------------------------------------------------


def without_values(expected, actual, tolerance):
    """A comparison that looks at shapes and forgets the numbers."""
    kind = compare.difference(expected, actual, tolerance)
    return None if kind in ("value", "nan", "dtype") else kind


def without_gradients(expected, actual, tolerance):
    kind = compare.difference(expected, actual, tolerance)
    return None if kind in ("gradient", "gradient missing") else kind


def with_a_wide_tolerance(expected, actual, tolerance):
    return compare.difference(expected, actual, tolerance.loosened(1000))


OF_MISTAKES = (properties.first_and_last_misconception_are_recognised,)
# A broken comparison, and the properties that then fail for every exercise that has them.
BROKEN = {
    "always agrees": (lambda expected, actual, tolerance: None, (*OF_MISTAKES, *OF_NUMBERS, *OF_ARGUMENTS)),
    "never agrees": (lambda expected, actual, tolerance: "structure", (properties.the_reference_passes, *OF_MISTAKES)),
    "forgets values": (without_values, OF_NUMBERS),
    "forgets gradients": (without_gradients, OF_GRADIENTS),
    "is too tolerant": (with_a_wide_tolerance, OF_NUMBERS),
}
SAMPLE = ("1.2", "2.4", "3.1", "4.7", "5.2", "6.4", "7.1")


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_comparison_is_noticed(monkeypatch, broken):
    difference, noticing = BROKEN[broken]
    monkeypatch.setattr(judging, "difference", difference)
    monkeypatch.setattr(judging, "agree", lambda *outcomes: difference(*outcomes) is None)
    for exercise in map(registered().get, SAMPLE):
        for fails in set(noticing) & set(properties_of(exercise)):
            with pytest.raises(AssertionError):
                fails(exercise)
                pytest.fail(f"{exercise.id}: {fails.__name__} holds with a comparison that {broken}", pytrace=False)
