"""The one scalar equation behind the inverses of planar and Sylvester flows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from hvae_ref.distributions.base import apply, once_forwards

ITERATIONS = 40
"""Newton steps that are enough for any p up to 10^12 and down to −0.999."""

FEW_ITERATIONS = 20
"""Newton steps that are enough for |p| < 1, down to −0.999."""


def solve_tanh(p: Tensor, y: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """The root t of t + p tanh t = y, for p > −1; differentiable in p and y as often as wanted.

    The left side is odd, and on t ≥ 0 concave for p > 0 and convex for p < 0. Newton's method from the left of the
    root in the first case, and from its right in the second, never crosses it: it converges for every p > −1 and y
    without a bracket to keep. Both starting points follow from 0 ≤ tanh t ≤ min(t, 1).

    Args:
        p: any shape, greater than −1.
        y: same shape.
        iterations: Newton steps.

    Returns:
        t, same shape; its gradient is that of the implicit function.
    """
    return apply(_Root, _RootBackwards, p, y, iterations)


class _RootBackwards(Function):
    """`_Root` without a forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(p: Tensor, y: Tensor, iterations: int) -> Tensor:
        """Newton's method from a start on the side of the root where it converges monotonically."""
        right = y.abs()
        t = torch.where(p > 0, torch.maximum(right - p, right / (1 + p)), torch.minimum(right - p, right / (1 + p)))
        for _ in range(iterations + 1):
            h = t.tanh()
            t = t - (t + p * h - right) / (1 + p * (1 - h * h))
        return torch.copysign(t, y)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:  # noqa: ANN401
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def slopes(ctx: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """−tanh(t) / f′(t) in p and 1 / f′(t) in y, where f is the left side."""
        p, t = ctx.saved_tensors
        h = t.tanh()
        in_y = 1 / (1 + p * (1 - h * h))
        return -h * in_y, in_y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        in_p, in_y = _RootBackwards.slopes(ctx)
        return grad * in_p, grad * in_y, None


class _Root(_RootBackwards):
    """The root as a function of p and y. It stands in its own derivatives, which therefore have derivatives."""

    @staticmethod
    def jvp(ctx: Any, along_p: Tensor | None, along_y: Tensor | None, _: None) -> Tensor:  # noqa: ANN401
        once_forwards()
        pairs = zip(_RootBackwards.slopes(ctx), (along_p, along_y), strict=True)
        return sum(slope * tangent for slope, tangent in pairs if tangent is not None)
