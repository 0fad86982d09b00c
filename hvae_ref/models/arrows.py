"""What models are given from outside, checked where it is given."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn


def check_arguments(model: type, arrows: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Say where the usual nets come from, if a constructor is called without its nets.

    Args:
        model: a class of models.
        arrows: what it was called with.
        named: the same, by name.

    Raises:
        ValueError: where its constructor cannot be called like that.
    """
    if not arrows and not named:
        return
    try:
        inspect.signature(model.__init__).bind(None, *arrows, **named)
    except TypeError as error:
        builders = [f"{model.__name__}.{name}(…)" for name in ("dense", "convolutional") if hasattr(model, name)]
        usual = f"; {' and '.join(builders)} make the usual nets" if builders else ""
        raise ValueError(f"{model.__name__}: expected its nets from outside, {error}{usual}") from error


def check_arrows(**arrows: Any) -> None:  # noqa: ANN401
    """Refuse arrows that are no modules.

    Args:
        arrows: by the name of the argument; modules by level, or one module.

    Raises:
        ValueError: naming the argument.
    """
    for name, given in arrows.items():
        several = isinstance(given, Mapping)
        for level, arrow in given.items() if several else [("", given)]:
            if not isinstance(arrow, nn.Module):
                place = f"{name}[{level!r}]" if several else name
                raise ValueError(f"{place}: expected a module, got {arrow!r}; the class method dense makes the usual")


def check_levels(name: str, given: Any, levels: Collection[str]) -> frozenset[str]:  # noqa: ANN401
    """Names of levels as a set; a string is one name and no collection of letters.

    Args:
        name: of the argument, for the error.
        given: what was given.
        levels: the names that there are.

    Raises:
        ValueError: for anything but a collection of names among `levels`.
    """
    if isinstance(given, str) or not isinstance(given, Collection) or any(level not in levels for level in given):
        raise ValueError(f"{name}: expected a collection of names among {', '.join(levels)}, got {given!r}")
    return frozenset(given)


def check_by_level(name: str, given: Any, levels: Collection[str]) -> dict[str, Any]:  # noqa: ANN401
    """Values by level as a dict; None for none.

    Raises:
        ValueError: for what is not by name, such as one tensor.
    """
    if given is not None and not isinstance(given, Mapping):
        example = next(iter(levels))
        raise ValueError(
            f'{name}: expected values by level, such as {{"{example}": …}}, for levels among {", ".join(levels)}, '
            f"got {type(given).__name__}"
        )
    return dict(given or {})
