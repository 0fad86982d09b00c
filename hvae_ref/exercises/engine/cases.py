"""The inputs on which answers are compared, and what right and wrong answers give on them; both are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hvae_ref.exercises.engine.compare import Tolerance
from hvae_ref.exercises.engine.evaluate import Outcome, evaluate
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.surroundings import fixed_randomness, usual_modes

_ROUNDINGS = 100.0  # an answer's operations in another order differ by some of them
_DOUBLE = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Case:
    """One input of an exercise, with the seed under which answers run on it."""

    seed: int
    inputs: tuple[Any, ...]


def cases(exercise: Exercise) -> list[Case]:
    """Draw the inputs on which answers are compared; they are the same in every run.

    Args:
        exercise: A function exercise.

    Returns:
        The random inputs, then the edge cases.
    """
    if "cases" not in exercise.known:
        exercise.known["cases"] = _drawn(exercise)
    return exercise.known["cases"]


def _drawn(exercise: Exercise) -> list[Case]:
    digest = hashlib.sha256(exercise.id.encode()).digest()
    seeds = np.random.default_rng(int.from_bytes(digest[:8], "big")).integers(0, 2**31, exercise.random_cases)
    found = []
    with usual_modes():
        for seed in map(int, seeds):
            with fixed_randomness(seed):
                found.append(Case(seed, exercise.inputs(np.random.default_rng(seed))))
        if exercise.edge_cases is not None:
            with fixed_randomness(int(seeds[0])):
                edges = list(exercise.edge_cases())
            found += [Case(number, inputs) for number, inputs in enumerate(edges)]
    return found


def expected(exercise: Exercise) -> list[Outcome]:
    """What the reference gives on every case.

    Args:
        exercise: A function exercise.

    Returns:
        One outcome for each case.
    """
    if "expected" not in exercise.known:
        exercise.known["expected"] = [_run(exercise, exercise.reference, case, None) for case in cases(exercise)]
    return exercise.known["expected"]


def tolerance(exercise: Exercise, place: int, equal_nan: bool = False) -> Tolerance:
    """How far apart numbers may be on one case: as the exercise says, and no closer than the inputs' type allows.

    Args:
        exercise: A function exercise.
        place: Place of the case among `cases`.
        equal_nan: Whether NaN agrees with NaN.

    Returns:
        The exercise's tolerance; where an input is of float32 or coarser, about 100 of its rounding errors at least.
    """
    types = [x.dtype for x in cases(exercise)[place].inputs if isinstance(x, torch.Tensor) and x.is_floating_point()]
    rounding = max((torch.finfo(dtype).eps for dtype in types), default=0.0)
    least = _ROUNDINGS * rounding if rounding > _DOUBLE else 0.0
    return Tolerance(max(exercise.rtol, least), max(exercise.atol, least), equal_nan)


def run(exercise: Exercise, answer: Callable[..., Any], place: int) -> Outcome:
    """Run an answer on one case.

    Args:
        exercise: A function exercise.
        answer: The answer.
        place: Place of the case among `cases`.

    Returns:
        What it gave.
    """
    return _run(exercise, answer, cases(exercise)[place], expected(exercise)[place].value)


def of_misconception(exercise: Exercise, index: int, place: int) -> Outcome:
    """What one of the known wrong answers gives on one case.

    Args:
        exercise: A function exercise.
        index: Which of its misconceptions.
        place: Place of the case among `cases`.

    Returns:
        What it gives.
    """
    key = (index, place)
    if key not in exercise.known:
        exercise.known[key] = run(exercise, exercise.misconceptions[index].wrong, place)
    return exercise.known[key]


def _run(exercise: Exercise, answer: Callable[..., Any], case: Case, like: Any) -> Outcome:  # noqa: ANN401
    return evaluate(
        answer, case.inputs, case.seed, exercise.check_gradient, exercise.compare_as, like, exercise.examine
    )
