"""Exercises: checks that recognise common mistakes, progress, and quizzes.

In a chapter an exercise is four cells: the statement (a Markdown cell with the hints folded away), a stub, a cell
that ends in ``check("2.3", my_function)``, and a Markdown cell with the worked solution folded away.
``hvae_ref.exercises.engine.notebook`` says exactly how they are written.

Example:
    >>> from hvae_ref.exercises import check
    >>> check("1.1", ...).status
    'not attempted'
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hvae_ref.exercises.engine import progress as _progress
from hvae_ref.exercises.engine import registry as _registry
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.judge import judge as _judge
from hvae_ref.exercises.engine.misconceptions import Misconception, Misconceptions
from hvae_ref.exercises.engine.progress import Progress, reset_progress
from hvae_ref.exercises.engine.quiz import Quiz, quiz
from hvae_ref.exercises.engine.registry import Entry, exercises
from hvae_ref.exercises.engine.verdict import Verdict

__all__ = [
    "Entry",
    "Exercise",
    "Misconception",
    "Misconceptions",
    "Progress",
    "Quiz",
    "Verdict",
    "check",
    "exercises",
    "progress",
    "quiz",
    "reset_progress",
]


def check(id: str, answer: Any) -> Verdict:  # noqa: ANN401
    """Check an answer to an exercise, and note the attempt in the local progress file.

    Args:
        id: Chapter and number of the exercise, such as ``"2.3"``.
        answer: A function (not its result), or a value where the exercise asks for one. While it is ``...``,
            None, or a function that returns neither more, the exercise counts as not attempted.

    Returns:
        The verdict; as the last expression of a cell it shows itself.

    Raises:
        ValueError: If there is no such exercise; the message names the nearest ids.
    """
    verdict = _judge(_registry.get(id), answer)
    if verdict.status == "not attempted":
        return verdict
    note = _progress.record(id, verdict.passed)
    return replace(verdict, message=f"{verdict.message}\n{note}") if note else verdict


def progress() -> Progress:
    """Show which exercises are solved.

    Returns:
        A table, chapter by chapter; as the last expression of a cell it shows itself.
    """
    return _progress.table({x.id: (x.title, x.kind) for x in _registry.registered().values()})
