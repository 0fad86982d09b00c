"""What one measures on an evoked response: waves near their normal latency, and the baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.data.abr import WAVES, normal_response, time_axis
from hvae_ref.evaluation.conditions import rows_of
from hvae_ref.evaluation.peak_picking import Peaks, pick_wave

HALF_WIDTHS = (0.6, 0.5, 0.6, 0.4, 0.75)
"""ms around the normal latency of waves I to V: three standard deviations between people, short of the neighbours."""
TROUGHS = (0.7, 0.7, 0.7, 0.7, 2.0)
"""ms after each wave's peak in which its trough lies; that of wave V is slow."""
BASELINE_MS = 1.0
"""Before this time there is no wave, only the baseline."""


def measure_wave(
    signals: Float[Tensor, "responses samples"], condition: Float[Tensor, "rows statics"], wave: str
) -> Peaks:
    """Pick one wave in each response, near its normal latency under the response's condition.

    Args:
        signals: (N, 200) µV.
        condition: (N, 7) raw units, or (1, 7) for all of them.
        wave: "I" … "V".

    Returns:
        Latencies and amplitudes; see `pick_wave`.

    Raises:
        ValueError: for an unknown wave, a condition out of range, or shapes that don't fit.
    """
    if wave not in WAVES:
        raise ValueError(f"wave: expected one of {', '.join(WAVES)}, got {wave!r}")
    number = WAVES.index(wave)
    expected = normal_response(rows_of(condition, len(signals))).latency[:, number].to(signals)
    return pick_wave(
        signals,
        expected,
        time_axis().to(signals),
        half_width=HALF_WIDTHS[number],
        trough_within=TROUGHS[number],
    )


def baseline(signals: Float[Tensor, "responses samples"]) -> Float[Tensor, " responses"]:
    """Mean of the first millisecond, before any wave: the slow drift, (N,) µV."""
    return signals[:, time_axis() < BASELINE_MS].mean(1)


def _wave_feature(signals: Tensor, condition: Tensor, wave: str, measure: str) -> Tensor:
    return getattr(measure_wave(signals, condition, wave), measure)


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


def visible(condition: Float[Tensor, "rows statics"], wave: str = "V", least: float = 0.1) -> Tensor:
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
