"""Whether a value from a TOML file can be an argument, read off the argument's annotation."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", types.NoneType: "none"}


def annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotation of each of a callable's arguments."""
    # A dataclass's own __init__ does not know the modules that its inherited fields come from; the class does.
    own = inspect.isclass(function) and not is_dataclass(function)
    hints = get_type_hints(function.__init__ if own else function)
    return {name: hints[name] for name in inspect.signature(function).parameters if name in hints}


def fits(value: Any, kind: Any) -> bool:  # noqa: ANN401  (any TOML value, any annotation)
    """Whether a value is of a kind; a kind that TOML has no values for is left to the callable.

    >>> fits(3, float), fits(True, float), fits([8, 4], Sequence[int]), fits(8, Sequence[int]), fits(8, int | None)
    (True, False, True, False, True)
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    if kind in WORDS:
        return isinstance(value, kind)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(fits(item, inner[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(fits(item, inner[1]) for item in value.values())
    return True


def in_words(kind: Any) -> str:  # noqa: ANN401
    """What values of a kind look like in a recipe.

    >>> in_words(Sequence[int]), in_words(float | None)
    ('a list, each a whole number', 'a number or none')
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(in_words(one) for one in inner))
    if origin is Literal:
        return " or ".join(f'"{one}"' for one in inner)
    if origin is Sequence:
        return f"a list, each {in_words(inner[0])}"
    if origin is Mapping:
        return f"a table, each {in_words(inner[1])}"
    return WORDS.get(kind, "a table")
