"""Residual noise of an averaged recording: coloured like filtered EEG, smaller with every sweep."""

from __future__ import annotations

import numpy as np

from hvae_ref.abr.data import norms
from hvae_ref.abr.data.parameters import SAMPLE_INTERVAL_MS, SIGNAL_LENGTH

# Beyond this exponent the filter at 100 Hz no longer keeps the slowest noise out.
MAX_COLOUR = 3.0
# Noise is drawn over twice the window and cut, so that its end does not join its beginning.
_DRAWN_LENGTH = 2 * SIGNAL_LENGTH


def noise_spectrum(frequency: np.ndarray, colour: float = norms.NOISE_COLOUR.value) -> np.ndarray:
    """Power spectrum of the noise up to a factor, f^(−colour) behind second-order filters at 100 and 3000 Hz.

    Args:
        frequency: Hz, any shape; 0 has no power.
        colour: exponent; 0 is white in the band.
    """
    low, high = norms.NOISE_BAND.value
    f = np.maximum(frequency, 1e-9)
    return f**-colour / (1.0 + (low / f) ** 4) / (1.0 + (f / high) ** 4)


def unit_noise(n: int, rng: np.random.Generator, colour: float = norms.NOISE_COLOUR.value) -> np.ndarray:
    """Stationary Gaussian noise with the spectrum of `noise_spectrum` and variance 1.

    Args:
        n: how many stretches.
        rng: source of the draws.
        colour: see `noise_spectrum`.

    Returns:
        (n, 200).
    """
    frequency = np.fft.rfftfreq(_DRAWN_LENGTH, SAMPLE_INTERVAL_MS / 1000.0)
    gain = np.sqrt(noise_spectrum(frequency, colour))
    # White noise has unit variance and a flat spectrum, so the mean of gain² over all frequencies is the variance left.
    two_sided = np.concatenate([gain, gain[-2:0:-1]])
    gain /= np.sqrt(np.mean(two_sided**2))
    white = rng.standard_normal((n, _DRAWN_LENGTH))
    return np.fft.irfft(np.fft.rfft(white, axis=1) * gain, n=_DRAWN_LENGTH, axis=1)[:, :SIGNAL_LENGTH]


def noise_sd(sweeps: np.ndarray) -> np.ndarray:
    """Standard deviation of the residual noise, σ₁ / √sweeps with σ₁ = 2 µV.

    Args:
        sweeps: how many responses are averaged.

    Returns:
        µV, in the shape of `sweeps`.
    """
    return norms.SWEEP_NOISE.value / np.sqrt(sweeps)
