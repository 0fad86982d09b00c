"""What holds for every exercise, as functions that raise AssertionError where it does not.

Whether two answers differ is decided here with NumPy, not by the engine's own comparison: a comparison that is broken
would agree with itself.
"""

import functools

import numpy as np
import torch
from torch.distributions import Distribution, Independent

from hvae_ref.exercises.engine.evaluate import evaluate, fixed_randomness
from hvae_ref.exercises.engine.judge import REPEATED_CASES, cases, judge
from hvae_ref.exercises.engine.registry import get

# -- answers: made, changed and compared ----------------------------------------------------------------------------


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


def arrays(value):
    """The numbers of an answer as NumPy arrays, and its words, in order."""
    if isinstance(value, dict):
        return [array for part in value.values() for array in arrays(part)]
    if isinstance(value, list | tuple):
        return [array for part in value for array in arrays(part)]
    if isinstance(value, Independent):
        return arrays(value.base_dist)
    if isinstance(value, Distribution):
        return [array for name in value.arg_constraints for array in arrays(getattr(value, name))]
    if isinstance(value, torch.Tensor):
        return [value.detach().double().numpy()]
    return [value] if value is None or isinstance(value, str) else [np.asarray(value, dtype=np.float64)]


def numeric(value):
    """Whether an answer holds numbers."""
    return any(isinstance(array, np.ndarray) for array in arrays(value))


def is_truth(value):
    return isinstance(value, bool) or getattr(value, "dtype", None) in (torch.bool, np.bool_)


def scaled(factor):
    return lambda value: value ^ True if is_truth(value) else value * factor


def flipped(value):
    """The right numbers in the wrong places: every axis reversed."""
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


def changed(exercise, change):
    """The reference with its answer changed, as a function with the same arguments (or as a value)."""
    if not exercise.is_function:
        return mapped(exercise.reference, change)

    @functools.wraps(exercise.reference)
    def wrong(*arguments):
        return mapped(exercise.reference(*arguments), change)

    return wrong


def answers(exercise, answer):
    """What an answer gives on every repeated input, as the check would compare it."""
    view = exercise.compare_as or (lambda value: value)
    if not exercise.is_function:
        return [view(answer)]
    found = []
    for case in cases(exercise, fresh=0):
        with fixed_randomness(case.seed):
            found.append(view(answer(*case.inputs)))
    return found


@functools.cache
def right_answers(id_):
    """What the reference gives on every repeated input."""
    exercise = get(id_)
    return answers(exercise, exercise.reference)


def differs(exercise, answer):
    """Whether an answer is further from the reference than the tolerance on one of the repeated inputs, by NumPy."""
    try:
        given = answers(exercise, answer)
    except (ValueError, TypeError, RuntimeError):  # what cannot be compared is no right answer
        return True
    pairs = zip(right_answers(exercise.id), given, strict=True)
    return any(not same(right, wrong, exercise) for right, wrong in pairs)


def same(right, wrong, exercise):
    expected, actual = arrays(right), arrays(wrong)
    if len(expected) != len(actual):
        return False
    for e, a in zip(expected, actual, strict=True):
        if not isinstance(e, np.ndarray) or not isinstance(a, np.ndarray):
            if isinstance(e, np.ndarray) or isinstance(a, np.ndarray) or e != a:
                return False
        elif e.shape != a.shape or not np.allclose(a, e, rtol=exercise.rtol, atol=exercise.atol):
            return False
    return True


def shapes(inputs):
    """What distinguishes one input from another by form; for plain numbers, their values."""
    parts = [part for item in inputs for part in (item if isinstance(item, list | tuple) else [item])]
    tensors = [tuple(part.shape) for part in parts if isinstance(part, torch.Tensor | np.ndarray) and part.ndim]
    return tuple(tensors) if tensors else tuple(float(p) for p in parts if np.ndim(p) == 0 and not callable(p))


# -- what has to pass, and what has to be told apart -----------------------------------------------------------------


def the_reference_passes(exercise):
    verdict = judge(exercise, exercise.reference)
    assert verdict.passed, str(verdict)


def stubs_are_not_attempted(exercise):
    def silent(*arguments): ...

    def refusing(*arguments):
        raise NotImplementedError

    def dotted(*arguments):
        return ..., ...

    for stub in (None, ..., NotImplemented, (..., ...), *([silent, refusing, dotted] if exercise.is_function else [])):
        assert judge(exercise, stub).status == "not attempted"


