"""The form of an answer: lists, arrays, tensors and plain numbers, brought to what is compared."""

from __future__ import annotations

import dataclasses
import numbers
from array import array
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

Leaf = Tensor | str | None
_DEEPEST = 20  # levels of lists in lists; a list that holds itself has no end


class UnsupportedAnswerError(TypeError):
    """An answer holds something that cannot be compared (a network, a generator, …)."""


def is_blank(value: Any, depth: int = 0) -> bool:  # noqa: ANN401
    """Whether an answer is missing: None, ``...``, NotImplemented, or a collection still holding ``...``.

    Args:
        value: An answer, or what a function returned.
        depth: How deep in the answer this part lies.

    Returns:
        True where nothing has been filled in, or not everything.
    """
    if value is None or value is Ellipsis or value is NotImplemented:
        return True
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return any(is_blank(part, depth + 1) for part in value.values())
    if isinstance(value, list | tuple):
        return any(is_blank(part, depth + 1) for part in value)
    return False


def arranged(answer: Any, like: Any, depth: int = 0) -> Any:  # noqa: ANN401
    """Bring an answer into the containers of the right one: the same numbers may come in many forms.

    Numbers and arrays become tensors. A list of numbers becomes a tensor where one is expected, and a tensor, divided
    along its first axis, becomes a tuple where several parts are expected.

    Args:
        answer: What the reader gave.
        like: The right answer.
        depth: How deep in the answer this part lies.

    Returns:
        The answer; what cannot be brought into the form stays as it is.

    Raises:
        UnsupportedAnswerError: If it holds a tensor or array without readable numbers, or itself.
    """
    if depth > _DEEPEST:
        raise UnsupportedAnswerError("it is a list in a list in a list, and so on")
    answer = as_list(answer)
    if _is_numeric(answer):
        answer = as_tensor(answer)
        if isinstance(like, list | tuple) and answer.ndim and len(answer) == len(like):
            answer = answer.unbind(0)
    if isinstance(answer, Mapping):
        parts = like if isinstance(like, Mapping) else {}
        return {key: arranged(part, parts.get(key), depth + 1) for key, part in answer.items()}
    if isinstance(answer, list | tuple):
        if _is_numeric(like):
            return _stacked(answer, depth)
        wanted = list(like) if isinstance(like, list | tuple) and len(like) == len(answer) else [None] * len(answer)
        return [arranged(part, whole, depth + 1) for part, whole in zip(answer, wanted, strict=True)]
    return answer


def as_list(value: Any) -> Any:  # noqa: ANN401
    """A list in place of another row of things: a deque, a range, an array of Python's, what `map` or `zip` gives.

    A generator stays one: a function with `yield` in place of `return` is told so.

    Args:
        value: What the reader gave.

    Returns:
        The list, or the value itself where it is no such row.
    """
    if isinstance(value, str | bytes | bytearray | list | tuple):
        return value
    return list(value) if isinstance(value, Sequence | array | map | zip | filter) else value


def _stacked(answer: list[Any] | tuple[Any, ...], depth: int) -> Any:  # noqa: ANN401
    """One tensor of a list of numbers, of tensors of one shape, or of such lists; anything else stays a list."""
    if answer and all(isinstance(part, float) for part in answer):  # one array at once: there may be many
        return torch.from_numpy(np.asarray(answer, dtype=np.float64))
    parts = [arranged(part, 0.0, depth + 1) for part in answer]
    if not all(isinstance(part, Tensor) for part in parts) or len({part.shape for part in parts}) > 1:
        return parts
    if not parts:
        return torch.zeros(0, dtype=torch.float64)
    complex_ = any(part.is_complex() for part in parts)
    return torch.stack([part if complex_ else part.cpu().to(torch.float64) for part in parts])


