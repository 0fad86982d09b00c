"""Find a wave in a response as an audiologist does: the highest peak near where it is expected."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hvae_ref.errors import real_number

HALF_WIDTH = 0.9
"""ms to either side of the expected latency."""
TROUGH_WITHIN = 2.0
"""ms after a peak in which the trough is looked for that its amplitude is measured to."""
SMOOTHING = 0.1
"""ms, standard deviation of the smoothing before a peak is looked for."""


class Peaks(NamedTuple):
    """One wave in each of N responses; NaN where no peak was found.

    Attributes:
        latency: ms, (N,).
        amplitude: µV from the peak to the trough that follows, (N,).
        found: whether there is a peak, (N,).
    """

    latency: Float[Tensor, " responses"]
    amplitude: Float[Tensor, " responses"]
    found: Bool[Tensor, " responses"]


def smoothed(signals: Float[Tensor, "responses samples"], width: float) -> Float[Tensor, "responses samples"]:
    """Convolve with a Gaussian; the ends are continued by their last values, and a constant stays what it is.

    Args:
        signals: (N, T).
        width: standard deviation in samples; 0 changes nothing.
    """
    if width == 0:
        return signals
    reach = max(1, math.ceil(3 * width))
    offsets = torch.arange(-reach, reach + 1, dtype=signals.dtype, device=signals.device)
    kernel = torch.exp(-0.5 * (offsets / width) ** 2)
    padded = torch.nn.functional.pad(signals.unsqueeze(1), (reach, reach), mode="replicate")
    return torch.nn.functional.conv1d(padded, (kernel / kernel.sum()).view(1, 1, -1)).squeeze(1)


def _vertex(left: Tensor, middle: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    # Place (in samples from the middle one) and height of the parabola through three neighbouring samples.
    curvature = (left - 2 * middle + right).clamp(max=-torch.finfo(middle.dtype).tiny)
    place = (0.5 * (left - right) / curvature).clamp(-0.5, 0.5)
    return place, middle - 0.25 * (left - right) * place


def _falls_next(curve: Tensor) -> Tensor:
    # For all samples but the ends: is the next different value a lower one? A flat top is a peak, a step is none.
    slope = curve.diff()
    index = torch.arange(slope.shape[1], device=curve.device).expand_as(slope)
    moving = torch.where(slope != 0, index, slope.shape[1] - 1)
    return slope.gather(1, moving.flip(1).cummin(1).values.flip(1))[:, 1:] < 0


def pick_wave(
    signals: Float[Tensor, "responses samples"],
    expected: Float[Tensor, " responses"] | float,
    time: Float[Tensor, " samples"],
    half_width: float = HALF_WIDTH,
    smoothing: float = SMOOTHING,
    trough_within: float = TROUGH_WITHIN,
    by: str = "height",
) -> Peaks:
    """The highest local maximum of each response within `expected` ± `half_width`, or the one that falls furthest.

    The response is smoothed a little, the samples at which it turns from rising to falling are its peaks, and a
    parabola through the highest one and its two neighbours gives latency and height between the samples. The amplitude
    is measured as in the clinic: down to the lowest point within `trough_within` ms after the peak, so a slow drift of
    the baseline hardly enters it.

    A rising or falling window without a maximum inside has no peak: it is returned as not found, never as the window's
    edge. In noise there nearly always is *some* peak; whether a wave is there at all is not decided here.

    Args:
        signals: (N, T) µV.
        expected: latency around which to look, ms; one for all responses or one for each.
        time: (T,) ms, evenly spaced and rising.
        half_width: ms to either side.
        smoothing: ms, standard deviation of the Gaussian.
        trough_within: ms.
        by: "height", or "fall" for the peak with the largest amplitude; a slow drift then doesn't choose the peak.

    Returns:
        Latencies and amplitudes, NaN where no peak was found.

    Raises:
        ValueError: for shapes that don't fit, values that aren't finite, an uneven axis or a width below a sample.
    """
    for name, value in (("signals", signals), ("time", time)):
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}")
    if signals.ndim != 2 or time.ndim != 1 or signals.shape[1] != len(time) or len(time) < 3:
        raise ValueError(
            "signals, time: expected shapes (N, T) and (T,), T at least 3, "
            f"got {(*signals.shape,)} and {(*time.shape,)}"
        )
    if not signals.is_floating_point():
        raise ValueError(f"signals: expected floating-point numbers in µV, got {signals.dtype}")
    if not torch.isfinite(signals).all():
        raise ValueError("signals: expected finite values, found NaN or infinity")
    steps = time.diff()
    step = steps.mean().item()
    if step <= 0 or (steps - step).abs().max() > 1e-3 * step:
        raise ValueError("time: expected evenly spaced, rising values")
    if not isinstance(expected, Tensor):
        expected = real_number("expected", expected)
    smoothing = real_number("smoothing", smoothing, 0)
    for name, value, least in (("half_width", half_width, step), ("trough_within", trough_within, step)):
        if isinstance(value, bool | str) or not value >= least:
            raise ValueError(f"{name}: expected at least one sample, {least:g} ms, got {value}")
    if by not in ("height", "fall"):
        raise ValueError(f'by: expected "height" or "fall", got {by!r}')
    if smoothing > step * len(time):
        raise ValueError(f"smoothing: expected at most the {step * len(time):g} ms of the signals, got {smoothing:g}")
    expected = torch.as_tensor(expected, dtype=signals.dtype, device=signals.device)
    if expected.ndim > 1 or (expected.ndim == 1 and len(expected) != len(signals)):
        raise ValueError(
            f"expected: one latency, or one for each of {len(signals)} responses, got {(*expected.shape,)}"
        )
    time = time.to(signals)
    curve = smoothed(signals, smoothing / step)
    left, middle, right = curve[:, :-2], curve[:, 1:-1], curve[:, 2:]
    near = (time[1:-1] - expected.reshape(-1, 1)).abs() <= half_width + 1e-6
    peak = (middle > left) & _falls_next(curve) & near
    found = peak.any(1)
    # The lowest of the next samples after each place; nothing is lower beyond the end.
    reach = round(min(trough_within / step, len(time)))
    after = torch.nn.functional.pad(-right, (0, reach - 1), value=-torch.inf)
    troughs = -torch.nn.functional.max_pool1d(after.unsqueeze(1), reach, stride=1).squeeze(1)
    merit = middle if by == "height" else middle - troughs
    at = torch.where(peak, merit, -torch.inf).argmax(1, keepdim=True)
    place, height = _vertex(*(part.gather(1, at).squeeze(1) for part in (left, middle, right)))
    trough = troughs.gather(1, at).squeeze(1)
    nothing = torch.full_like(height, torch.nan)
    return Peaks(
        latency=torch.where(found, time[1:-1][at.squeeze(1)] + place * step, nothing),
        amplitude=torch.where(found, height - trough, nothing),
        found=found,
    )
