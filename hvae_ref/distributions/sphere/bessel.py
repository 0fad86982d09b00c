r"""Logarithms and ratios of the modified Bessel functions I_ν, with gradients, at any order and argument.

I_ν itself is never formed: at x = 10 it underflows in float32 from ν = 42 on, and from x ≈ 90 on it overflows
(misconception V8). What is computed, all in float64 and without a choice of regime (V5), is

  L_ν(x) = log[Γ(ν+1) (2/x)^ν I_ν(x)] ≥ 0,    A_ν(x) = I_{ν+1}(x) / I_ν(x) ∈ [0, 1),    L_ν′ = A_ν

first at an order ν + N ≥ 30 by Debye's expansion, then downwards by recursions of positive terms (book, eq. 5.13)

  A_ν = a / (1 + a A_{ν+1}),    L_ν = L_{ν+1} + log(1 + a A_{ν+1}),    a = x / (2(ν+1))

so that x = 0 needs no special case. The results are cast to the dtype of `x`, on whose device everything stays.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae_ref.distributions.base import all_true, first_wrong
from hvae_ref.distributions.sphere.bessel_recursion import bessel
from hvae_ref.distributions.sphere.debye import Order


def _checked(order: float | int | Tensor, x: Tensor) -> tuple[Order, Tensor]:
    """The arguments as the computation needs them, or ValueError; an accelerator's values are not looked at."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"x: expected a floating-point tensor, got {getattr(x, 'dtype', type(x).__name__)}")
    if isinstance(order, Tensor):
        if not order.is_floating_point():
            raise ValueError(f"order: expected a number or a floating-point tensor, got {order.dtype}")
        if order.requires_grad:
            raise ValueError("order: expected no gradient, got a tensor that requires one; only x is differentiable")
        wrong = ~((order >= 0) & torch.isfinite(order))
        if order.device.type == "cpu" and not all_true(~wrong):
            raise ValueError(f"order: expected finite values of at least 0, got {first_wrong(order, wrong)}")
        try:
            order, x = torch.broadcast_tensors(order.to(x.device, torch.float64).masked_fill(wrong, torch.nan), x)
        except RuntimeError as error:
            raise ValueError(
                f"order: expected a shape that broadcasts with {tuple(x.shape)}, got {tuple(order.shape)}"
            ) from error
    else:
        if isinstance(order, bool) or not (math.isfinite(order) and order >= 0):
            raise ValueError(f"order: expected a finite value of at least 0, got {order}")
        order = float(order)
    wrong = ~((x >= 0) & torch.isfinite(x))
    if x.device.type == "cpu" and not all_true(~wrong):
        raise ValueError(f"x: expected finite values of at least 0, got {first_wrong(x, wrong)}")
    unread = x.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing()
    return order, x.masked_fill(wrong, torch.nan) if unread else x


def log_bessel_normalized(order: float | int | Tensor, x: Tensor) -> Tensor:
    """L_ν(x) = log[Γ(ν+1) (2/x)^ν I_ν(x)] = log ₀F₁(; ν+1; x²/4), which is 0 at x = 0.

    Relative accuracy everywhere, as x → 0 too, where L ≈ x²/(4(ν+1)). Its gradient is `bessel_ratio`.

    Args:
        order: ν ≥ 0, a number or a tensor that broadcasts with `x`.
        x: at least 0, floating point, any shape.

    Returns:
        the broadcast shape, dtype of `x`.

    Raises:
        ValueError: where ν or x is negative or not finite, x holds integers, or shapes do not broadcast. Values on an
            accelerator are not looked at, which would stall it; there the answer is NaN.

    >>> log_bessel_normalized(0.5, torch.tensor([0.0, 1.0], dtype=torch.float64))  # log(sinh(x) / x)
    tensor([0.0000, 0.1614], dtype=torch.float64)
    """
    return bessel("log_normalized", *_checked(order, x))


def log_bessel_scaled(order: float | int | Tensor, x: Tensor) -> Tensor:
    """L_ν(x) − x, without the cancellation of the subtraction at large x; `log_bessel_normalized` has the arguments.

    L_ν carries the factor Γ(ν+1) (2/x)^ν; without it the scaled logarithm is `log_bessel_ive`.
    """
    return bessel("log_scaled", *_checked(order, x))


