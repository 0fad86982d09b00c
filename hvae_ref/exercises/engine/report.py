"""Verdicts from comparisons: what to say, and which input to show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.compare import GRADIENT_SLACK, Tolerance, pattern
from hvae_ref.exercises.engine.describe import (
    changed_inputs,
    describe,
    error_message,
    mismatch,
    readable,
    readable_outcome,
    words_that_differ,
)
from hvae_ref.exercises.engine.evaluate import Outcome
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.links import section_link
from hvae_ref.exercises.engine.misconceptions import Misconception
from hvae_ref.exercises.engine.verdict import Verdict

NO_RETURN = (
    "The function runs and returns nothing (None) on every input. To print a result shows it and does not hand it "
    "over: end with `return`."
)


def not_attempted(exercise: Exercise) -> Verdict:
    """The verdict on a stub.

    Args:
        exercise: The exercise.

    Returns:
        A verdict that says where to begin.
    """
    message = "Fill in the cell above, run it, then run this one again."
    return Verdict("not attempted", exercise.id, exercise.title, message)


def passed(exercise: Exercise, tried: int) -> Verdict:
    """The verdict on a right answer.

    Args:
        exercise: The exercise.
        tried: On how many inputs the answer agreed with the reference; 0 for a value.

    Returns:
        The verdict.
    """
    gradients = ", values and gradients" if exercise.check_gradient else ""
    message = f"It agrees with the reference on {tried} inputs{gradients}." if tried else "That is right."
    return Verdict("passed", exercise.id, exercise.title, message)


def wrong_form(exercise: Exercise, message: str) -> Verdict:
    """The verdict on an answer of the wrong kind, before anything is run.

    Args:
        exercise: The exercise.
        message: What to do.

    Returns:
        The verdict.
    """
    return Verdict("failed", exercise.id, exercise.title, message, difference="form")


def failed(
    exercise: Exercise,
    inputs: list[tuple[Any, ...]],
    expected: list[Outcome],
    actual: list[Outcome],
    kinds: list[str | None],
    misconception: Misconception | None,
) -> Verdict:
    """The verdict on a wrong function.

    Args:
        exercise: The exercise.
        inputs: The arguments of every case.
        expected: What the reference gave.
        actual: What the answer gave.
        kinds: Kind of difference in every case, None where there is none.
        misconception: The wrong answer it matches, if it matches one.

    Returns:
        The verdict, with the smallest failing input.
    """
    kind = _worst(kinds)
    right = kinds.count(None)
    elsewhere = f" On {right} of {len(kinds)} inputs it is right." if right else ""
    at = _smallest(inputs, kinds, kind)
    facts = [(name, readable(value)) for name, value in zip(exercise.argument_names, inputs[at], strict=True)]
    if kind == "error":
        error = actual[at].error
        message = error_message(error, inputs[at], exercise.argument_names) + elsewhere
        return Verdict("failed", exercise.id, exercise.title, message, None, "error", facts=tuple(facts))
    if words := words_that_differ(expected[at], actual[at]) if kind == "value" else "":
        message = words
    elif kind == "value":
        kind, message = _pattern(exercise, inputs, expected, actual)
    elif kind == "changed input":
        message = changed_inputs(actual[at].changed, exercise.argument_names)
        return Verdict("failed", exercise.id, exercise.title, message, None, kind, facts=tuple(facts))
    else:
        kind, message = describe(kind, expected[at], actual[at])
        message += elsewhere
    if kind == "gradient" or kind == "gradient missing":
        facts += _gradient_facts(exercise, expected[at], actual[at])
    else:
        facts += [("expected", readable_outcome(expected[at])), ("yours", readable_outcome(actual[at]))]
    return _verdict(exercise, message, kind, misconception, tuple(facts))


def failed_value(
    exercise: Exercise, expected: Outcome, actual: Outcome, kind: str, misconception: Misconception | None
) -> Verdict:
    """The verdict on a wrong value; it does not show the right one.

    Args:
        exercise: The exercise.
        expected: The right value, taken apart.
        actual: The answer, taken apart.
        kind: Kind of difference.
        misconception: The wrong answer it matches, if it matches one.

    Returns:
        The verdict.
    """
    if kind == "error":
        return wrong_form(exercise, error_message(actual.error, (), ()))
    if kind in ("structure", "shape"):
        message = f"The answer has another form than what is asked: {mismatch(expected, actual)}."
    elif kind == "nan":
        message = "The answer is not a finite number."
    elif any(isinstance(leaf, Tensor) and leaf.is_complex() for leaf in actual.leaves.values()):
        return wrong_form(exercise, "The answer is a complex number; asked for is a real one.")
    elif exercise.choices or any(isinstance(leaf, str) for leaf in expected.leaves.values()):
        message = "Not this one. Go back to the question and say what would have to be true for it to hold."
    else:
        kind, message = pattern([(expected, actual)], Tolerance(exercise.rtol, exercise.atol))
        # A single value always differs by *some* factor and offset; to name it would give the answer away.
        message = "The sign is flipped." if kind == "sign" else "The value is not right."
        kind = kind if kind == "sign" else "value"
    return _verdict(exercise, message, kind, misconception, ())


def _verdict(
    exercise: Exercise,
    message: str,
    kind: str,
    misconception: Misconception | None,
    facts: tuple[tuple[str, str], ...],
) -> Verdict:
    if misconception is None:
        section, id_ = exercise.section, None
    else:
        section, id_ = misconception.section, misconception.id
        message = f"A classic mistake (pitfall {id_}). {misconception.explanation}"
    link = section_link(exercise.chapter, section)
    return Verdict("failed", exercise.id, exercise.title, message, id_, kind, section, link, facts)


def _worst(kinds: Iterable[str | None]) -> str:
    order = ("error", "structure", "shape", "nan", "dtype", "value", "gradient missing", "gradient", "changed input")
    return min((k for k in kinds if k is not None), key=order.index)


def _smallest(inputs: list[tuple[Any, ...]], kinds: list[str | None], kind: str) -> int:
    failing = [i for i, k in enumerate(kinds) if k == kind]
    return min(failing, key=lambda i: sum(_numel(value) for value in inputs[i]))


def _numel(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return sum(map(_numel, value))
    return value.numel() if isinstance(value, Tensor) else int(np.size(value))


def _pattern(
    exercise: Exercise, inputs: list[tuple[Any, ...]], expected: list[Outcome], actual: list[Outcome]
) -> tuple[str, str]:
    """What wrong values have in common over all inputs."""
    pairs = list(zip(expected, actual, strict=True))
    sizes = [_sizes(exercise, values) for values in inputs]
    return pattern(pairs, Tolerance(exercise.rtol, exercise.atol), sizes)


def _sizes(exercise: Exercise, values: tuple[Any, ...]) -> dict[str, int]:
    """The numbers by which a mean may have divided: the size of each axis of each input, and their product."""
    sizes = {}
    for name, value in zip(exercise.argument_names, values, strict=True):
        if isinstance(value, Tensor | np.ndarray) and value.ndim:
            sizes |= {f"axis {axis} of `{name}`": n for axis, n in enumerate(value.shape)}
            sizes[f"all of `{name}`"] = int(np.prod(value.shape))
    return sizes


def _gradient_facts(exercise: Exercise, expected: Outcome, actual: Outcome) -> list[tuple[str, str]]:
    """The gradients of the first input on which they differ."""
    tolerance = Tolerance(exercise.rtol, exercise.atol).loosened(GRADIENT_SLACK)
    for source, wanted in expected.gradients.items():
        found = actual.gradients.get(source)
        zero = torch.zeros(()) if wanted is None else torch.zeros_like(wanted)
        wanted = zero if wanted is None else wanted
        if found is None or not torch.allclose(found, wanted, tolerance.rtol, tolerance.atol):
            name = exercise.argument_names[int(source)]
            yours = "none" if found is None else readable(found)
            return [(f"expected gradient by {name}", readable(wanted)), ("yours", yours)]
    return []
