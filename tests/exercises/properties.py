"""What holds for every exercise, as functions that raise AssertionError where it does not.

Whether two answers differ is decided here with NumPy, not by the engine's own comparison: a comparison that is broken
would agree with itself.
"""

import functools

import numpy as np
import torch
from torch.distributions import Distribution, Independent

from hvae_ref.exercises.engine.cases import cases, expected, of_misconception
from hvae_ref.exercises.engine.judge import judge
from hvae_ref.exercises.engine.registry import get
from hvae_ref.exercises.engine.surroundings import fixed_randomness

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


def in_float64(function):
    """A function of the same arguments in float64; the answer has the coarsest type of the arguments."""

    def answer(*arguments):
        floats = [x for x in arguments if isinstance(x, torch.Tensor) and x.is_floating_point()]
        coarsest = torch.float32 if any(x.dtype == torch.float32 for x in floats) else torch.float64
        wide = [x.double() if any(x is given for given in floats) else x for x in arguments]

        def cast(value):
            floating = isinstance(value, torch.Tensor) and value.is_floating_point()
            return value.to(coarsest) if floating else value

        return mapped(function(*wide), cast)

    return answer


def rounding_does_not_matter(exercise):
    """The reference, computed in float64, passes: no tolerance is closer than the inputs' type allows."""
    if exercise.examine is None:
        assert judge(exercise, in_float64(exercise.reference))


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
    """Move one number by twenty times its tolerance, and leave the others alone."""

    def change(value):
        if is_truth(value):
            return value ^ True
        tensor = torch.as_tensor(value, dtype=torch.float64).clone()
        if tensor.numel():
            last = tensor.view(-1)[-1]
            tensor.view(-1)[-1] = last + 20 * (exercise.atol + exercise.rtol * last.abs())
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
    """What an answer gives on every input, as it is compared, without the engine."""
    if not exercise.is_function:
        return [(exercise.compare_as or (lambda value: value))(answer)]
    found = []
    for case in cases(exercise):
        with fixed_randomness(case.seed):
            if exercise.examine is not None:
                found.append(exercise.examine(answer, *copied(case.inputs)))
            else:
                value = answer(*copied(case.inputs))
                found.append(value if exercise.compare_as is None else exercise.compare_as(value))
    return found


def copied(inputs):
    return tuple(part.clone() if isinstance(part, torch.Tensor) else part for part in inputs)


@functools.cache
def right_answers(id_):
    """What the reference gives on every input."""
    exercise = get(id_)
    return answers(exercise, exercise.reference)


def differs(exercise, answer):
    """Whether an answer is further from the reference than the tolerance on one of the inputs, by NumPy."""
    try:
        given = answers(exercise, answer)
    except (ValueError, TypeError, RuntimeError, IndexError, ZeroDivisionError, OverflowError):
        return True  # what cannot be computed or compared is no right answer
    pairs = zip(right_answers(exercise.id), given, strict=True)
    return any(not same(right, wrong, exercise) for right, wrong in pairs)


def same(right, wrong, exercise, tolerances=1.0):
    expected, actual = arrays(right), arrays(wrong)
    if len(expected) != len(actual):
        return False
    for e, a in zip(expected, actual, strict=True):
        if not isinstance(e, np.ndarray) or not isinstance(a, np.ndarray):
            if isinstance(e, np.ndarray) or isinstance(a, np.ndarray) or e != a:
                return False
        elif e.shape != a.shape or not np.allclose(
            a, e, rtol=tolerances * exercise.rtol, atol=tolerances * exercise.atol, equal_nan=True
        ):
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

    for stub in (None, ..., (..., ...), *([silent, refusing] if exercise.is_function else [])):
        assert judge(exercise, stub).status == "not attempted"


def one_choice_is_right(exercise):
    for choice in exercise.choices:
        assert judge(exercise, choice).passed is (choice == exercise.reference)


def misconceptions_differ(exercise):
    """By NumPy: each is clearly no right answer, and none gives what an earlier one gives; so each has its own name."""
    wrong = [seen(exercise, index) for index in range(len(exercise.misconceptions))]
    right = [pairs(outcome) for outcome in expected(exercise)] if exercise.is_function else [exercise.reference]
    if not exercise.is_function and exercise.compare_as is not None:
        right = [exercise.compare_as(torch.tensor(exercise.reference))]
    for index, given in enumerate(wrong):
        tolerances = 10 if exercise.is_function else 1
        clearly = any(not same(e, a, exercise, tolerances) for e, a in zip(right, given, strict=True))
        assert clearly, exercise.misconceptions[index].explanation
        for earlier in wrong[:index]:
            alike = all(same(e, a, exercise) for e, a in zip(earlier, given, strict=True))
            assert not alike, exercise.misconceptions[index].explanation


