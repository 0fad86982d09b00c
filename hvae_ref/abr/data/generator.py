"""A generator of auditory brainstem responses: known physiology, hidden differences between people, noise.

x(t) = Σ_w a_w g_w((t − τ_w)/s_w) + drift cos(π t/10 ms) + noise                                            (6.1)

Latency τ, amplitude a and width s of the waves follow from the condition (`physiology`, by published norms where there
are any, see `norms`) and from hidden factors that no condition tells (`FACTORS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hvae_ref.abr.data import norms
from hvae_ref.abr.data.dataset import AbrDataset, AbrTruth
from hvae_ref.abr.data.noise import MAX_COLOUR, noise_sd, unit_noise
from hvae_ref.abr.data.parameters import SIGNAL_LENGTH, STATIC_NAMES, STATICS, check_condition
from hvae_ref.abr.data.physiology import mean_amplitude, mean_latency, mean_width
from hvae_ref.abr.data.waveform import marks, waves
from hvae_ref.errors import did_you_mean, unmasked


@dataclass(frozen=True)
class Factor:
    """A hidden factor: N(0, sd²), independent of the condition and of the other factors.

    Attributes:
        name: in `AbrTruth.factors`.
        unit: of its values.
        sd: its standard deviation.
        scope: "global" where it acts on the whole response, "local" where it acts on a part of it.
        description: what it does.
    """

    name: str
    unit: str
    sd: float
    scope: str
    description: str


FACTORS: tuple[Factor, ...] = (
    Factor("delay", "ms", norms.DELAY_SD.value, "global", "shifts all waves, wave I a third as far as wave V"),
    Factor("gain", "log", norms.GAIN_SD.value, "global", "log amplitude of all waves"),
    Factor("sharpness", "log", norms.SHARPNESS_SD.value, "global", "log width of all waves"),
    Factor("wave_i_gain", "log", norms.WAVE_I_GAIN_SD.value, "local", "log amplitude of wave I alone"),
    Factor("iv_v_split", "ms", norms.IV_V_SPLIT_SD.value, "local", "widens the IV-V interval, half each way"),
    Factor("drift", "µV", norms.DRIFT_SD.value, "local", "slow baseline, half a period of a cosine"),
)
"""What differs between two responses to the same stimulus, each a Gaussian."""
FACTOR_NAMES = tuple(factor.name for factor in FACTORS)
"""Names of the factors, in the order of their columns."""


def _stream(seed: int, purpose: int) -> np.random.Generator:
    """A stream of random numbers of its own for each seed and purpose (0 conditions, 1 factors, 2 noise)."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed: expected a whole number >= 0, got {seed}")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose])))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=bool if array.dtype == bool else np.float32))


