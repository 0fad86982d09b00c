"""What the distributions share: larger batches, and checks and derivatives that every transform of torch can pass."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Size, Tensor
from torch.autograd import Function
from torch.distributions import Distribution

D = TypeVar("D", bound=Distribution)


def all_true(valid: Tensor) -> bool:
    """Whether all elements are true; also True where values cannot be read, so that no check is in the way there.

    That is inside `torch.compile`, `torch.export` and `torch.jit.trace`, and on the meta device. Under `torch.func` and
    its `vmap` the values are read, those of the whole batch at once.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or valid.is_meta:
        return True
    return bool(torch._is_all_true(valid))


def checked_now(validate_args: bool | None) -> bool | None:
    """What to tell `Distribution` about its parameters: they aren't looked at while a graph is made of the code.

    torch 2.11 would, and then stop.
    """
    return False if torch.compiler.is_compiling() or torch.jit.is_tracing() else validate_args


def first_wrong(value: Tensor, wrong: Tensor) -> str:
    """The first wrong element for an error message, or what to say where `vmap` does not let it be read."""
    try:
        return str(value.detach()[wrong][0].item())
    except RuntimeError:
        return "another value in a batch of vmap"


def floating_parameters(**parameters: Tensor) -> tuple[Tensor, ...]:
    """Parameters in their common dtype.

    Raises:
        ValueError: that names the parameter which is no floating-point tensor.

    >>> [p.dtype for p in floating_parameters(loc=torch.zeros(2), scale=torch.ones(2, dtype=torch.float64))]
    [torch.float64, torch.float64]
    """
    for name, value in parameters.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise ValueError(
                f"{name}: expected a floating-point tensor, got {getattr(value, 'dtype', type(value).__name__)}"
            )
    dtypes = [value.dtype for value in parameters.values()]
    wide = functools.reduce(torch.promote_types, dtypes)
    return tuple(value.to(wide) for value in parameters.values())


def broadcast_parameters(**parameters: Tensor) -> tuple[Tensor, ...]:
    """Parameters in their common shape.

    Raises:
        ValueError: that names the parameter which is no floating-point tensor with a dimension, or whose shape does not
            broadcast with those before it.

    >>> [tuple(p.shape) for p in broadcast_parameters(loc=torch.zeros(3, 1), scale=torch.ones(2))]
    [(3, 2), (3, 2)]
    """
    shape: Sequence[int] = ()
    floating_parameters(**parameters)
    for name, value in parameters.items():
        if value.ndim < 1:
            raise ValueError(f"{name}: expected at least one dimension, got a tensor of shape ()")
        try:
            shape = torch.broadcast_shapes(shape, value.shape)
        except RuntimeError as error:
            raise ValueError(
                f"{name}: expected a shape that broadcasts with {tuple(shape)}, got {tuple(value.shape)}"
            ) from error
    return tuple(value.expand(shape) for value in parameters.values())


def checked_shape(name: str, shape: Any) -> Size:  # noqa: ANN401  (whatever was given)
    """A shape, from a sequence of sizes.

    Raises:
        ValueError: that names it, for anything else, such as a single number.

    >>> checked_shape("sample_shape", (2, 3))
    torch.Size([2, 3])
    >>> checked_shape("sample_shape", 5)
    Traceback (most recent call last):
    ValueError: sample_shape: expected a sequence of whole numbers of at least 0, such as (5,), got 5
    """
    fits = isinstance(shape, Sequence) and not isinstance(shape, str)
    # A size that is traced is no int; torch checks it.
    if not fits or any(isinstance(size, bool | str | float) or size is None or size < 0 for size in shape):
        such = f"({shape},)" if isinstance(shape, int) else "(5,)"
        expected = f"a sequence of whole numbers of at least 0, such as {such}"
        raise ValueError(f"{name}: expected {expected}, got {shape!r}")
    return Size(shape)


def expanded(distribution: D, batch_shape: Sequence[int], instance: D | None = None, **event_dims: int) -> D:
    """The distribution with a larger batch shape, of the same class and with the same checks, and nothing copied.

    Args:
        distribution: what is expanded; a subclass stays one, with all that it holds.
        batch_shape: the new one.
        instance: filled instead of a copy where given, as torch's `expand` has it.
        event_dims: for each attribute that is a tensor with a batch, how many dimensions follow the batch in it.

    Raises:
        ValueError: where the batch shape cannot be expanded to the new one.
    """
    try:
        shape = torch.empty((), device="meta").expand(distribution.batch_shape).expand(Size(batch_shape)).shape
    except RuntimeError as error:
        raise ValueError(
            f"batch_shape: expected one that {tuple(distribution.batch_shape)} expands to, got {tuple(batch_shape)}"
        ) from error
    new = copy.copy(distribution)
    if instance is not None:
        vars(instance).update({**vars(distribution), **vars(instance)})
        new = instance
    for name, dims in event_dims.items():
        value = getattr(distribution, name)
        setattr(new, name, value.expand(shape + value.shape[value.ndim - dims :]))
    Distribution.__init__(new, shape, distribution.event_shape, validate_args=False)
    new._validate_args = distribution._validate_args
    return new


def apply(function: type[Function], without_jvp: type[Function], *inputs: Any) -> Any:  # noqa: ANN401
    """Apply a function that has a forward mode (`jvp`), or, inside `torch.compile`, the same one without.

    `torch.compile` knows no forward mode of functions and leaves the graph where it sees one.
    """
    return (without_jvp if torch.compiler.is_compiling() else function).apply(*inputs)


def once_forwards() -> None:
    """Refuse forward mode inside forward mode: torch would take a `jvp` for a constant there, without a word.

    Raises:
        NotImplementedError: where `torch.func.jvp` or `jacfwd` stands inside another one.
    """
    stack = torch._C._functorch.get_interpreter_stack() or ()
    if sum(level.key() == torch._C._functorch.TransformType.Jvp for level in stack) > 1:
        raise NotImplementedError(
            "forward mode inside forward mode: expected one torch.func.jvp or jacfwd, got two; "
            "torch.func.hessian and jacrev work"
        )


def known_to_be_constant(value: Tensor, what: str) -> Tensor:
    """The value itself, in a derivative that cannot be differentiated by it again.

    Args:
        value: what a backward pass saved.
        what: whose second derivative is asked for, for the message.

    Returns:
        the value. A derivative by it raises NotImplementedError, where a detached one would silently be zero.
    """
    return _End.apply(value, what) if _may_be_differentiated() else value


def _may_be_differentiated() -> bool:
    """False in a plain backward pass, of which torch keeps no graph, and while torch compiles."""
    if torch.compiler.is_compiling():
        return False
    forwards = torch.autograd.forward_ad._current_level >= 0
    return torch.is_grad_enabled() or forwards or torch._C._functorch.peek_interpreter_stack() is not None


class _End(Function):
    """The identity, without a derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, what: str) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: Tensor) -> None:  # noqa: ANN401
        ctx.what = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        raise NotImplementedError(f"{ctx.what}: expected one derivative, got a second one, which is not known here")

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:  # noqa: ANN401
        raise NotImplementedError(f"{ctx.what}: expected one derivative, got a second one, which is not known here")
