"""Whether the values of tensors can be looked at, as every check of values has to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

compiling = torch.compiler.is_compiling
"""True while torch compiles or exports a function."""

transform = torch._C._functorch.peek_interpreter_stack
"""The transform of `torch.func` (vmap, grad, jvp, …) that is at work; None where there is none."""

_looked_at = ContextVar("looked_at", default=False)

looked_at = _looked_at.get
"""True inside `values_looked_at`."""


@contextmanager
def values_looked_at() -> Iterator[None]:
    """Say that the data have been checked before: inside, the checks of values are not repeated.

    `fit` does so from its second pass over data in memory on. A loss that is not finite is noticed all the same.
    """
    before = _looked_at.set(True)
    try:
        yield
    finally:
        _looked_at.reset(before)


def values_are_known() -> bool:
    """False while torch compiles, exports or transforms a function, and inside `values_looked_at`.

    Checks of values then stand aside, because a graph or a transform has no number to look at, or because the numbers
    have been looked at; checks of shapes, types and devices stay.

    >>> values_are_known()
    True
    """
    return not compiling() and transform() is None and not looked_at()
