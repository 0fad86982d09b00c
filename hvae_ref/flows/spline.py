"""Monotone rational-quadratic splines, whose inverse is the root of a quadratic equation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NARROWEST = 0.02
"""The narrowest and the lowest bin, as a share of the mean one."""

STEEPEST = 100.0
"""The largest slope at a knot; the smallest is its reciprocal."""


def _knots(raw: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Where bins (…, K) begin, from −reach on, and how wide they are."""
    share = (1 - NARROWEST) * torch.softmax(raw, -1) + NARROWEST / raw.shape[-1]
    width = 2 * reach * share
    return torch.cumsum(width, -1) - width - reach, width


def rational_quadratic(
    z: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, reach: float, back: bool = False
) -> tuple[Tensor, Tensor]:
    """A spline through K + 1 knots from (−reach, −reach) to (reach, reach), and the identity outside of them.

    In a bin of width w and height h, with s = h/w, slopes d_0 and d_1 at its ends and ξ the place in it from 0 to 1,

        f = y_0 + h (s ξ² + d_0 ξ (1 − ξ)) / (s + (d_0 + d_1 − 2s) ξ (1 − ξ))

    Zeros for all raw numbers are the identity.

    Args:
        z: any shape.
        widths: raw, z's shape + (K,).
        heights: raw, z's shape + (K,).
        slopes: raw, at the inner knots, z's shape + (K − 1,); at the ends the slope is 1.
        reach: half of the width of the interval that is bent.
        back: whether the inverse is wanted.

    Returns:
        The moved z, and the logarithm of the derivative of the map that was called, each of z's shape.

    Reference:
        Durkan et al. (2019), Neural Spline Flows, eq. 4–8, https://arxiv.org/abs/1906.04032
    """
    (x_begins, w_all), (y_begins, h_all) = _knots(widths, reach), _knots(heights, reach)
    bound = math.log(STEEPEST)
    inner = torch.exp(bound * torch.tanh(slopes / bound))
    ends = torch.ones_like(widths[..., :1])
    d_all = torch.cat([ends, inner, ends], -1)
    inside = z.abs() < reach
    at = torch.where(inside, z, 0.0)
    # The bin is the last one that begins at or before the point.
    begins = y_begins if back else x_begins
    index = (at.unsqueeze(-1) >= begins[..., 1:]).sum(-1, keepdim=True)

    def of_bin(values: Tensor) -> Tensor:
        return values.gather(-1, index).squeeze(-1)

    x, w, y, h = of_bin(x_begins), of_bin(w_all), of_bin(y_begins), of_bin(h_all)
    d0, d1 = of_bin(d_all[..., :-1]), of_bin(d_all[..., 1:])
    s = h / w
    bend = d0 + d1 - 2 * s
    if back:
        # a ξ² + b ξ + c = 0, by the form of its root that does not cancel.
        up = at - y
        a, b, c = h * (s - d0) + up * bend, h * d0 - up * bend, -s * up
        xi = 2 * c / (-b - (b * b - 4 * a * c).clamp(min=0).sqrt())
    else:
        xi = (at - x) / w
    both = xi * (1 - xi)
    below = s + bend * both
    log_slope = 2 * s.log() + (d1 * xi * xi + 2 * s * both + d0 * (1 - xi) * (1 - xi)).log() - 2 * below.log()
    moved = x + w * xi if back else y + h * (s * xi * xi + d0 * both) / below
    log_slope = torch.where(inside, -log_slope if back else log_slope, 0.0)
    return torch.where(inside, moved, z), log_slope
