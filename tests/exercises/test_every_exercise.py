"""What holds for every exercise of the book: right answers pass, and no others do."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Distribution, Independent

from hvae_ref.exercises.engine.compare import Tolerance, agree
from hvae_ref.exercises.engine.evaluate import evaluate, flatten
from hvae_ref.exercises.engine.judge import REPEATED_CASES, cases, judge
from hvae_ref.exercises.engine.registry import registered

ALL = tuple(registered().values())
FUNCTIONS = tuple(x for x in ALL if x.is_function)
VALUES = tuple(x for x in ALL if not x.is_function)
MISTAKES = tuple((x, i) for x in ALL for i in range(len(x.misconceptions)))


def over(exercises):
    return pytest.mark.parametrize("exercise", exercises, ids=[x.id for x in exercises])


def mapped(value, change):
    """Apply a change to every tensor and number in an answer, and keep its form."""
    if isinstance(value, torch.Tensor | bool | int | float | np.generic | np.ndarray):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [mapped(part, change) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, Independent):
        return Independent(mapped(value.base_dist, change), value.reinterpreted_batch_ndims)
    if isinstance(value, Distribution):
        given = {name: part for name, part in vars(value).items() if name in value.arg_constraints}
        return type(value)(**{name: change(part) for name, part in given.items()})
    return value


def numeric(value):
    """Whether a change of numbers can change an answer."""
    return any(isinstance(leaf, torch.Tensor) for leaf in flatten(value).values())


def is_truth(value):
    return isinstance(value, bool) or getattr(value, "dtype", None) in (torch.bool, np.bool_)


def scaled(factor):
    return lambda value: value ^ True if is_truth(value) else value * factor


def flipped(value):
    """The right numbers in the wrong places: every axis turned round, a square transposed."""
    if not isinstance(value, torch.Tensor | np.ndarray) or value.ndim == 0:
        return value
    tensor = torch.as_tensor(value)
    return tensor.flip(tuple(range(tensor.ndim)))


def transposed(value):
    return value.T if isinstance(value, np.ndarray) or (isinstance(value, torch.Tensor) and value.ndim == 2) else value


def noisy(exercise):
    """Move one number by ten times its tolerance, and leave the others alone."""

    def change(value):
        if is_truth(value):
            return value ^ True
        tensor = torch.as_tensor(value, dtype=torch.float64).clone()
        if tensor.numel():
            last = tensor.view(-1)[-1]
            tensor.view(-1)[-1] = last + 10 * (exercise.atol + exercise.rtol * last.abs())
        return tensor

    return change


def perturbed(exercise, change):
    """The reference with its answer changed, as a function with the same arguments (or as a value)."""
    if not exercise.is_function:
        return mapped(exercise.reference, change)

    @functools.wraps(exercise.reference)
    def wrong(*arguments):
        return mapped(exercise.reference(*arguments), change)

    return wrong


def outcomes(exercise, function):
    if not exercise.is_function:
        return [evaluate(lambda: function, (), 0, compare_as=exercise.compare_as)]
    return [
        evaluate(function, case.inputs, case.seed, exercise.check_gradient, exercise.compare_as)
        for case in cases(exercise, fresh=0)
    ]


def really_differs(exercise, answer):
    tolerance = Tolerance(exercise.rtol, exercise.atol)
    pairs = zip(outcomes(exercise, exercise.reference), outcomes(exercise, answer), strict=True)
    return not all(agree(expected, actual, tolerance) for expected, actual in pairs)


def shapes(inputs):
    """What distinguishes one input from another by form; for plain numbers, their values."""
    parts = [part for item in inputs for part in (item if isinstance(item, list | tuple) else [item])]
    tensors = [tuple(part.shape) for part in parts if isinstance(part, torch.Tensor | np.ndarray) and part.ndim]
    return tuple(tensors) if tensors else tuple(float(p) for p in parts if np.ndim(p) == 0 and not callable(p))


def test_the_book_has_exercises():
    assert {x.chapter for x in ALL} >= {1, 2, 3}


@over(ALL)
def test_the_reference_passes(exercise):
    verdict = judge(exercise, exercise.reference)
    assert verdict.passed, str(verdict)


@over(ALL)
def test_the_reference_is_finite_enough_to_compare(exercise):
    for outcome in outcomes(exercise, exercise.reference):
        assert outcome.error is None
        assert not any(leaf.isnan().any() for leaf in outcome.leaves.values() if isinstance(leaf, torch.Tensor))
        assert not any(g is not None and g.isnan().any() for g in outcome.gradients.values())


@over(ALL)
def test_stubs_are_not_attempted(exercise):
    def silent(*arguments): ...

    def refusing(*arguments):
        raise NotImplementedError

    def dotted(*arguments):
        return ..., ...

    for stub in (None, ..., NotImplemented, (..., ...), *([silent, refusing, dotted] if exercise.is_function else [])):
        assert judge(exercise, stub).status == "not attempted"


@pytest.mark.parametrize(("exercise", "index"), MISTAKES, ids=[f"{x.id}-{x.misconceptions[i].id}" for x, i in MISTAKES])
def test_every_misconception_is_recognised_as_itself(exercise, index):
    misconception = exercise.misconceptions[index]
    verdict = judge(exercise, misconception.wrong)
    assert verdict.status == "failed"
    assert verdict.misconception == misconception.id
    assert misconception.explanation in verdict.message


@pytest.mark.parametrize(("exercise", "index"), MISTAKES, ids=[f"{x.id}-{x.misconceptions[i].id}" for x, i in MISTAKES])
def test_the_reference_matches_no_misconception(exercise, index):
    assert really_differs(exercise, exercise.misconceptions[index].wrong)


@over([x for x in ALL if x.kind in ("derive", "implement", "predict")])
def test_there_is_a_mistake_to_recognise(exercise):
    assert exercise.misconceptions


@over(FUNCTIONS)
def test_inputs_vary_in_shape_and_include_a_batch_of_one(exercise):
    drawn = [shapes(case.inputs) for case in cases(exercise, fresh=0)]
    assert len(drawn) == REPEATED_CASES
    assert len(set(drawn)) >= 3
    if isinstance(drawn[0][0], tuple):
        assert any(shape[0] == 1 for found in drawn for shape in found)


PERTURBATIONS = {
    "sign": lambda exercise: scaled(-1),
    "one per cent": lambda exercise: scaled(1 + max(0.01, 10 * exercise.rtol)),
    "half": lambda exercise: scaled(0.5),
    "double": lambda exercise: scaled(2),
    "noise": noisy,
}


@over([x for x in ALL if numeric(outcomes(x, x.reference)[0].value)])
@pytest.mark.parametrize("name", PERTURBATIONS)
def test_perturbed_references_never_pass(exercise, name):
    wrong = perturbed(exercise, PERTURBATIONS[name](exercise))
    differs = really_differs(exercise, wrong)
    # Only where several answers are right (an orthonormal basis up to its sign) may a changed one be right too.
    assert differs or exercise.compare_as is not None
    assert judge(exercise, wrong).passed is not differs


@over(FUNCTIONS)
@pytest.mark.parametrize("change", [flipped, transposed])
def test_permuted_axes_never_pass(exercise, change):
    wrong = perturbed(exercise, change)
    assert judge(exercise, wrong).passed is not really_differs(exercise, wrong)


@over(FUNCTIONS)
def test_constants_never_pass(exercise):
    first = outcomes(exercise, exercise.reference)[0].value
    for constant in (0, 1.0, torch.zeros(1), first):
        assert not judge(exercise, lambda *arguments, constant=constant: constant).passed


@over(FUNCTIONS)
def test_handing_an_input_back_never_passes(exercise):
    for index in range(len(exercise.argument_names)):
        assert not judge(exercise, lambda *arguments, index=index: arguments[index]).passed


@over(FUNCTIONS)
def test_right_for_one_shape_only_never_passes(exercise):
    for only in sorted({shapes(case.inputs) for case in cases(exercise, fresh=0)})[:4]:

        @functools.wraps(exercise.reference)
        def wrong(*arguments, only=only):
            value = exercise.reference(*arguments)
            return value if shapes(arguments) == only else mapped(value, scaled(3))

        assert judge(exercise, wrong).status == "failed"


@over(FUNCTIONS)
def test_a_table_of_the_repeated_cases_never_passes(exercise):
    def key(arguments):
        return tuple(str(part.tolist() if isinstance(part, torch.Tensor) else part) for part in arguments)

    known = {key(case.inputs) for case in cases(exercise, fresh=0)}

    @functools.wraps(exercise.reference)
    def wrong(*arguments):
        value = exercise.reference(*arguments)
        return value if key(arguments) in known else mapped(value, scaled(3))

    assert judge(exercise, wrong).status == "failed"


def test_of_the_choices_one_is_right():
    for exercise in VALUES:
        if isinstance(exercise.reference, str):
            assert len(exercise.choices) >= 2, exercise.id
        for choice in exercise.choices:
            assert judge(exercise, choice).passed is (choice == exercise.reference)


@settings(max_examples=60, deadline=None)
@given(
    exercise=st.sampled_from([x for x in FUNCTIONS if x.compare_as is None]),
    factor=st.floats(-4, 4).filter(lambda f: abs(f - 1) > 0.01),
    offset=st.floats(-3, 3),
)
def test_no_scaled_and_shifted_reference_passes(exercise, factor, offset):
    def change(value):
        return value ^ True if is_truth(value) else factor * value + offset

    wrong = perturbed(exercise, change)
    assert judge(exercise, wrong).passed is not really_differs(exercise, wrong)
