"""Every exercise of the book: right answers pass, no others do, and a broken comparison would be noticed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae_ref.exercises.engine import compare
from hvae_ref.exercises.engine import judge as judging
from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import registered
from tests.exercises import properties
from tests.exercises.properties import changed, differs, is_truth, numeric, right_answers

ALL = tuple(registered().values())
FUNCTIONS = tuple(x for x in ALL if x.is_function)
NUMERIC = {x.id for x in ALL if numeric(right_answers(x.id))}
# Properties by the exercises that have them.
EVERYWHERE = (
    properties.the_reference_passes,
    properties.stubs_are_not_attempted,
    properties.misconceptions_are_recognised,
    properties.one_choice_is_right,
    properties.the_reference_is_finite,
)
OF_NUMBERS = (properties.perturbed_references_fail,)
OF_FUNCTIONS = (
    properties.inputs_vary,
    properties.permuted_axes_fail,
    properties.constants_fail,
    properties.identities_fail,
    properties.right_for_one_shape_only_fails,
    properties.a_table_of_the_repeated_cases_fails,
)
OF_GRADIENTS = (properties.right_values_without_a_gradient_fail,)


def properties_of(exercise):
    return [
        *EVERYWHERE,
        *(OF_NUMBERS if exercise.id in NUMERIC else ()),
        *(OF_FUNCTIONS if exercise.is_function else ()),
        *(OF_GRADIENTS if exercise.check_gradient else ()),
    ]


HOLDS = [pytest.param(x, holds, id=f"{x.id}-{holds.__name__}") for x in ALL for holds in properties_of(x)]


@pytest.mark.parametrize(("exercise", "holds"), HOLDS)
def test_every_exercise_keeps_its_promises(exercise, holds):
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


NOTHING_PASSES = (properties.the_reference_passes, properties.misconceptions_are_recognised)
REFUSES = (properties.misconceptions_are_recognised, *OF_NUMBERS, *OF_FUNCTIONS[1:], *OF_GRADIENTS)
OF_VALUES = (*OF_NUMBERS, properties.right_for_one_shape_only_fails, properties.a_table_of_the_repeated_cases_fails)
# A broken comparison, and the properties that then fail for every exercise that has them.
BROKEN = {
    "always agrees": (lambda expected, actual, tolerance: None, REFUSES),
    "never agrees": (lambda expected, actual, tolerance: "value", NOTHING_PASSES),
    "forgets values": (without_values, OF_VALUES),
    "forgets gradients": (without_gradients, OF_GRADIENTS),
    "is too tolerant": (with_a_wide_tolerance, OF_NUMBERS),
}


@pytest.mark.parametrize("chapter", sorted({x.chapter for x in ALL}))
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_comparison_is_noticed_in_every_exercise(monkeypatch, broken, chapter):
    difference, noticing = BROKEN[broken]
    monkeypatch.setattr(judging, "difference", difference)
    monkeypatch.setattr(judging, "agree", lambda *outcomes: difference(*outcomes) is None)
    for exercise in (x for x in ALL if x.chapter == chapter):
        for fails in set(noticing) & set(properties_of(exercise)):
            with pytest.raises(AssertionError):
                fails(exercise)
                pytest.fail(
                    f"{exercise.id}: {fails.__name__} does not notice a comparison that {broken}", pytrace=False
                )
