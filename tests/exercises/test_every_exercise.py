"""Every exercise of the book: right answers pass, no others do, and a broken comparison would be noticed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae_ref.exercises.engine import compare
from hvae_ref.exercises.engine import judge as judging
from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import registered
from tests.exercises import properties
from tests.exercises.properties import (
    arrays,
    changed,
    differs,
    flipped,
    is_truth,
    numeric,
    right_answers,
    transposed,
)

ALL = tuple(registered().values())
FUNCTIONS = tuple(x for x in ALL if x.is_function)
NUMERIC = {x.id for x in ALL if numeric(right_answers(x.id))}
OF_NUMBERS = (properties.perturbed_references_fail,)
OF_PLACES = (properties.permuted_axes_fail,)
OF_GRADIENTS = (properties.right_values_without_a_gradient_fail,)
OF_MISTAKES = (properties.misconceptions_are_recognised,)
OF_TRICKS = (
    properties.constants_fail,
    properties.identities_fail,
    properties.right_for_one_shape_only_fails,
    properties.a_table_of_the_repeated_cases_fails,
)
OF_ALL = (
    properties.the_reference_passes,
    properties.the_reference_is_finite,
    properties.inputs_vary,
    properties.stubs_are_not_attempted,
    properties.one_choice_is_right,
)
GROUPS = {
    "is_sound": OF_ALL,
    "knows_mistakes": OF_MISTAKES,
    "refuses_what_is_changed": (*OF_NUMBERS, *OF_PLACES, *OF_GRADIENTS),
    "refuses_tricks": OF_TRICKS,
}
# Which exercises have a property, where it is not all of them.
HAS = {
    **dict.fromkeys(OF_NUMBERS, lambda exercise: exercise.id in NUMERIC),
    **dict.fromkeys(OF_GRADIENTS, lambda exercise: exercise.check_gradient),
    **dict.fromkeys((*OF_PLACES, *OF_TRICKS, properties.inputs_vary), lambda exercise: exercise.is_function),
}


def properties_of(exercise, groups=GROUPS):
    every = [holds for group in groups for holds in GROUPS[group]]
    return [holds for holds in every if holds not in HAS or HAS[holds](exercise)]


HOLDS = [(x, group) for x in ALL for group in GROUPS if properties_of(x, [group])]


@pytest.mark.parametrize(("exercise", "group"), HOLDS, ids=[f"{x.id}-{group}" for x, group in HOLDS])
def test_every_exercise(exercise, group):
    for holds in properties_of(exercise, [group]):
        holds(exercise)


def test_the_book_has_exercises_and_all_but_the_open_ones_know_mistakes():
    assert {x.chapter for x in ALL} >= {1, 2, 3}
    for exercise in ALL:
        assert exercise.misconceptions or exercise.kind not in ("derive", "implement", "predict"), exercise.id
        assert not isinstance(exercise.reference, str) or len(exercise.choices) >= 2, exercise.id


@settings(max_examples=60, deadline=None)
@given(
    exercise=st.sampled_from([x for x in FUNCTIONS if x.compare_as is None]),
    factor=st.floats(-4, 4).filter(lambda f: abs(f - 1) > 0.01),
    offset=st.floats(-3, 3),
)
def test_no_scaled_and_shifted_reference_passes(exercise, factor, offset):
    def change(value):
        return value ^ True if is_truth(value) else factor * value + offset

    wrong = changed(exercise, change)
    assert judge(exercise, wrong).passed is not differs(exercise, wrong)


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


def has_an_order(exercise):
    """Whether it matters where a number stands; a single number has no place."""
    return any(differs(exercise, changed(exercise, change)) for change in (flipped, transposed))


def has_a_tolerance(exercise):
    """Whether a number a little off is wrong: not where answers are truth values, or right in many ways."""
    numbers = [array for array in arrays(right_answers(exercise.id)) if isinstance(array, np.ndarray)]
    return exercise.compare_as is None and not all(np.isin(array, (0, 1)).all() for array in numbers)


PASSES = (properties.the_reference_passes, *OF_MISTAKES)
REFUSES = (*OF_MISTAKES, *OF_NUMBERS, *OF_PLACES, *OF_GRADIENTS, *OF_TRICKS)
OF_VALUES = (*OF_NUMBERS, properties.right_for_one_shape_only_fails, properties.a_table_of_the_repeated_cases_fails)
# A broken comparison, and the properties that then fail for every exercise that has them.
BROKEN = {
    "always agrees": (lambda expected, actual, tolerance: None, REFUSES),
    "never agrees": (lambda expected, actual, tolerance: "structure", PASSES),
    "forgets values": (without_values, OF_VALUES),
    "forgets gradients": (without_gradients, OF_GRADIENTS),
    "is too tolerant": (with_a_wide_tolerance, OF_NUMBERS),
}
# Where a property or a comparison makes no difference to an exercise, nothing can be noticed.
UNLESS = {properties.permuted_axes_fail: has_an_order, "is too tolerant": has_a_tolerance}


@pytest.mark.parametrize("chapter", sorted({x.chapter for x in ALL}))
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_comparison_is_noticed_in_every_exercise(monkeypatch, broken, chapter):
    difference, noticing = BROKEN[broken]
    monkeypatch.setattr(judging, "difference", difference)
    monkeypatch.setattr(judging, "agree", lambda *outcomes: difference(*outcomes) is None)
    for exercise in (x for x in ALL if x.chapter == chapter):
        for fails in set(noticing) & set(properties_of(exercise)):
            if all(UNLESS[key](exercise) for key in (fails, broken) if key in UNLESS):
                with pytest.raises(AssertionError):
                    fails(exercise)
                    pytest.fail(f"{exercise.id}: {fails.__name__} holds with a comparison that {broken}", pytrace=False)


@pytest.mark.parametrize(("matters", "least"), [(has_an_order, 40), (has_a_tolerance, 30)])
def test_few_exercises_are_left_out(matters, least):
    assert sum(matters(exercise) for exercise in FUNCTIONS) >= least
