"""What one measures on an evoked response: waves I and V, wherever they are, and the baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.abr.data import WAVES, normal_response, time_axis
from hvae_ref.abr.measures.peak_picking import Peaks, pick_wave

WINDOWS = {"I": (1.0, 3.4), "V": (4.5, 9.5)}
"""ms in which a wave is looked for, the same for all conditions.

A narrower window around the latency that is normal under the condition finds the wave more surely, and finds it where
it looks: in noise alone it reproduces the whole latency-level curve. What is to be compared with a norm must not be
looked for there.
"""
TROUGHS = {"I": 0.7, "V": 2.0}
"""ms after each wave's peak in which its trough lies; that of wave V is slow."""
BASELINE_MS = 1.0
"""Before this time there is no wave, only the baseline."""


def measure_wave(signals: Float[Tensor, "responses samples"], wave: str) -> Peaks:
    """Pick wave I or V in each response: of the peaks in its window, the one that falls furthest.

    Waves II to IV have no window of their own: where one of them stands at 90 dB another one stands at 30.

    Args:
        signals: (N, 200) µV.
        wave: "I" or "V".

    Returns:
        Latencies and amplitudes; see `pick_wave`.

    Raises:
        ValueError: for another wave, or signals of another length.
    """
    if wave not in WINDOWS:
        raise ValueError(f"wave: expected one of {', '.join(WINDOWS)}, got {wave!r}")
    low, high = WINDOWS[wave]
    return pick_wave(
        signals,
        (low + high) / 2,
        time_axis().to(signals),
        half_width=(high - low) / 2,
        trough_within=TROUGHS[wave],
        by="fall",
    )


def baseline(signals: Float[Tensor, "responses samples"]) -> Float[Tensor, " responses"]:
    """Mean of the first millisecond, before any wave: the slow drift, (N,) µV."""
    return signals[:, time_axis() < BASELINE_MS].mean(1)


def _wave_feature(signals: Tensor, condition: Tensor, wave: str, measure: str) -> Tensor:
    return getattr(measure_wave(signals, wave), measure)


def _baseline_feature(signals: Tensor, condition: Tensor) -> Tensor:
    return baseline(signals)


def response_features() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """What the swap test measures, by name with its unit; each is called with signals and their conditions."""
    return {
        "wave V latency (ms)": partial(_wave_feature, wave="V", measure="latency"),
        "wave V amplitude (µV)": partial(_wave_feature, wave="V", measure="amplitude"),
        "wave I amplitude (µV)": partial(_wave_feature, wave="I", measure="amplitude"),
        "baseline (µV)": _baseline_feature,
    }


def visible(condition: Float[Tensor, "rows columns"], wave: str = "V", least: float = 0.1) -> Tensor:
    """Rows of a condition under which the mean listener has the wave, at least so large.

    Args:
        condition: (N, 7) raw units.
        wave: "I" … "V".
        least: µV.

    Returns:
        (N,) bool.
    """
    if wave not in WAVES:
        raise ValueError(f"wave: expected one of {', '.join(WAVES)}, got {wave!r}")
    return normal_response(condition).amplitude[:, WAVES.index(wave)] >= torch.tensor(least)
