"""Settings by value: an object in words that JSON has, the same in every process that builds the same object."""

from __future__ import annotations

import functools
import inspect
import math
import types
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.data.batch import digest

DEEPEST = 12
"""Objects that hold each other are followed so far."""


def described(value: Any, depth: int = 0) -> Any:  # noqa: ANN401
    """An object by value: a dataclass by its fields, a function by its name, another object by its attributes.

    What a function remembers (defaults, the variables of an enclosing function) counts too. Attributes whose names
    begin with an underscore, or stand in the object's `state_dict`, do not: they are what it has learned or computed.

    Args:
        value: any object.
        depth: of the object within the one that is described.

    Returns:
        Numbers, strings, lists and dicts. Two runs have the same settings where these are equal.

    >>> described(functools.partial(math.pow, 2.0))
    {'function': 'math.pow', 'arguments': [2.0], 'keywords': {}}
    """
    if depth > DEEPEST:
        return "…"
    inner = functools.partial(described, depth=depth + 1)
    if isinstance(value, np.generic) and not isinstance(value, np.void):
        value = value.item()
    if value is None or isinstance(value, bool | int | str) and not isinstance(value, Enum):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return f"{_name(type(value))}.{value.name}"
    if isinstance(value, Tensor | np.ndarray):
        return _array(value)
    if isinstance(value, Mapping):
        return {str(key): inner(entry) for key, entry in value.items()}
    if isinstance(value, Set):
        return sorted((inner(entry) for entry in value), key=str)
    if isinstance(value, Sequence) and not is_dataclass(value) and not isinstance(value, bytes):
        return [inner(entry) for entry in value]
    if isinstance(value, functools.partial):
        return inner(value.func) | {"arguments": inner(value.args), "keywords": inner(value.keywords)}
    if isinstance(value, types.MethodType):
        return inner(value.__func__) | {"of": inner(value.__self__)}
    if isinstance(value, type):
        return _name(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return _function(value, inner)
    if isinstance(value, bytes | complex | PurePath | torch.dtype | torch.device):
        return str(value)
    return {"class": _name(type(value)), **_attributes(value, inner)}


def differences(old: Any, new: Any, name: str = "") -> list[str]:  # noqa: ANN401
    """What differs between two descriptions, in words, with the dotted name of each place.

    >>> differences({"beta": 1.0, "mmd": None}, {"beta": 0.5, "mmd": None}, "objective")
    ['objective.beta was 1.0 and is 0.5']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old.get("class") == new.get("class"):
        keys = dict.fromkeys([*old, *new])
        return [
            line
            for key in keys
            for line in differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
        ]
    return [] if old == new else [f"{name} was {_brief(old)} and is {_brief(new)}"]


def _brief(value: Any) -> str:  # noqa: ANN401
    """A description as an error shows it: an object as its class, a function as its name."""
    if isinstance(value, Mapping):
        name = value.get("class") or value.get("function")
        return str(name).rpartition(".")[2] if name else f"{{{', '.join(map(str, value))}}}"
    return repr(value)


def _name(kind: Any) -> str:  # noqa: ANN401  (a class or a function)
    module = getattr(kind, "__module__", None)
    return f"{module}.{kind.__qualname__}" if module else kind.__qualname__


def _array(value: Tensor | np.ndarray) -> dict[str, Any]:
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return {"shape": list(tensor.shape), "dtype": str(tensor.dtype), "hash": digest(tensor)}


def _function(function: Any, inner: Any) -> dict[str, Any]:  # noqa: ANN401
    """Module and name; of a function of Python's also what it remembers, and of a lambda what it is made of."""
    function = inspect.unwrap(function)
    result = {"function": _name(function)}
    code = getattr(function, "__code__", None)
    if code is None:
        return result
    for key, value in (("defaults", function.__defaults__), ("keyword_defaults", function.__kwdefaults__)):
        if value:
            result[key] = inner(value)
    if function.__closure__:
        filled = zip(code.co_freevars, function.__closure__, strict=True)
        result["closure"] = {name: inner(cell.cell_contents) for name, cell in filled if _is_filled(cell)}
    if "<lambda>" in function.__qualname__:
        # Two lambdas of one function have the same name.
        constants = [value for value in code.co_consts if not isinstance(value, types.CodeType)]
        result["code"] = [inner(constants), list(code.co_names), list(code.co_varnames)]
    return result


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _attributes(value: Any, inner: Any) -> dict[str, Any]:  # noqa: ANN401
    if isinstance(value, nn.Module):
        return {"parameters": {name: list(tensor.shape) for name, tensor in value.state_dict().items()}}
    if is_dataclass(value):
        return {field.name: inner(getattr(value, field.name)) for field in fields(value)}
    learned = value.state_dict() if callable(getattr(value, "state_dict", None)) else ()
    attributes = getattr(value, "__dict__", {})
    return {
        name: inner(entry) for name, entry in attributes.items() if not name.startswith("_") and name not in learned
    }