def log_bessel_ive(order: float | int | Tensor, x: Tensor) -> Tensor:
    """log[e^{−x} I_ν(x)], the logarithm of what SciPy calls `ive`: log I_ν(x) − x, whose digits no subtraction loses.

    At large x it is about −½ log(2πx). Differentiable in `x`, with gradient ν/x − (1 − A_ν(x)). At x = 0 it is 0 for
    ν = 0 and −∞ for ν > 0.

    Args:
        order: ν ≥ 0, a number or a tensor that broadcasts with `x`.
        x: at least 0, floating point, any shape.

    Returns:
        the broadcast shape, dtype of `x`.

    Raises:
        ValueError: as for `log_bessel_normalized`.

    >>> log_bessel_ive(0.3, torch.tensor(1e4))  # where log I itself is 9994.476
    tensor(-5.5241)
    """
    return bessel("log_ive", *_checked(order, x))


def log_bessel_i(order: float | int | Tensor, x: Tensor) -> Tensor:
    """log I_ν(x), the logarithm of the modified Bessel function of the first kind.

    log I_ν(x) = L_ν(x) + ν log(x/2) − log Γ(ν+1)

    Differentiable in `x`, with gradient A_ν(x) + ν/x. At x = 0 it is 0 for ν = 0 and −∞ for ν > 0.

    Args:
        order: ν ≥ 0, a number or a tensor that broadcasts with `x`.
        x: at least 0, floating point, any shape.

    Returns:
        the broadcast shape, dtype of `x`.

    Raises:
        ValueError: as for `log_bessel_normalized`.

    Reference:
        NIST Digital Library of Mathematical Functions, 10.25 and 10.41, https://dlmf.nist.gov/10.25

    >>> log_bessel_i(1e5, torch.tensor(1.0, dtype=torch.float64))
    tensor(-1120613.9400, dtype=torch.float64)
    """
    order, x = _checked(order, x)
    wide = x.to(torch.float64)
    log = bessel("log_normalized", order, wide)
    if isinstance(order, Tensor):
        zero = order == 0
        inner = torch.where(zero, torch.ones_like(wide), wide)
        return (log + order * torch.log(inner / 2).masked_fill(zero, 0.0) - torch.lgamma(order + 1)).to(x.dtype)
    if order == 0:
        return log.to(x.dtype)
    return (log + (order * torch.log(wide / 2) - math.lgamma(order + 1))).to(x.dtype)


def bessel_ratio(order: float | int | Tensor, x: Tensor) -> Tensor:
    """A_ν(x) = I_{ν+1}(x) / I_ν(x), which rises from 0 at x = 0 to 1.

    With ν = m/2 − 1 this is the mean resultant length of a von Mises-Fisher distribution on the sphere in R^m (book,
    eq. 5.6). Its gradient A′ = 1 − A² − (2ν+1) A/x (eq. 5.9) comes from a recursion of its own, because that
    difference cancels at both ends.

    Args:
        order: ν ≥ 0, a number or a tensor that broadcasts with `x`.
        x: at least 0, floating point, any shape.

    Returns:
        the broadcast shape, dtype of `x`.

    Raises:
        ValueError: as for `log_bessel_normalized`.

    Reference:
        Amos (1974), Computation of modified Bessel functions and their ratios, https://doi.org/10.1090/S0025-5718-1974-0333287-7

    >>> bessel_ratio(0.5, torch.tensor([0.0, 1.0], dtype=torch.float64))  # coth(x) − 1/x
    tensor([0.0000, 0.3130], dtype=torch.float64)
    """
    return bessel("ratio", *_checked(order, x))


def bessel_ratio_complement(order: float | int | Tensor, x: Tensor) -> Tensor:
    """1 − A_ν(x) with its relative accuracy at large x, where A → 1; `bessel_ratio` has the arguments."""
    return bessel("complement", *_checked(order, x))


def bessel_ratio_derivative(order: float | int | Tensor, x: Tensor) -> Tensor:
    """A_ν′(x) with relative accuracy everywhere, 1/(2(ν+1)) at x = 0; `bessel_ratio` has the arguments."""
    return bessel("ratio_derivative", *_checked(order, x))


def bessel_kl(order: float | int | Tensor, x: Tensor) -> Tensor:
    """x A_ν(x) − L_ν(x): with ν = m/2 − 1, the divergence of a von Mises-Fisher distribution from the uniform one.

    As x → 0 it is x²/(4(ν+1)), and at large x it is −x (1 − A) − (L − x); each with relative accuracy. Its gradient
    is x A_ν′(x).

    Args:
        order: ν ≥ 0, a number or a tensor that broadcasts with `x`.
        x: at least 0, floating point, any shape.

    Returns:
        the broadcast shape, dtype of `x`, in nats, at least 0.

    Raises:
        ValueError: as for `log_bessel_normalized`.
    """
    return bessel("kl", *_checked(order, x))
