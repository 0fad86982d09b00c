"""The check: run an answer on many inputs, compare, and name the mistake."""

from __future__ import annotations

import dis
import inspect
import time
from collections.abc import Callable
from typing import Any

from hvae_ref.exercises.engine import report, time_limit
from hvae_ref.exercises.engine.cases import cases, expected, of_misconception, run, tolerance
from hvae_ref.exercises.engine.compare import Tolerance, agree, difference, overflows
from hvae_ref.exercises.engine.evaluate import Outcome, evaluate
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.forms import is_blank
from hvae_ref.exercises.engine.misconceptions import Misconception
from hvae_ref.exercises.engine.surroundings import guarded_modules
from hvae_ref.exercises.engine.time_limit import TimeLimitError, TotalTimeError
from hvae_ref.exercises.engine.verdict import Verdict

_CLEARLY = 10.0  # a misconception only counts where it is this many tolerances away from the reference
# What the body of a stub is made of: it reads no argument and calls nothing.
_OF_STUBS = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "POP_TOP", "BUILD_TUPLE", "COPY_FREE_VARS"}


def judge(exercise: Exercise, answer: Any) -> Verdict:  # noqa: ANN401
    """Compare an answer with an exercise's reference and misconceptions.

    The same answer has the same verdict in every run, whatever the state of the random generators, of the gradient
    mode and of the default types; and these are as before afterwards.

    Args:
        exercise: The exercise.
        answer: A function, or a value where the exercise asks for one; ``...`` or None while it is open.

    Returns:
        The verdict. Nothing is written down.

    Raises:
        KeyboardInterrupt: If the reader interrupts the check.
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
    right = expected(exercise)  # before anything of the answer runs
    actual = _run_all(exercise, answer)
    if all(map(_is_silent, actual)):
        if _is_open(answer, actual):
            return report.not_attempted(exercise)
        return report.wrong_form(exercise, report.NO_RETURN)
    right = right[: len(actual)]
    kinds = [
        difference(e, a, tolerance(exercise, place)) for place, (e, a) in enumerate(zip(right, actual, strict=True))
    ]
    if not any(kinds):
        return report.passed(exercise, len(actual))
    named = _recognise(exercise, right, actual)
    return report.failed(exercise, [c.inputs for c in cases(exercise)], right, actual, kinds, named)


def _run_all(exercise: Exercise, answer: Callable[..., Any]) -> list[Outcome]:
    """What the answer gives on every case, up to the first on which it has taken too long."""
    found, began = [], time.monotonic()
    with guarded_modules():
        for place in range(len(cases(exercise))):
            if time.monotonic() - began > time_limit.TOTAL_LIMIT:
                found.append(Outcome(error=TotalTimeError()))
                break
            found.append(run(exercise, answer, place))
            if isinstance(found[-1].error, TimeLimitError):
                break
    return found


def _judge_value(exercise: Exercise, answer: Any) -> Verdict:  # noqa: ANN401
    if callable(answer):
        return report.wrong_form(exercise, "This exercise asks for a value; call the function and pass its result.")
    if exercise.choices and not (isinstance(answer, str) and str.casefold(str.strip(answer)) in _folded(exercise)):
        return report.wrong_form(exercise, f"Answer with one of {', '.join(map(repr, exercise.choices))}.")
    allowed = Tolerance(exercise.rtol, exercise.atol)

    def seen(value: Any) -> Outcome:  # noqa: ANN401
        return evaluate(lambda: value, (), 0, compare_as=exercise.compare_as, like=exercise.reference)

    right, actual = seen(exercise.reference), seen(answer)
    kind = difference(right, actual, allowed)
    if kind is None:
        return report.passed(exercise, 0)
    named = next((m for m in exercise.misconceptions if agree(seen(m.wrong), actual, allowed)), None)
    return report.failed_value(exercise, right, actual, kind, named)


def _recognise(exercise: Exercise, right: list[Outcome], actual: list[Outcome]) -> Misconception | None:
    """The first misconception that agrees with the answer on every input and is clearly not the reference."""
    allowed = [tolerance(exercise, place, equal_nan=True) for place in range(len(actual))]
    for index, misconception in enumerate(exercise.misconceptions):
        clearly_wrong = False
        for place, given in enumerate(actual):
            wrong = of_misconception(exercise, index, place)
            # Where both overflow, it is a matter of rounding which of their numbers do.
            if not agree(wrong, given, allowed[place]) and not (overflows(wrong) and overflows(given)):
                break
            clearly_wrong |= not agree(right[place], wrong, allowed[place].loosened(_CLEARLY))
        else:
            if clearly_wrong:
                return misconception
    return None


def _is_silent(outcome: Outcome) -> bool:
    """Whether a function returned nothing, or said that it is not implemented."""
    if outcome.error is not None:
        return isinstance(outcome.error, NotImplementedError)
    return is_blank(outcome.value)


def _is_open(answer: Callable[..., Any], outcomes: list[Outcome]) -> bool:
    """Whether a function that returns nothing is still a stub, and not one that lacks its `return`."""
    if any(outcome.error is not None or outcome.value is not None for outcome in outcomes):
        return True  # it ends in `...`, or says that it is not implemented
    code = getattr(inspect.unwrap(answer), "__code__", None)
    return code is not None and all(step.opname in _OF_STUBS for step in dis.get_instructions(code))


def _signature_complaint(exercise: Exercise, answer: Callable[..., Any]) -> str | None:
    names = exercise.argument_names
    try:
        inspect.signature(answer).bind(*names)
    except TypeError:
        listed = ", ".join(f"`{name}`" for name in names)
        return f"The function is called with {len(names)} argument{'s' * (len(names) != 1)} ({listed}), in this order."
    except Exception:  # some built-in functions have no signature; they are called as they are
        return None
    return None


def _folded(exercise: Exercise) -> set[str]:
    return {choice.casefold() for choice in exercise.choices}
