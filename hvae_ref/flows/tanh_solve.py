"""The one scalar equation behind the inverses of planar and Sylvester flows."""

from __future__ import annotations

import torch
from torch import Tensor

ITERATIONS = 40
"""Newton steps that are enough for any p up to 10^12 and down to −0.999."""

FEW_ITERATIONS = 20
"""Newton steps that are enough for |p| < 1, down to −0.999."""


def solve_tanh(p: Tensor, y: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """The root t of t + p tanh t = y, for p > −1; differentiable in p and y.

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
    with torch.no_grad():
        right = y.abs()
        t = torch.where(p > 0, torch.maximum(right - p, right / (1 + p)), torch.minimum(right - p, right / (1 + p)))
        for _ in range(iterations):
            h = t.tanh()
            t = t - (t + p * h - right) / (1 + p * (1 - h * h))
        t = torch.copysign(t, y)
        h = t.tanh()
        slope = 1 + p * (1 - h * h)
    # One more Newton step, on the graph: its derivatives at the root are 1 / f'(t) in y and −tanh(t) / f'(t) in p.
    return t - (t + p * h - y) / slope
