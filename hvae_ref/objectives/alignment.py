"""How far one signal comes after another, as a number with a gradient: the alignment part of a loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE = 0.05
"""Correlation by which a lag may fall short of the best one before it counts e times less."""

CONSTANT = 1e-5
"""A signal whose spread is below this share of its own size is constant: what is left of it is rounding."""


def _normalised(signal: Tensor) -> Tensor:
    """Zero mean and unit length; exactly zero, with a gradient of zero, where the signal is constant."""
    centred = signal - signal.mean(-1, keepdim=True)
    square, whole = (part.square().sum(-1, keepdim=True) for part in (centred, signal))
    # A square next to the smallest number there is has no gradient that could be written down.
    varies = square > (CONSTANT**2 * whole).clamp(min=100 * torch.finfo(signal.dtype).tiny)
    # Both branches stay finite, so that no infinity times zero reaches the gradient.
    return torch.where(varies, centred, 0) / torch.where(varies, square, 1).sqrt()


def cross_correlation(
    a: Float[Tensor, "batch time"], b: Float[Tensor, "batch time"], max_lag: int
) -> Float[Tensor, "batch lags"]:
    """Normalised cross-correlation ρ(l) = Σ_t â(t) b̂(t + l) for l = −max_lag … max_lag, zero beyond the ends.

    Args:
        a: (B, T).
        b: (B, T), same shape.
        max_lag: largest lag looked at, in samples, 1 … T − 1.

    Returns:
        (B, 2 max_lag + 1), each in [−1, 1]; 0 at all lags where a signal is constant.

    Raises:
        ValueError: for different shapes, or a lag that is no smaller than the signals are long.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"a, b: expected the same shape (batch, time), got {tuple(a.shape)} and {tuple(b.shape)}")
    if not 1 <= max_lag < a.shape[1]:
        raise ValueError(f"max_lag: expected 1 … {a.shape[1] - 1} for signals of {a.shape[1]} samples, got {max_lag}")
    windows = torch.nn.functional.pad(_normalised(b), (max_lag, max_lag)).unfold(-1, a.shape[1], 1)
    return (_normalised(a).unsqueeze(1) * windows).sum(-1)


def soft_lag(
    a: Float[Tensor, "batch time"], b: Float[Tensor, "batch time"], max_lag: int, temperature: float = TEMPERATURE
) -> Float[Tensor, " batch"]:
    """By how many samples b comes after a: the mean lag under a softmax of their correlation; eq. 6.9 in the book.

    lag(a, b) = Σ_l l · softmax_l(ρ(l) / temperature)

    The place of the largest correlation has no gradient; this mean has one, and it tends to that place as the
    temperature goes to 0. Amplitude and offset of either signal make no difference. Where a signal is constant all lags
    are equally good and the mean is 0, with a gradient of 0.

    Args:
        a: (B, T).
        b: (B, T), same shape.
        max_lag: largest lag looked at, in samples, 1 … T − 1.
        temperature: correlation by which a lag may fall short before it counts e times less; above 0.

    Returns:
        (B,) samples, positive where b is late; between −max_lag and max_lag.

    Raises:
        ValueError: for different shapes, a lag no smaller than the signals are long, or a temperature of 0 or less.

    >>> pulse = torch.exp(-0.5 * ((torch.arange(100.0) - 40) / 3) ** 2)[None]
    >>> round(float(soft_lag(pulse, pulse.roll(5, 1), max_lag=20)), 1)
    5.0
    """
    if not temperature > 0:
        raise ValueError(f"temperature: expected a number above 0, got {temperature}")
    weight = torch.softmax(cross_correlation(a, b, max_lag) / temperature, -1)
    early, late = weight[:, :max_lag].flip(-1), weight[:, max_lag + 1 :]
    lags = torch.arange(1, max_lag + 1, dtype=weight.dtype, device=weight.device)
    # Late against early: equal weights cancel exactly, not up to rounding.
    return ((late - early) * lags).sum(-1)


def misalignment(
    a: Float[Tensor, "batch time"],
    b: Float[Tensor, "batch time"],
    max_lag: int,
    unit: float,
    temperature: float = TEMPERATURE,
) -> Float[Tensor, " batch"]:
    """The part `alignment` of a loss: (lag(a, b) / unit)², (B,), without a unit.

    Args:
        a: (B, T), such as a reconstruction.
        b: (B, T), such as the signal it stands for.
        max_lag: largest lag looked at, in samples.
        unit: lag that costs 1, in samples; above 0.
        temperature: of `soft_lag`.

    Raises:
        ValueError: as `soft_lag`, or for a unit of 0 or less.
    """
    if not unit > 0:
        raise ValueError(f"unit: expected a number of samples above 0, got {unit}")
    return (soft_lag(a, b, max_lag, temperature) / unit).square()
