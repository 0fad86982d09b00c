"""What a condition makes of the five waves: latency, amplitude and width before anyone differs from the mean."""

from __future__ import annotations

import numpy as np

from hvae_ref.abr.data import norms
from hvae_ref.abr.data.parameters import STATIC_NAMES


def _columns(condition: np.ndarray) -> dict[str, np.ndarray]:
    return {name: condition[:, column, None] for column, name in enumerate(STATIC_NAMES)}


def latency_level(level: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """The level that sets latency in an ear with a hearing loss, L − H exp(−SL / 20 dB), with SL = max(L − H, 0).

    Near its threshold an impaired ear is as late as a normal one at low level; well above it, recruitment has caught
    up. That is why the latency-intensity function of a cochlear loss is steep.

    Args:
        level: L in dB nHL.
        threshold: H in dB HL.
    """
    sensation = np.maximum(level - threshold, 0.0)
    return np.maximum(level - threshold * np.exp(-sensation / norms.RECRUITMENT.value), 0.0)


def mean_latency(condition: np.ndarray) -> np.ndarray:
    """Latencies τ_w(c) of the mean listener.

    τ_w = τ_w,80 + A (e^(−L'/L₀) − e^(−80/L₀)) + rate + age + sex + polarity + loss terms, with L' from `latency_level`.
    The level term is the same for all waves: interpeak intervals do not depend on level.

    Args:
        condition: (N, 7) raw units.

    Returns:
        (N, 5) ms.

    Reference: equation 6.2.
    """
    c = _columns(condition)
    decay = norms.LEVEL_DECAY.value
    level = latency_level(c["level"], c["threshold"])
    later = norms.LEVEL_SHIFT.value * (np.exp(-level / decay) - np.exp(-norms.REFERENCE_LEVEL.value / decay))
    later = later + norms.LOSS_SHIFT.value * np.maximum(c["threshold"] - norms.LOSS_KNEE.value, 0.0)
    rate = norms.RATE_SHIFT.value * (c["rate"] - norms.REFERENCE_RATE.value) * np.array(norms.RATE_SHARE.value)
    age = norms.AGE_SHIFT.value * (c["age"] - norms.REFERENCE_AGE.value) * np.array(norms.AGE_SHARE.value)
    sex = norms.SEX_SHIFT.value * (c["sex"] - 0.5) * np.array(norms.SEX_SHARE.value)
    polarity = c["polarity"] * np.array(norms.POLARITY_SHIFT.value)
    return np.array(norms.LATENCY.value) + later + rate + age + sex + polarity


def mean_amplitude(condition: np.ndarray) -> np.ndarray:
    """Amplitudes a_w(c) of the mean listener, from peak to trough.

    a_w = a_w,80 ((SL − s_w)/(80 − s_w))^γ_w for a sensation level SL = L − H above s_w, else 0; times factors of rate,
    age, sex and polarity that are exponential in them.

    Args:
        condition: (N, 7) raw units.

    Returns:
        (N, 5) µV.
    """
    c = _columns(condition)
    gone, growth = np.array(norms.VANISHING.value), np.array(norms.GROWTH.value)
    above = np.maximum(c["level"] - c["threshold"] - gone, 0.0) / (norms.REFERENCE_LEVEL.value - gone)
    rate = (c["rate"] - norms.REFERENCE_RATE.value) / 80.0 * np.log(norms.RATE_LOSS.value)
    age = (c["age"] - norms.REFERENCE_AGE.value) / 30.0 * np.log(norms.AGE_LOSS.value)
    sex = (0.5 - c["sex"]) * np.log(norms.SEX_RATIO.value)
    polarity = -c["polarity"] * np.array(norms.POLARITY_GAIN.value)
    return np.array(norms.AMPLITUDE.value) * above**growth * np.exp(rate + age + sex + polarity)


def mean_width(condition: np.ndarray) -> np.ndarray:
    """Widths s_w(c) of the mean listener: peaks broaden as the level that sets latency falls.

    Args:
        condition: (N, 7) raw units.

    Returns:
        (N, 5) ms.
    """
    c = _columns(condition)
    below = norms.REFERENCE_LEVEL.value - latency_level(c["level"], c["threshold"])
    return np.array(norms.WIDTH.value) * np.exp(norms.WIDTH_LEVEL.value * below)
