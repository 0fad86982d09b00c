"""Whether the values of tensors can be looked at, as every check of values has to."""

from __future__ import annotations

import torch

compiling = torch.compiler.is_compiling
"""True while torch compiles or exports a function."""

transform = torch._C._functorch.peek_interpreter_stack
"""The transform of `torch.func` (vmap, grad, jvp, …) that is at work; None where there is none."""


def values_are_known() -> bool:
    """False while torch compiles, exports or transforms a function.

    Checks of values then stand aside, because a graph or a transform has no number to look at; checks of shapes, types
    and devices stay.

    >>> values_are_known()
    True
    """
    return not compiling() and transform() is None