def misconceptions_are_recognised(exercise):
    """Each is named as itself, which it is only where it differs clearly from the reference."""
    for misconception in exercise.misconceptions:
        verdict = judge(exercise, misconception.wrong)
        assert verdict.status == "failed", misconception.explanation
        assert verdict.misconception == misconception.id, misconception.explanation
        assert misconception.explanation in verdict.message


def one_choice_is_right(exercise):
    for choice in exercise.choices:
        assert judge(exercise, choice).passed is (choice == exercise.reference)


# -- what must never pass --------------------------------------------------------------------------------------------

PERTURBATIONS = {
    "sign": lambda exercise: scaled(-1),
    "one per cent": lambda exercise: scaled(1 + max(0.01, 10 * exercise.rtol)),
    "half": lambda exercise: scaled(0.5),
    "double": lambda exercise: scaled(2),
    "noise": noisy,
}


def perturbed_references_fail(exercise):
    """Each change really is one; only where several answers are right may the changed one be right too."""
    for name, perturbation in PERTURBATIONS.items():
        wrong = changed(exercise, perturbation(exercise))
        wrong_enough = differs(exercise, wrong)
        assert wrong_enough or exercise.compare_as is not None, name
        assert judge(exercise, wrong).passed is not wrong_enough, name


def permuted_axes_fail(exercise):
    for change in (flipped, transposed):
        wrong = changed(exercise, change)
        assert judge(exercise, wrong).passed is not differs(exercise, wrong), change.__name__


def constants_fail(exercise):
    case = next(cases(exercise, fresh=0))
    with fixed_randomness(case.seed):
        first = exercise.reference(*case.inputs)
    for constant in (0, 1.0, torch.zeros(1), first):
        assert not judge(exercise, lambda *arguments, constant=constant: constant).passed


def identities_fail(exercise):
    for index in range(len(exercise.argument_names)):
        assert not judge(exercise, lambda *arguments, index=index: arguments[index]).passed


def right_for_one_shape_only_fails(exercise):
    for only in sorted({shapes(case.inputs) for case in cases(exercise, fresh=0)})[:4]:

        @functools.wraps(exercise.reference)
        def wrong(*arguments, only=only):
            value = exercise.reference(*arguments)
            return value if shapes(arguments) == only else mapped(value, scaled(3))

        assert judge(exercise, wrong).status == "failed"


def a_table_of_the_repeated_cases_fails(exercise):
    def key(arguments):
        return tuple(str(part.tolist() if isinstance(part, torch.Tensor) else part) for part in arguments)

    known = {key(case.inputs) for case in cases(exercise, fresh=0)}

    @functools.wraps(exercise.reference)
    def wrong(*arguments):
        value = exercise.reference(*arguments)
        return value if key(arguments) in known else mapped(value, scaled(3))

    assert judge(exercise, wrong).status == "failed"


def right_values_without_a_gradient_fail(exercise):
    def detached(*arguments):
        return exercise.reference(*(part.detach() if isinstance(part, torch.Tensor) else part for part in arguments))

    verdict = judge(exercise, functools.wraps(exercise.reference)(detached))
    assert verdict.status == "failed"
    assert verdict.difference == "gradient missing"


# -- the exercise itself ---------------------------------------------------------------------------------------------


def the_reference_is_finite(exercise):
    if not exercise.is_function:
        return
    for case in cases(exercise, fresh=0):
        outcome = evaluate(exercise.reference, case.inputs, case.seed, exercise.check_gradient, exercise.compare_as)
        assert outcome.error is None
        assert not any(leaf.isnan().any() for leaf in outcome.leaves.values() if isinstance(leaf, torch.Tensor))
        assert not any(g is not None and g.isnan().any() for g in outcome.gradients.values())


def inputs_vary(exercise):
    """At least three shapes, and a batch of one among them."""
    drawn = [shapes(case.inputs) for case in cases(exercise, fresh=0)]
    assert len(drawn) == REPEATED_CASES
    assert len(set(drawn)) >= 3
    if isinstance(drawn[0][0], tuple):
        assert any(shape[0] == 1 for found in drawn for shape in found)