def sample_conditions(n: int, seed: int = 0) -> Tensor:
    """Conditions as a clinic might see them: a modelling choice, spread to cover all ranges.

    Age, rate, sex and polarity are uniform, the number of sweeps is uniform in its logarithm. The threshold is
    α (age − 18)² (ISO 7029, otologically normal people) ± 6 dB, and in every third listener up to 40 dB more. A third
    of the recordings are made between 70 and 90 dB nHL, as where nerve and brainstem are in question; the others look
    for a threshold, with levels from 10 dB below the listener's own to 90 dB nHL.

    Args:
        n: how many, ≥ 0.
        seed: another seed, other conditions.

    Returns:
        (n, 7) float32 in raw units, columns in the order of `STATIC_NAMES`.

    Raises:
        ValueError: for a negative n or seed.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"n: expected a count >= 0, got {n}")
    rng = _stream(seed, 0)
    low, high = (dict(zip(STATIC_NAMES, [getattr(s, end) for s in STATICS], strict=True)) for end in ("low", "high"))
    rate = rng.uniform(low["rate"], high["rate"], n)
    age = rng.uniform(low["age"], high["age"], n)
    sex = rng.integers(0, 2, n)
    aged = np.array(norms.THRESHOLD_AGE.value)[sex] * (age - 18.0) ** 2
    more = np.where(rng.random(n) < 1 / 3, rng.uniform(0.0, 40.0, n), 0.0)
    threshold = np.clip(np.abs(aged + 6.0 * rng.standard_normal(n) + more), 0.0, high["threshold"])
    softest = np.where(rng.random(n) < 1 / 3, 70.0, np.maximum(low["level"], threshold - 10.0))
    level = rng.uniform(softest, high["level"], n)
    polarity = rng.integers(-1, 2, n)
    sweeps = np.round(np.exp(rng.uniform(np.log(low["sweeps"]), np.log(high["sweeps"]), n)))
    return _tensor(np.stack([level, rate, age, sex, threshold, polarity, sweeps], axis=1))


def _truth(condition: np.ndarray, factors: Mapping[str, np.ndarray]) -> tuple[AbrTruth, np.ndarray, np.ndarray]:
    """The truth, and the marks on the clean responses (in double precision)."""
    latency = mean_latency(condition) + factors["delay"][:, None] * np.array(norms.DELAY_SHARE.value)
    latency[:, 3] -= 0.5 * factors["iv_v_split"]
    latency[:, 4] += 0.5 * factors["iv_v_split"]
    log_gain = np.repeat(factors["gain"][:, None], 5, axis=1)
    log_gain[:, 0] += factors["wave_i_gain"]
    amplitude = mean_amplitude(condition) * np.exp(log_gain)
    width = mean_width(condition) * np.exp(factors["sharpness"])[:, None]
    clean = waves(latency, amplitude, width)
    peaks, present = marks(clean, latency, amplitude)
    truth = AbrTruth(
        *(_tensor(array) for array in (clean, latency, amplitude, width, amplitude >= norms.VISIBLE.value)),
        {name: _tensor(factors[name]) for name in FACTOR_NAMES},
    )
    return truth, peaks, present


def _as_array(condition: Tensor | np.ndarray) -> np.ndarray:
    check_condition(condition)
    values = condition.detach().cpu().numpy() if isinstance(condition, Tensor) else condition
    return np.asarray(values, dtype=np.float64)


def normal_response(condition: Tensor | np.ndarray) -> AbrTruth:
    """The response of the mean listener: all hidden factors 0, no noise.

    Args:
        condition: (N, 7) raw units.

    Returns:
        Its latencies, amplitudes, widths and `clean` signals; `factors` are zeros.

    Raises:
        ValueError: when a condition is out of range; see `check_condition`.

    Example:
        >>> import torch
        >>> from hvae_ref.abr.data import normal_response
        >>> normal_response(torch.tensor([[80.0, 10, 25, 0, 0, 0, 2000]])).latency.tolist()
        [[1.6..., 2.7..., 3.7..., 4.9..., 5.5]]
    """
    values = _as_array(condition)
    return _truth(values, {name: np.zeros(len(values)) for name in FACTOR_NAMES})[0]


def _hidden(n: int, seed: int, fixed: Mapping[str, np.ndarray | Tensor | float] | None) -> dict[str, np.ndarray]:
    draws = _stream(seed, 1).standard_normal((len(FACTORS), n))
    factors = {factor.name: factor.sd * draw for factor, draw in zip(FACTORS, draws, strict=True)}
    for name, value in (fixed or {}).items():
        if name not in factors:
            hint = did_you_mean(name, FACTOR_NAMES)
            raise ValueError(f"factors: expected names among {', '.join(FACTOR_NAMES)}, got {name!r}{hint}")
        array = np.asarray(unmasked(f"factors: {name}", value), dtype=np.float64)
        if array.shape not in ((), (n,)) or not np.isfinite(array).all():
            raise ValueError(f"factors: {name}: expected a finite number or ({n},) of them, got shape {array.shape}")
        factors[name] = np.broadcast_to(array, (n,)).copy()
    return factors


def generate(
    condition: Tensor | np.ndarray | int,
    seed: int = 0,
    *,
    factors: Mapping[str, np.ndarray | Tensor | float] | None = None,
    noise_colour: float = norms.NOISE_COLOUR.value,
    name: str = "abr",
    split: str = "generated",
) -> AbrDataset:
    """Draw responses.

    Hidden factors and noise come from streams of their own, so the same seed under changed conditions gives the same
    listeners and the same noise, scaled by the number of sweeps. The caller's random state is not touched.

    Args:
        condition: (N, 7) raw units, or a number n ≥ 0 of conditions to draw with `sample_conditions(n, seed)`.
        seed: another seed, other listeners and noise.
        factors: hidden factors to hold instead of drawing them, by name: a number, or one for each response.
        noise_colour: exponent of the noise's spectrum 1/f^colour, −3 … 3; 0 is white between 100 and 3000 Hz.
        name: of the set.
        split: of the set.

    Returns:
        Responses with marked peaks (see `waveform.marks`) and the truth.

    Raises:
        ValueError: for conditions out of range, a negative n or seed, unknown factors, or a colour out of range.

    Example:
        >>> from hvae_ref.abr.data import generate
        >>> generate(100, seed=1)
        AbrDataset(abr generated: 100 generated responses of 200 samples)

    Reference: equation 6.1.
    """
    if isinstance(condition, int | np.integer):
        condition = sample_conditions(condition, seed)
    if not -MAX_COLOUR <= noise_colour <= MAX_COLOUR:
        raise ValueError(
            f"noise_colour: expected an exponent from -{MAX_COLOUR:g} to {MAX_COLOUR:g}, got {noise_colour}"
        )
    values = _as_array(condition)
    hidden = _hidden(len(values), seed, factors)
    truth, peaks, present = _truth(values, hidden)
    slow = np.cos(np.pi * np.arange(SIGNAL_LENGTH) / SIGNAL_LENGTH)
    sd = noise_sd(values[:, STATIC_NAMES.index("sweeps")])[:, None]
    x = truth.clean.numpy() + hidden["drift"][:, None] * slow
    x = x + sd * unit_noise(len(values), _stream(seed, 2), noise_colour)
    targets = {"peaks": _tensor(peaks), "present": _tensor(present)}
    return AbrDataset(_tensor(x), _tensor(values), targets, truth, name=name, split=split)
