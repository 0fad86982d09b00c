"""The check: run an answer on random inputs, compare, and name the mistake."""

from __future__ import annotations

import hashlib
import inspect
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hvae_ref.exercises.engine import report
from hvae_ref.exercises.engine.compare import Tolerance, agree, difference
from hvae_ref.exercises.engine.evaluate import Outcome, evaluate, fixed_randomness, is_blank
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconception
from hvae_ref.exercises.engine.verdict import Verdict

REPEATED_CASES = 16  # the same in every run, so that a failing input stays the same while somebody works on it
FRESH_CASES = 8  # new in every run, so that no table of answers passes
_CLEARLY = 10.0  # a misconception only counts where it is this many tolerances away from the reference


@dataclass(frozen=True)
class Case:
    """One input of an exercise, with the seed under which answers run on it."""

    seed: int
    inputs: tuple[Any, ...]


def cases(exercise: Exercise, fresh: int = FRESH_CASES) -> Iterator[Case]:
    """Draw the inputs on which answers are compared.

    Args:
        exercise: A function exercise.
        fresh: How many of them differ from run to run.

    Yields:
        First the cases that are the same in every run, then the fresh ones.
    """
    digest = hashlib.sha256(exercise.id.encode()).digest()
    seeds = np.random.default_rng(int.from_bytes(digest[:8], "big")).integers(0, 2**31, REPEATED_CASES)
    for seed in [*map(int, seeds), *(secrets.randbelow(2**31) for _ in range(fresh))]:
        with fixed_randomness(seed):
            yield Case(seed, exercise.inputs(np.random.default_rng(seed)))


def judge(exercise: Exercise, answer: Any) -> Verdict:  # noqa: ANN401
    """Compare an answer with an exercise's reference and misconceptions.

    Args:
        exercise: The exercise.
        answer: A function, or a value where the exercise asks for one; ``...`` or None while it is open.

    Returns:
        The verdict. Nothing is written down.
    """
    if is_blank(answer):
        return report.not_attempted(exercise)
    if exercise.is_function:
        return _judge_function(exercise, answer)
    return _judge_value(exercise, answer)


def _judge_function(exercise: Exercise, answer: Any) -> Verdict:  # noqa: ANN401
    if not callable(answer):
        return report.wrong_form(exercise, "Pass the function itself, not what it returned.")
    if complaint := _signature_complaint(exercise, answer):
        return report.wrong_form(exercise, complaint)
    tolerance = Tolerance(exercise.rtol, exercise.atol)
    drawn = list(cases(exercise))
    actual = [_run(exercise, answer, case) for case in drawn]
    if _untouched(actual):
        return report.not_attempted(exercise)
    expected = [_run(exercise, exercise.reference, case) for case in drawn]
    kinds = [difference(e, a, tolerance) for e, a in zip(expected, actual, strict=True)]
    if not any(kinds):
        return report.passed(exercise, len(drawn))
    named = _recognise(exercise, drawn, expected, actual)
    return report.failed(exercise, [c.inputs for c in drawn], expected, actual, kinds, named, REPEATED_CASES)


def _judge_value(exercise: Exercise, answer: Any) -> Verdict:  # noqa: ANN401
    if callable(answer):
        return report.wrong_form(exercise, "This exercise asks for a value; call the function and pass its result.")
    if exercise.choices and not (isinstance(answer, str) and answer.strip().casefold() in _folded(exercise)):
        return report.wrong_form(exercise, f"Answer with one of {', '.join(map(repr, exercise.choices))}.")
    tolerance = Tolerance(exercise.rtol, exercise.atol)

    def run(value: Any) -> Outcome:  # noqa: ANN401
        return evaluate(lambda: value, (), 0, compare_as=exercise.compare_as)

    expected, actual = run(exercise.reference), run(answer)
    kind = difference(expected, actual, tolerance)
    if kind is None:
        return report.passed(exercise, 0)
    named = next((m for m in exercise.misconceptions if agree(run(m.wrong), actual, tolerance)), None)
    return report.failed_value(exercise, expected, actual, kind, named)


def _run(exercise: Exercise, function: Callable[..., Any], case: Case) -> Outcome:
    return evaluate(function, case.inputs, case.seed, exercise.check_gradient, exercise.compare_as)


def _recognise(
    exercise: Exercise, drawn: list[Case], expected: list[Outcome], actual: list[Outcome]
) -> Misconception | None:
    """The first misconception that agrees with the answer on every input and is clearly not the reference."""
    tolerance = Tolerance(exercise.rtol, exercise.atol, equal_nan=True)
    for misconception in exercise.misconceptions:
        clearly_wrong = False
        for case, right, given in zip(drawn, expected, actual, strict=True):
            wrong = _run(exercise, misconception.wrong, case)
            if not agree(wrong, given, tolerance):
                break
            clearly_wrong |= not agree(right, wrong, tolerance.loosened(_CLEARLY))
        else:
            if clearly_wrong:
                return misconception
    return None


def _untouched(outcomes: list[Outcome]) -> bool:
    """Whether a function is still a stub: it returns nothing on every input, or says it is not implemented."""
    return all(isinstance(o.error, NotImplementedError) if o.error is not None else is_blank(o.value) for o in outcomes)


def _signature_complaint(exercise: Exercise, answer: Callable[..., Any]) -> str | None:
    names = exercise.argument_names
    try:
        inspect.signature(answer).bind(*names)
    except TypeError:
        listed = ", ".join(f"`{name}`" for name in names)
        return f"The function is called with {len(names)} argument{'s' * (len(names) != 1)} ({listed}), in this order."
    except ValueError:  # some built-in functions have no signature; they are called as they are
        return None
    return None


def _folded(exercise: Exercise) -> set[str]:
    return {choice.casefold() for choice in exercise.choices}
