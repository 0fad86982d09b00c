"""What an exercise is: a reference, random inputs, a tolerance, and common wrong answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hvae_ref.exercises.engine.misconceptions import Misconception, Misconceptions

KINDS = ("derive", "implement", "predict", "experiment", "open")

_ID = re.compile(r"[1-9]\d*\.[1-9]\d*")


@dataclass(frozen=True)
class Exercise:
    """One exercise: what is asked, what is right, and how an answer is compared with it.

    With ``inputs`` the answer is a function, and ``reference`` is one that is right. Without ``inputs`` the
    answer is a value (a number, a tuple of numbers, or one of ``choices``), and ``reference`` is that value.

    Args:
        id: Chapter and number, such as ``"2.3"``.
        title: The title, exactly as in the chapter's heading ``### Exercise 2.3 · Title``.
        kind: ``"derive"``, ``"implement"``, ``"predict"``, ``"experiment"`` or ``"open"``.
        section: Heading of the section it belongs to, exactly as the chapter has it.
        reference: The right function, or the right value.
        inputs: Draws one tuple of arguments from a NumPy generator; its shapes vary from draw to draw and
            include batches of one. ``hvae_ref.exercises.engine.inputs`` holds the usual ingredients.
        edge_cases: Makes the tuples of arguments on which every answer is checked besides: extreme values, float32
            and float64, sizes that no fixed loop is made for.
        random_cases: How many random inputs there are; few are enough where one is a whole experiment.
        misconceptions: Wrong answers to recognise, the most telling first. From a `Misconceptions` a tuple is taken,
            and nothing can be added to it afterwards.
        rtol: Relative tolerance of the comparison (and three times that for gradients).
        atol: Absolute tolerance of the comparison (and three times that for gradients).
        check_gradient: Compare the gradient with respect to every floating-point tensor input as well.
        choices: The permitted answers, for a question whose answer is one of a few words.
        compare_as: Applied to both answers before they are compared, for an answer that is right in more than
            one way (an orthonormal basis up to rotation, say). Arrays and lists of numbers are tensors by then.
        examine: Called with the answer and the arguments in place of the answer; what it returns is compared. For
            answers that draw at random, which have to be called more than once.

    Attributes:
        known: What the check keeps: the inputs, and what right and wrong answers give on them.

    Raises:
        ValueError: If the parts do not fit together.
    """

    id: str
    title: str
    kind: str
    section: str
    reference: Any
    inputs: Callable[[np.random.Generator], tuple[Any, ...]] | None = None
    edge_cases: Callable[[], Iterable[tuple[Any, ...]]] | None = None
    random_cases: int = 24
    misconceptions: tuple[Misconception, ...] | Misconceptions = ()
    rtol: float = 1e-4
    atol: float = 1e-5
    check_gradient: bool = False
    choices: tuple[str, ...] = ()
    compare_as: Callable[[Any], Any] | None = None
    examine: Callable[..., Any] | None = None
    known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Take the wrong answers, and check that the parts fit together."""
        if isinstance(self.misconceptions, Misconceptions):
            object.__setattr__(self, "misconceptions", self.misconceptions.close())
        if not _ID.fullmatch(self.id):
            raise ValueError(f"Exercise.id: expected chapter and number such as '2.3', got {self.id!r}.")
        if self.kind not in KINDS:
            raise ValueError(f"Exercise.kind: expected one of {KINDS}, got {self.kind!r}.")
        if self.rtol < 0 or self.atol <= 0:
            raise ValueError(
                f"Exercise.rtol, Exercise.atol: expected rtol >= 0 and atol > 0, got {self.rtol} and {self.atol}."
            )
        answers = (self.reference, *(m.wrong for m in self.misconceptions))
        if any(callable(answer) != self.is_function for answer in answers):
            wanted = "functions" if self.is_function else "values"
            raise ValueError(
                f"Exercise {self.id}: with inputs={self.inputs!r} the reference and every misconception are "
                f"expected to be {wanted}, got {answers!r}."
            )
        if self.choices and any(answer not in self.choices for answer in answers):
            raise ValueError(
                f"Exercise {self.id}: expected every answer among the choices {self.choices}, got {answers!r}."
            )
        if self.check_gradient and not self.is_function:
            raise ValueError(f"Exercise {self.id}: check_gradient=True expects inputs, got a value exercise.")

    @property
    def is_function(self) -> bool:
        """Whether the answer is a function (of ``inputs``) and not a value."""
        return self.inputs is not None

    @property
    def chapter(self) -> int:
        """Number of the chapter."""
        return int(self.id.split(".")[0])

    @property
    def argument_names(self) -> tuple[str, ...]:
        """Names of the reference's arguments; empty for a value exercise."""
        return tuple(inspect.signature(self.reference).parameters) if self.is_function else ()
