"""Running an answer on one input: copies of the input, a fixed random state, and a flat record of the result."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

Leaf = Tensor | str | None


class UnsupportedAnswerError(TypeError):
    """An answer holds something that cannot be compared (a network, a generator, …)."""


@dataclass(frozen=True)
class Outcome:
    """What an answer gave on one input.

    Attributes:
        value: What was returned, unchanged.
        leaves: Its tensors, numbers (as tensors) and strings, by their place in the answer.
        gradients: Gradient of a fixed random combination of the outputs, by input; None where autograd finds no
            dependence on the input. Empty where no gradient was asked for.
        error: The exception that was raised, if any.
    """

    value: Any = None
    leaves: dict[str, Leaf] = field(default_factory=dict)
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    error: Exception | None = None


@contextmanager
def fixed_randomness(seed: int) -> Iterator[None]:
    """Seed torch, NumPy and Python inside the block, and put their states back afterwards.

    Args:
        seed: The seed.

    Yields:
        Nothing.
    """
    # torch.manual_seed would queue a call for every kind of device that is not there.
    on_cuda = torch.cuda.is_initialized()
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if on_cuda else []
    try:
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            torch.cuda.manual_seed_all(seed)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if on_cuda:
            torch.cuda.set_rng_state_all(cuda_states)


def evaluate(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    seed: int,
    with_gradient: bool = False,
    compare_as: Callable[[Any], Any] | None = None,
) -> Outcome:
    """Call a function on copies of the inputs and record what it returns.

    Args:
        function: The answer to an exercise.
        inputs: Its arguments; they are copied, so the function cannot change them.
        seed: Seeds the random state during the call, so that two answers that draw alike get the same draws.
        with_gradient: Also take gradients with respect to the floating-point tensors among the inputs.
        compare_as: Applied to what the function returns before it is recorded.

    Returns:
        The record; an exception that the function raises is in it, and is not raised.
    """
    arguments = tuple(_copy(argument) for argument in inputs)
    sources = _float_tensors(arguments) if with_gradient else {}
    for tensor in sources.values():
        tensor.requires_grad_(True)
    try:
        with fixed_randomness(seed):
            value = function(*arguments)
            if is_blank(value):
                return Outcome(value)
            seen = value if compare_as is None else compare_as(value)
        leaves = flatten(seen)
        gradients = _gradients(leaves, sources, seed) if with_gradient else {}
    except Exception as error:  # any exception of a reader's code is part of the verdict
        return Outcome(error=error)
    return Outcome(value, {place: _detached(leaf) for place, leaf in leaves.items()}, gradients)


def is_blank(value: Any) -> bool:  # noqa: ANN401
    """Whether an answer is missing: None, ``...``, NotImplemented, or a collection still holding ``...``.

    Args:
        value: An answer, or what a function returned.

    Returns:
        True where nothing has been filled in, or not everything.
    """
    if value is None or value is Ellipsis or value is NotImplemented:
        return True
    if isinstance(value, Mapping):
        return any(is_blank(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(is_blank(part) for part in value)
    return False


def flatten(value: Any, place: str = "") -> dict[str, Leaf]:  # noqa: ANN401
    """Divide an answer into tensors and strings.

    Numbers become tensors, and so does a row of numbers. A distribution becomes its shapes and parameters, a
    dataclass its fields.

    Args:
        value: An answer.
        place: Name of this part, for the parts below it.

    Returns:
        The leaves by their place (``""`` for an answer that is a single tensor or number).

    Raises:
        UnsupportedAnswerError: If a part cannot be compared.
    """
    if isinstance(value, Tensor):
        return {place: value}
    if isinstance(value, bool | int | float | complex | np.generic | np.ndarray):
        return {place: _to_tensor(value)}
    if value is None or isinstance(value, str):
        return {place: value}
    if isinstance(value, Distribution):
        return _flatten_distribution(value, place)
    if isinstance(value, Mapping):
        parts = {f"{place}.{key}" if place else str(key): part for key, part in value.items()}
    elif isinstance(value, list | tuple):
        if value and all(_is_scalar(part) for part in value):
            return {place: torch.stack([_to_tensor(part).to(torch.float64) for part in value])}
        parts = {f"{place}[{index}]": part for index, part in enumerate(value)}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f"{place}.{item.name}": getattr(value, item.name) for item in dataclasses.fields(value)}
    else:
        raise UnsupportedAnswerError(f"an answer is made of tensors, numbers or words; got {type(value).__name__}")
    return {name: leaf for at, part in parts.items() for name, leaf in flatten(part, at).items()}


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


def _is_scalar(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim == 0
    return isinstance(value, bool | int | float | np.generic)


def _to_tensor(value: Any) -> Tensor:  # noqa: ANN401
    if isinstance(value, Tensor):
        return value
    if isinstance(value, float):
        return torch.tensor(value, dtype=torch.float64)
    return torch.as_tensor(np.array(value))


def _copy(value: Any) -> Any:  # noqa: ANN401
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)


def _detached(leaf: Leaf) -> Leaf:
    return leaf.detach().cpu() if isinstance(leaf, Tensor) else leaf


def _float_tensors(arguments: tuple[Any, ...]) -> dict[str, Tensor]:
    return {
        str(index): argument
        for index, argument in enumerate(arguments)
        if isinstance(argument, Tensor) and argument.is_floating_point()
    }


def _gradients(leaves: dict[str, Leaf], sources: dict[str, Tensor], seed: int) -> dict[str, Tensor | None]:
    """Differentiate a random combination of the outputs (in a plain sum errors could cancel)."""
    generator = np.random.default_rng(seed)
    total: Tensor | None = None
    for leaf in leaves.values():
        if isinstance(leaf, Tensor) and leaf.is_floating_point():
            weights = torch.as_tensor(generator.uniform(0.5, 1.5, tuple(leaf.shape)), dtype=leaf.dtype)
            if leaf.requires_grad:
                part = (leaf * weights.to(leaf.device)).sum()
                total = part if total is None else total + part
    if total is None:
        return dict.fromkeys(sources)
    found = torch.autograd.grad(total, list(sources.values()), allow_unused=True)
    return dict(zip(sources, found, strict=True))
