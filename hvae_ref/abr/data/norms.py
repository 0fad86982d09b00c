"""Norms of the click-evoked auditory brainstem response: every number of the generator, with its unit and source.

Each constant says where it stands between measurement and invention (`Norm.kind`):

* `published`: the number is stated in the source;
* `interpolated`: rounded to lie between the values of several published tables, or carried from wave V, which was
  published, to the other waves in the direction that the source describes;
* `chosen`: a modelling choice; the source, where one is named, gives the direction or the order of magnitude.

Reference condition: click at 80 dB nHL, 10 clicks/s, age 25, hearing threshold 0 dB HL, alternating polarity, the mean
of women and men. Values per wave are in the order I, II, III, IV, V.
"""

from __future__ import annotations

from dataclasses import dataclass

CHIAPPA = "Chiappa, Gladstone & Young 1979, Arch. Neurol. 36:81-87, doi:10.1001/archneur.1979.00500380051005"
DON_RATE = "Don, Allen & Starr 1977, Ann. Otol. Rhinol. Laryngol. 86:186-195"
DON_NOISE = "Don & Elberling 1994, J. Acoust. Soc. Am. 96:2746-2757"
HALL = "Hall 2007, New Handbook of Auditory Evoked Responses, Pearson"
HECOX = "Hecox & Galambos 1974, Arch. Otolaryngol. 99:30-33"
ISO = "ISO 7029:2000, Statistical distribution of hearing thresholds as a function of age"
JERGER = "Jerger & Hall 1980, Arch. Otolaryngol. 106:387-391, doi:10.1001/archotol.1980.00790310011003"
KONRAD = "Konrad-Martin et al. 2012, J. Am. Acad. Audiol. 23:18-35"
NHSP = "Sutton et al. 2013, Guidance for Auditory Brainstem Response testing in babies, NHSP Clinical Group, England"
SELTERS = "Selters & Brackmann 1977, Arch. Otolaryngol. 103:181-187"
STAPELLS = "Stapells 2000, J. Speech-Lang. Pathol. Audiol. 24:74-83"
STOCKARD = "Stockard, Stockard, Westmoreland & Corfits 1979, Arch. Neurol. 36:823-831"


@dataclass(frozen=True)
class Norm:
    """A number, or one number per wave, that the generator stands on.

    Attributes:
        value: one number, or five in the order of the waves I to V.
        unit: of `value`.
        kind: "published", "interpolated" or "chosen"; see the module.
        source: where it comes from, or why it was chosen.
    """

    value: float | tuple[float, ...]
    unit: str
    kind: str
    source: str


REFERENCE_LEVEL = Norm(80.0, "dB nHL", "chosen", "the level of most published norms")
REFERENCE_RATE = Norm(10.0, "clicks/s", "chosen", f"the slow rate of {DON_RATE}")
REFERENCE_AGE = Norm(25.0, "years", "chosen", f"the young end of {JERGER}")

# Latency
LATENCY = Norm((1.65, 2.80, 3.75, 5.00, 5.60), "ms", "interpolated", f"{CHIAPPA}; {HALL}")
LEVEL_SHIFT = Norm(
    4.0,
    "ms",
    "interpolated",
    f"wave V from 5.6 ms (80 dB nHL) to about 8 ms (10 to 15); {HECOX}; {HALL}",
)
LEVEL_DECAY = Norm(50.0, "dB", "interpolated", "with LEVEL_SHIFT: 0.016 ms/dB at 80 dB nHL, 0.054 at 20")
RATE_SHIFT = Norm(0.5 / 90.0, "ms per click/s, wave V", "published", f"0.5 ms from 10 to 100 clicks/s; {DON_RATE}")
RATE_SHARE = Norm((0.33, 0.45, 0.6, 0.9, 1.0), "of wave V's shift", "interpolated", f"{STOCKARD}; {HALL}")
AGE_SHIFT = Norm(0.2 / 30.0, "ms per year, wave V", "published", f"0.2 ms from 25 to 55 years; {JERGER}")
AGE_SHARE = Norm((0.7, 0.75, 0.85, 0.95, 1.0), "of wave V's shift", "interpolated", f"I-V hardly changes; {KONRAD}")
SEX_SHIFT = Norm(0.2, "ms, men minus women, wave V", "published", f"{JERGER}")
SEX_SHARE = Norm((0.2, 0.3, 0.5, 0.9, 1.0), "of wave V's shift", "interpolated", f"shorter I-V in women; {STOCKARD}")
POLARITY_SHIFT = Norm(
    (0.05, 0.04, 0.03, 0.02, 0.02),
    "ms, condensation minus alternating",
    "chosen",
    f"small, earliest waves most; {HALL}",
)
RECRUITMENT = Norm(
    20.0, "dB", "chosen", "a loss of H dB costs H exp(-SL/20 dB) of the level that sets latency: steep, then normal"
)
LOSS_SHIFT = Norm(0.01, "ms per dB of loss above 50 dB HL", "published", f"0.1 ms per 10 dB, at 4 kHz; {SELTERS}")
LOSS_KNEE = Norm(50.0, "dB HL", "published", f"{SELTERS}")

