"""Running an answer on one input: copies of the input, a fixed state, and a flat record of the result."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.exercises.engine import time_limit
from hvae_ref.exercises.engine.forms import Leaf, UnsupportedAnswerError, arranged, as_list, flatten, is_blank
from hvae_ref.exercises.engine.surroundings import fixed_randomness, usual_modes
from hvae_ref.exercises.engine.time_limit import AnswerInterrupt


@dataclass(frozen=True)
class Outcome:
    """What an answer gave on one input.

    Attributes:
        value: What was returned, unchanged.
        leaves: Its tensors, numbers (as tensors) and strings, by their place in the answer.
        gradients: Gradient of a fixed random combination of the outputs, by input; None where autograd finds no
            dependence on the input. Empty where no gradient was asked for.
        error: The exception that was raised, if any.
        changed: Places of the inputs that the answer changed.
    """

    value: Any = None
    leaves: dict[str, Leaf] = field(default_factory=dict)
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    error: BaseException | None = None
    changed: tuple[int, ...] = ()


def evaluate(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    seed: int,
    with_gradient: bool = False,
    compare_as: Callable[[Any], Any] | None = None,
    like: Any = None,  # noqa: ANN401
    examine: Callable[..., Any] | None = None,
) -> Outcome:
    """Call a function on copies of the inputs and record what it returns.

    Gradients are on and the default type is float32 during the call, whatever they are outside.

    Args:
        function: The answer to an exercise.
        inputs: Its arguments; they are copied, so the function cannot change them.
        seed: Seeds the random state during the call, so that two answers that draw alike get the same draws.
        with_gradient: Also take gradients with respect to the floating-point tensors among the inputs.
        compare_as: Applied to what the function returns before it is recorded.
        like: A right answer, whose form is given to what the function returns; None to leave the form as it is.
        examine: Called with the function and the arguments in place of the function; what it returns is recorded.

    Returns:
        The record; an exception that the function raises is in it, and is not raised.

    Raises:
        KeyboardInterrupt: If the reader interrupts the call.
    """
    limited = _limited(function)
    call = limited if examine is None else lambda *values: examine(limited, *values)
    try:
        with usual_modes(), fixed_randomness(seed), time_limit.readers_interrupt():
            arguments = tuple(map(_copy, inputs))
            sources = _float_tensors(arguments) if with_gradient else {}
            for tensor in sources.values():
                tensor.requires_grad_(True)
            value = call(*arguments)
            changed = tuple(i for i, (a, b) in enumerate(zip(inputs, arguments, strict=True)) if not _alike(a, b))
            if is_blank(value):
                return Outcome(value, changed=changed)
            torch.set_grad_enabled(True)  # the answer may have left it off
            leaves = flatten(_seen(value, compare_as, like))
            gradients = _gradients(leaves, sources, seed) if with_gradient else {}
    except AnswerInterrupt:
        raise KeyboardInterrupt from None
    except BaseException as error:  # whatever a reader's code raises is part of the verdict
        return Outcome(error=error)
    return Outcome(value, {place: _detached(leaf) for place, leaf in leaves.items()}, gradients, changed=changed)


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a limit on its time; what is done with its answer does not count."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401
        with time_limit.time_limit(time_limit.TIME_LIMIT):
            value = function(*arguments)
            return as_list(value) if isinstance(value, map | zip | filter) else value  # here its numbers are made

    return call


def _seen(value: Any, compare_as: Callable[[Any], Any] | None, like: Any) -> Any:  # noqa: ANN401
    """The answer as it is compared."""
    value = arranged(value, like)
    if compare_as is None:
        return value
    try:
        return compare_as(value)
    except UnsupportedAnswerError:
        raise
    except Exception as error:  # the answer has no form in which it could be compared
        raise UnsupportedAnswerError(str(error).rstrip(".")) from error


def _copy(value: Any) -> Any:  # noqa: ANN401
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)


def _alike(before: Any, after: Any) -> bool:  # noqa: ANN401
    """Whether an input is still what it was."""
    if isinstance(before, Tensor):
        same = before.shape == after.shape and before.dtype == after.dtype
        return same and torch.allclose(before, after.detach(), rtol=0, atol=0, equal_nan=True)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, nn.Module):
        return _alike(dict(before.state_dict()), dict(after.state_dict()))
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(_alike(before[key], after[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_alike, before, after))
    if callable(before) and hasattr(before, "__dict__"):
        return _alike(vars(before), vars(after))
    return bool(before is after or before == after or before != before)


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
