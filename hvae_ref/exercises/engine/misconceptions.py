"""Wrong answers to an exercise: how its file writes them, and what the check needs of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Misconception:
    """A wrong answer that can be run, so that the check can recognise it in a reader's answer.

    Args:
        id: Name of the pitfall, such as ``"O5"``. Several wrong answers may be variants of one pitfall.
        wrong: The wrong answer itself: a function with the reference's arguments, or a value where the
            exercise asks for a value.
        explanation: What is wrong and why, in one to three sentences. It gives a direction, and does not give
            the formula.
        section: Heading of the section to read again, exactly as the chapter has it.

    Raises:
        ValueError: If a text is empty.
    """

    id: str
    wrong: Any
    explanation: str
    section: str

    def __post_init__(self) -> None:
        """Check that no text is empty."""
        for name in ("id", "explanation", "section"):
            if not str(getattr(self, name)).strip():
                raise ValueError(f"Misconception.{name}: expected some text, got an empty string.")


class Misconceptions(Sequence[Misconception]):
    """The wrong answers to one exercise, in the order in which its file defines them.

    The file makes one collector and decorates each wrong function with it. The function's docstring is the
    explanation that the reader sees (line breaks become spaces). Order matters: a check names the first wrong answer
    that agrees with the reader's.

    Args:
        section: Heading of the section to read again, exactly as the chapter has it; a wrong answer may name another.

    Example:
        >>> wrong = Misconceptions("2.2 · The ELBO of two levels")
        >>> @wrong("O2")
        ... def of_the_batch(kl):
        ...     '''The batch is summed.
        ...     Each example has its own divergence.'''
        ...     return kl.sum()
        >>> wrong[0].explanation
        'The batch is summed. Each example has its own divergence.'
        >>> wrong[0].wrong is of_the_batch
        True
    """

    def __init__(self, section: str) -> None:
        self._section = section
        self._found: list[Misconception] = []
        self._closed = False

    def __call__(
        self,
        id: str,
        *,
        section: str | None = None,
        into: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
        variants: Sequence[Any] | Mapping[str, Any] | None = None,
    ) -> Callable[[Function], Function]:
        """Register the decorated function as a wrong answer; the function itself does not change.

        Args:
            id: Name of the pitfall, such as ``"O5"``.
            section: Section to read again, where it is not the collector's.
            into: Puts the function into the whole answer, where it replaces only a part of the right one (a wrong KL in
                a bound that is right otherwise).
            variants: Values of the function's last parameter, each of which is one wrong answer. With a mapping of
                names to values, ``{}`` in the docstring becomes the name.

        Returns:
            The decorator.

        Raises:
            ValueError: If the function has no docstring, or the exercise has been made already.

        Example:
            >>> wrong = Misconceptions("What does a network see?")
            >>> @wrong("D1", variants={"megabytes": 1e6, "gigabytes": 1e9})
            ... def in_another_unit(numbers, unit):
            ...     '''The memory is in {}. Asked for are bytes.'''
            ...     return 4 * numbers / unit
            >>> [(m.explanation[:25], m.wrong(1e9)) for m in wrong]
            [('The memory is in megabyte', 4000.0), ('The memory is in gigabyte', 4.0)]
        """

        def register(function: Function) -> Function:
            """Keep the mistake, under its docstring; the function itself stays as it was."""
            text = " ".join((inspect.getdoc(function) or "").split())
            if not text:
                raise ValueError(f"{function.__name__}: expected a docstring (the explanation), got none.")
            for name, answer in _variants(function, variants):
                explanation = text.format(name) if isinstance(variants, Mapping) else text
                self.value(id, answer if into is None else into(answer), explanation, section=section)
            return function

        return register

    def value(self, id: str, value: Any, explanation: str, *, section: str | None = None) -> None:  # noqa: ANN401
        """Register a wrong value, for an exercise whose answer is a value.

        Args:
            id: Name of the pitfall, such as ``"O5"``.
            value: The wrong answer.
            explanation: What is wrong and why.
            section: Section to read again, where it is not the collector's.

        Raises:
            ValueError: If the exercise has been made already.

        Example:
            >>> wrong = Misconceptions("1.7 · Six repairs, one table")
            >>> wrong.value("O14", 6.25, "Half of the right value.")
            >>> len(wrong)
            1
        """
        if self._closed:
            raise ValueError(f"misconception {id}: expected above the Exercise(…) of its file, got one below it.")
        self._found.append(Misconception(id, value, explanation, section or self._section))

    def close(self) -> tuple[Misconception, ...]:
        """Take what is registered; an `Exercise` calls this, and nothing can be added afterwards.

        Returns:
            The wrong answers, in order.
        """
        self._closed = True
        return tuple(self._found)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401
        """One wrong answer, or a slice of them."""
        return self._found[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._found)

    def __iter__(self) -> Iterator[Misconception]:
        """All of them, in order."""
        return iter(self._found)


def _variants(
    function: Callable[..., Any], variants: Sequence[Any] | Mapping[str, Any] | None
) -> list[tuple[str, Callable[..., Any]]]:
    """The function itself, or one copy of it for each value of its last parameter, by name."""
    if variants is None:
        return [("", function)]
    *_, last = inspect.signature(function).parameters
    named = variants.items() if isinstance(variants, Mapping) else (("", value) for value in variants)
    return [(name, functools.partial(function, **{last: value})) for name, value in named]