# Amplitude, from a peak to the trough that follows it
AMPLITUDE = Norm(
    (0.28, 0.13, 0.23, 0.22, 0.47),
    "µV, median",
    "interpolated",
    f"I, III, V: means of {CHIAPPA}, rounded; II, IV: chosen",
)
VANISHING = Norm(
    (38.0, 50.0, 28.0, 42.0, 12.0),
    "dB sensation level where a wave is gone",
    "interpolated",
    f"wave V 10 to 20 dB above threshold, others in the order II, IV, I, III; {HALL}; {STAPELLS}",
)
GROWTH = Norm((1.0, 1.0, 0.8, 1.0, 0.6), "exponent of amplitude in level", "chosen", "wave V falls slowest with level")
RATE_LOSS = Norm(
    (0.5, 0.5, 0.55, 0.7, 0.9), "amplitude at 90 / amplitude at 10 clicks/s", "interpolated", f"{HALL}; {STOCKARD}"
)
AGE_LOSS = Norm(
    (0.75, 0.8, 0.8, 0.85, 0.9),
    "amplitude at 55 / amplitude at 25 years",
    "interpolated",
    f"wave V -10 %: published, {JERGER}; wave I falls more: {KONRAD}",
)
SEX_RATIO = Norm(1.25, "amplitude of women / amplitude of men", "published", f"wave V, {JERGER}; other waves: chosen")
POLARITY_GAIN = Norm(
    (0.12, 0.08, 0.04, 0.0, 0.0), "log amplitude, rarefaction minus alternating", "chosen", f"larger wave I; {HALL}"
)
VISIBLE = Norm(0.04, "µV", "published", f"least size of a clear response; {NHSP}")

# Shape
WIDTH = Norm((0.19, 0.18, 0.20, 0.18, 0.25), "ms, s.d. of the positive peak", "chosen", "peaks about 1 ms apart")
WIDTH_LEVEL = Norm(0.004, "log width per dB below 80", "chosen", "peaks broaden towards threshold")
TROUGH_DEPTH = Norm((0.5, 0.5, 0.55, 0.5, 0.6), "of the peak", "chosen", "wave V has the deepest trough (SN10)")
TROUGH_DELAY = Norm((2.3, 2.3, 2.4, 2.2, 3.1), "widths after the peak", "chosen", "")
TROUGH_WIDTH = Norm((1.2, 1.2, 1.3, 1.1, 2.0), "widths", "chosen", "a slow negativity after wave V (SN10)")

# What differs between subjects and trials and is not in the condition: standard deviations
DELAY_SD = Norm(0.24, "ms, at wave V", "interpolated", f"s.d. of wave V 0.25 ms, sexes together; {CHIAPPA}")
DELAY_SHARE = Norm((0.35, 0.45, 0.65, 0.9, 1.0), "of the delay at wave V", "chosen", f"I-V s.d. near 0.2 ms; {CHIAPPA}")
GAIN_SD = Norm(0.30, "log amplitude", "interpolated", f"coefficient of variation of wave V about 1/3; {CHIAPPA}")
SHARPNESS_SD = Norm(0.12, "log width", "chosen", "")
WAVE_I_GAIN_SD = Norm(0.35, "log amplitude", "interpolated", f"wave I varies by about 1/2; {CHIAPPA}")
IV_V_SPLIT_SD = Norm(0.10, "ms", "chosen", f"six forms of the IV-V complex, from one peak to two; {CHIAPPA}")
DRIFT_SD = Norm(0.05, "µV", "chosen", "what high-pass filtering at 100 Hz leaves of slow potentials")

# Noise
SWEEP_NOISE = Norm(2.0, "µV r.m.s. in one sweep", "chosen", f"40 nV are left after 2,500 sweeps; {DON_NOISE}")
NOISE_BAND = Norm((100.0, 3000.0), "Hz", "chosen", f"the usual band of the recording filter; {HALL}")
NOISE_COLOUR = Norm(1.0, "exponent of 1/f", "chosen", "EEG and muscle have most of their power at low frequencies")

# Who is tested
THRESHOLD_AGE = Norm(
    (0.0075, 0.0115), "dB / year², women and men", "interpolated", f"median at 3 kHz grows with (age - 18)²; {ISO}"
)


def all_norms() -> dict[str, Norm]:
    """Every norm by name, in the order of this module."""
    return {name: value for name, value in globals().items() if isinstance(value, Norm)}