def seen(exercise, index):
    """What a wrong answer gives on every input, with its gradients."""
    if exercise.is_function:
        return [pairs(of_misconception(exercise, index, place)) for place in range(len(cases(exercise)))]
    value = exercise.misconceptions[index].wrong
    return [value if exercise.compare_as is None else exercise.compare_as(torch.tensor(value))]


def pairs(outcome):
    gradients = [torch.zeros(()) if part is None else part for part in outcome.gradients.values()]
    return [type(outcome.error).__name__, *(outcome.leaves[place] for place in sorted(outcome.leaves)), *gradients]


def first_and_last_misconception_are_recognised(exercise):
    for misconception in exercise.misconceptions[:: max(len(exercise.misconceptions) - 1, 1)]:
        verdict = judge(exercise, misconception.wrong)
        assert verdict.status == "failed", misconception.explanation
        assert verdict.misconception == misconception.id, misconception.explanation
        assert misconception.explanation in verdict.message


# -- what must never pass --------------------------------------------------------------------------------------------


def a_constant_fails(exercise):
    first = exercise.reference(*copied(cases(exercise)[0].inputs)) if exercise.is_function else 0
    wrong = (lambda *arguments: first) if exercise.is_function else ("" if exercise.choices else -1e9)
    assert not judge(exercise, wrong).passed


def numbers_off_by_a_little_fail(exercise):
    """Each change really is one; only where several answers are right may the changed one be right too."""
    for change in (scaled(1 + max(0.01, 10 * exercise.rtol)), noisy(exercise)):
        wrong = changed(exercise, change)
        wrong_enough = differs(exercise, wrong)
        assert wrong_enough or exercise.compare_as is not None or exercise.examine is not None
        assert judge(exercise, wrong).passed is not wrong_enough


def permuted_axes_fail(exercise):
    for change in (flipped, transposed):
        wrong = changed(exercise, change)
        assert judge(exercise, wrong).passed is not differs(exercise, wrong), change.__name__


NEEDLESS = {"2.4": "t"}  # what an answer is free to leave out: the noise of the upper level has no part in the excess


def every_argument_matters(exercise):
    """Answers that leave one argument out, or read one row of it only, fail."""
    for place, name in enumerate(exercise.argument_names):
        first = cases(exercise)[0].inputs[place]
        noticed = []
        for substitute in substitutes(first):

            @functools.wraps(exercise.reference)
            def wrong(*arguments, place=place, substitute=substitute):
                given = list(arguments)
                given[place] = substitute(given[place])
                return exercise.reference(*given)

            noticed.append(differs(exercise, wrong))
            assert judge(exercise, wrong).passed is not noticed[-1], name
        assert any(noticed) or name == NEEDLESS.get(exercise.id), name


def substitutes(first):
    """Ways to leave an argument out: a constant of its form, or that of the first input."""
    if not isinstance(first, torch.Tensor):
        return [lambda value: first]
    if first.dtype == torch.bool:
        return [torch.ones_like]
    if not first.is_floating_point():
        return [lambda value: value[:1].expand_as(value)]
    return [lambda value: value.mean().expand(value.shape), lambda value: value[:1].expand_as(value)]


def right_values_without_a_gradient_fail(exercise):
    def detached(*arguments):
        return exercise.reference(*(part.detach() if isinstance(part, torch.Tensor) else part for part in arguments))

    verdict = judge(exercise, functools.wraps(exercise.reference)(detached))
    assert verdict.status == "failed"
    assert verdict.difference == "gradient missing"


# -- the exercise itself ---------------------------------------------------------------------------------------------


def the_reference_is_finite(exercise):
    for outcome in expected(exercise):
        assert outcome.error is None
        numbers = [part for part in (*outcome.leaves.values(), *outcome.gradients.values()) if part is not None]
        assert all(torch.isfinite(part).all() for part in numbers if isinstance(part, torch.Tensor))


def inputs_vary(exercise):
    """At least three forms, and a batch of one among them."""
    drawn = [shapes(case.inputs) for case in cases(exercise)]
    assert len(set(drawn)) >= 3
    if isinstance(drawn[0][0], tuple):
        assert any(shape[0] == 1 for found in drawn for shape in found)
