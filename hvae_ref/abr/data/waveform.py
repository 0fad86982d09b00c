"""From latencies, amplitudes and widths to a response, and back: the shape of a wave, and the marks on a response."""

from __future__ import annotations

from functools import cache

import numpy as np

from hvae_ref.abr.data import norms
from hvae_ref.abr.data.parameters import SAMPLE_INTERVAL_MS, SIGNAL_LENGTH

# How far from its component's latency a peak may be and still carry that wave's name.
MARK_REACH_MS = 0.4
# How far after a peak its trough is looked for; wave V's is slow.
TROUGH_REACH_MS = (0.7, 0.7, 0.7, 0.7, 2.0)


def _raw_shape(u: np.ndarray, wave: int) -> np.ndarray:
    depth, delay, width = (norm.value[wave] for norm in (norms.TROUGH_DEPTH, norms.TROUGH_DELAY, norms.TROUGH_WIDTH))
    return np.exp(-0.5 * u**2) - depth * np.exp(-0.5 * ((u - delay) / width) ** 2)


@cache
def _shape_constants(wave: int) -> tuple[float, float]:
    """Where the peak of the raw shape is, and its height over the trough."""
    u = np.linspace(-3.0, 12.0, 150_001)
    raw = _raw_shape(u, wave)
    return float(u[raw.argmax()]), float(raw.max() - raw.min())


def wave_shape(u: np.ndarray, wave: int) -> np.ndarray:
    """The shape g of one wave: a Gaussian peak less a later, broader Gaussian.

    g(u) ∝ exp(−u²/2) − ρ exp(−(u − δ)²/2ω²), shifted so that its maximum is at u = 0 and scaled so that its maximum
    is 1 above its minimum: amplitudes are measured from a peak to the trough after it, as in the clinic.

    Args:
        u: times from the peak in units of the wave's width, any shape.
        wave: 0 … 4.
    """
    peak, height = _shape_constants(wave)
    return _raw_shape(u + peak, wave) / height


def waves(latency: np.ndarray, amplitude: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The response without drift and noise, Σ_w a_w g_w((t − τ_w)/s_w).

    Args:
        latency: (N, 5) τ in ms.
        amplitude: (N, 5) a in µV, peak to trough.
        width: (N, 5) s in ms.

    Returns:
        (N, 200) µV.

    Reference: equation 6.1.
    """
    time = np.arange(SIGNAL_LENGTH) * SAMPLE_INTERVAL_MS
    total = np.zeros((len(latency), SIGNAL_LENGTH))
    for wave in range(latency.shape[1]):
        u = (time - latency[:, wave, None]) / width[:, wave, None]
        total += amplitude[:, wave, None] * wave_shape(u, wave)
    return total


def marks(clean: np.ndarray, latency: np.ndarray, amplitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mark the peaks of responses without noise as an audiologist would, knowing where the components are.

    The mark of wave w is the local maximum of the *sum* nearest to τ_w, at most 0.4 ms away, refined by a parabola
    through three samples; its amplitude is its height over the lowest point of the following 0.7 ms (wave V: 2 ms).
    Neighbours overlap, so marks differ a little from the components: an own maximum is needed, and where IV and V
    have fused into one peak the larger component keeps it and the other is absent. A mark also counts as absent when
    its amplitude is below 0.04 µV (`norms.VISIBLE`). Noise plays no part: presence is a fact of the physiology, and
    a present peak may well be buried.

    Args:
        clean: (N, 200) µV.
        latency: (N, 5) of the components, ms.
        amplitude: (N, 5) of the components, µV.

    Returns:
        peaks: (N, 5, 2) latency in ms and amplitude in µV, zeros where absent.
        present: (N, 5) bool.
    """
    count, number = latency.shape
    time = np.arange(SIGNAL_LENGTH) * SAMPLE_INTERVAL_MS
    summit = np.zeros(clean.shape, dtype=bool)
    summit[:, 1:-1] = (clean[:, 1:-1] > clean[:, :-2]) & (clean[:, 1:-1] >= clean[:, 2:])
    rows = np.arange(count)
    peaks, present = np.zeros((count, number, 2)), np.zeros((count, number), dtype=bool)
    index = np.zeros((count, number), dtype=int)
    for wave in range(number):
        distance = np.where(summit, np.abs(time - latency[:, wave, None]), np.inf)
        at = distance.argmin(axis=1)
        index[:, wave] = at
        inside = distance[rows, at] <= MARK_REACH_MS
        at = at.clip(1, SIGNAL_LENGTH - 2)
        before, here, after = (clean[rows, at + step] for step in (-1, 0, 1))
        curvature = before - 2.0 * here + after
        step = np.where(curvature < 0, 0.5 * (before - after) / np.where(curvature < 0, curvature, 1.0), 0.0)
        height = here - 0.25 * (before - after) * step
        reach = round(TROUGH_REACH_MS[wave] / SAMPLE_INTERVAL_MS)
        following = np.minimum(at[:, None] + np.arange(1, reach + 1), SIGNAL_LENGTH - 1)
        trough = clean[rows[:, None], following].min(axis=1)
        peaks[:, wave, 0] = (at + step) * SAMPLE_INTERVAL_MS
        peaks[:, wave, 1] = height - trough
        present[:, wave] = inside & (peaks[:, wave, 1] >= norms.VISIBLE.value)
    for wave in range(number - 1):
        shared = present[:, wave] & present[:, wave + 1] & (index[:, wave] == index[:, wave + 1])
        later_wins = amplitude[:, wave + 1] >= amplitude[:, wave]
        present[:, wave] &= ~(shared & later_wins)
        present[:, wave + 1] &= ~(shared & ~later_wins)
    return np.where(present[:, :, None], peaks, 0.0), present