def as_tensor(value: Any) -> Tensor:  # noqa: ANN401
    """A number, an array or a tensor of any kind as an ordinary tensor.

    Args:
        value: What `arranged` counts as numbers.

    Returns:
        A dense tensor with values; Python's and NumPy's real numbers are float64.

    Raises:
        UnsupportedAnswerError: If it has no numbers that can be read.
    """
    if isinstance(value, Tensor):
        return _dense(value)
    if isinstance(value, bool | np.bool_):
        return torch.tensor(bool(value))
    if isinstance(value, numbers.Integral) and abs(int(value)) < 2**63:
        return torch.tensor(int(value))
    if isinstance(value, float):
        return torch.tensor(float.__float__(value), dtype=torch.float64)
    if isinstance(value, numbers.Real | Decimal):
        return torch.tensor(float(value), dtype=torch.float64)
    found = np.asarray(value)
    if found.dtype.kind not in "biufc":
        raise UnsupportedAnswerError(f"an array of type {found.dtype} holds no numbers")
    if found.dtype.kind in "uf" and found.dtype not in (np.float32, np.uint8):
        found = found.astype(np.float64)
    return torch.from_numpy(np.array(found))  # a copy: an array may be read-only, or have a negative stride


def _dense(tensor: Tensor) -> Tensor:
    with torch._C.DisableTorchFunctionSubclass():  # a subclass may answer comparisons in its own way
        return _strided(tensor).as_subclass(Tensor)


def _strided(tensor: Tensor) -> Tensor:
    if tensor.is_meta:
        raise UnsupportedAnswerError("a tensor on the device 'meta' has a shape and no numbers")
    if tensor.is_nested:
        raise UnsupportedAnswerError("rows of different lengths (a nested tensor) are no tensor of one shape")
    if tensor.is_quantized:
        return tensor.dequantize()
    if tensor.is_mkldnn or tensor.layout is not torch.strided:
        return tensor.to_dense()
    return tensor


def _is_numeric(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, str | bytes | list | tuple | Mapping) or isinstance(value, type):
        return False
    return isinstance(value, Tensor | numbers.Number | np.generic) or hasattr(value, "__array__")


def flatten(value: Any, place: str = "", depth: int = 0) -> dict[str, Leaf]:  # noqa: ANN401
    """Divide an answer into tensors and strings.

    Numbers become tensors, and so does a row of numbers. A distribution becomes its shapes and parameters, a
    dataclass its fields.

    Args:
        value: An answer.
        place: Name of this part, for the parts below it.
        depth: How deep in the answer this part lies.

    Returns:
        The leaves by their place (``""`` for an answer that is a single tensor or number).

    Raises:
        UnsupportedAnswerError: If a part cannot be compared.
    """
    if value is None or isinstance(value, str):
        return {place: value}
    if isinstance(value, Distribution):
        return _flatten_distribution(value, place)
    if _is_numeric(value):
        return {place: as_tensor(value)}
    if depth > _DEEPEST:
        raise UnsupportedAnswerError("it is a list in a list in a list, and so on")
    if isinstance(value, Mapping):
        parts = {f"{place}.{key}" if place else str(key): part for key, part in value.items()}
    elif isinstance(value, list | tuple):
        if value and all(_is_numeric(part) and not np.ndim(part) for part in value):
            return {place: _stacked(value, depth)}
        parts = {f"{place}[{index}]": part for index, part in enumerate(value)}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f"{place}.{item.name}": getattr(value, item.name) for item in dataclasses.fields(value)}
    else:
        raise UnsupportedAnswerError(f"an answer is made of tensors, numbers or words; got {_kind(value)}")
    return {name: leaf for at, part in parts.items() for name, leaf in flatten(part, at, depth + 1).items()}


def _kind(value: Any) -> str:  # noqa: ANN401
    name = type(value).__name__
    return f"a {name} (end with `return` in place of `yield`, or make a list of it)" if name == "generator" else name


def _flatten_distribution(distribution: Distribution, place: str) -> dict[str, Leaf]:
    base = distribution
    while isinstance(base, Independent):
        base = base.base_dist
    leaves: dict[str, Leaf] = {
        f"{place}.family": type(base).__name__,
        f"{place}.batch_shape": str(tuple(distribution.batch_shape)),
        f"{place}.event_shape": str(tuple(distribution.event_shape)),
    }
    for name in base.arg_constraints:
        leaves |= flatten(getattr(base, name), f"{place}.{name}")
    return leaves
