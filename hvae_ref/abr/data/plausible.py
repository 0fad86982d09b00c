"""What no averaged response can be, and what few are: magnitudes, traces that are no recording, impossible peaks.

The limits of refusal lie far beyond what is published: responses are below 1 µV, averages of thousands of sweeps hold
some hundredths of noise, and amplifiers reject single sweeps above 20 to 40 µV.
"""

from __future__ import annotations

import numpy as np

from hvae_ref.abr.data.parameters import SAMPLE_INTERVAL_MS, SIGNAL_LENGTH, WAVES

POSSIBLE_UV = (0.005, 50.0)
"""Least range (highest − lowest sample) and largest sample of a recording, µV; beyond them it is in another unit."""
USUAL_UV = (0.05, 5.0)
"""The same, beyond which a warning is due."""
POSSIBLE_AMPLITUDE_UV = (0.001, 10.0)
USUAL_AMPLITUDE_UV = (0.01, 3.0)
FIRST_LATENCY_MS = 0.8
"""No wave comes before: the cochlea and its nerve take that long."""
LAST_MS = (SIGNAL_LENGTH - 1) * SAMPLE_INTERVAL_MS
USUAL_LATENCY_MS = {"I": (1.0, 4.5), "II": (1.8, 5.5), "III": (2.7, 7.0), "IV": (3.7, 8.5), "V": (4.2, 9.95)}
FLAT_RUN = 5
"""Equal samples in a row at the highest or lowest value that make a trace look clipped."""
MOST_REPEATS = 0.6
"""Share of samples that may equal the one before."""
LEAST_MARKS = 8
"""Marked peaks in a file from which on they are compared with the signals."""
USUAL_DROP = (0.55, 1.9)
"""Fall of signals from marked peaks to the troughs after them, by the marked amplitudes; over all marks of a file."""
LEAST_DROP = 0.25
"""The same over the two or more marks of one recording, below which it may stand on its head."""
USUAL_OFFSET = 0.5
"""Mean of a recording by its range; averages of amplifiers with a high-pass filter are around 0."""
HELD = 0.9
"""Share of the samples at even places, or at odd ones, that equal the one before when each stands twice."""
FILLER_RUN = 12
"""Equal samples in a row anywhere that no amplifier gives."""


def signal_fault(signals: np.ndarray) -> tuple[int, str] | None:
    """The first recording that is none, and what is wrong with it.

    Args:
        signals: (N, 200) finite numbers, taken as µV.
    """
    spread, largest = np.ptp(signals, axis=1), np.abs(signals).max(axis=1)
    low, high = POSSIBLE_UV
    flat = np.flatnonzero(spread == 0)
    if flat.size:
        row = int(flat[0])
        what = "zeros" if signals[row, 0] == 0 else f"{signals[row, 0]:.3g}"
        return row, f"expected a recording, got {what} in all {signals.shape[1]} samples"
    large = np.flatnonzero(largest > high)
    if large.size:
        row = int(large[0])
        return row, f"expected at most {high:g} µV, got {_large(signals[row])}"
    small = np.flatnonzero(spread < low)
    if small.size:
        row = int(small[0])
        guess = "V" if spread[row] < 2e-5 else "mV"
        return row, (
            f"expected a range of at least {low:g} µV, got {spread[row]:.3g}: in {guess}? "
            "A column 'unit' names V, mV, µV or nV"
        )
    return None


def _large(signal: np.ndarray) -> str:
    """The largest sample of a recording, and why it may be that large."""
    high, value = POSSIBLE_UV[1], signal[np.abs(signal).argmax()]
    count = int((np.abs(signal) > high).sum())
    named = "? A column 'unit' names V, mV, µV or nV"
    others = np.abs(signal)[np.abs(signal) <= high]
    if others.size and others.max() <= USUAL_UV[1]:
        return f"{value:g} in {count} of {len(signal)} samples: a filler for missing ones, or an artefact?"
    if np.ptp(signal) <= USUAL_UV[1]:
        return f"{value:g} around a mean of {signal.mean():g}: an offset to be subtracted?"
    return (
        f"{value:g}: in nV{named}"
        if abs(value) < 5e3
        else f"{value:g}: counts of a converter, to be scaled to µV{named}"
    )


def signal_doubts(signals: np.ndarray) -> list[tuple[int, str]]:
    """The first recording of each kind that few recordings are, and what is doubtful about it."""
    spread, largest = np.ptp(signals, axis=1), np.abs(signals).max(axis=1)
    low, high = USUAL_UV
    found = []
    if (rows := np.flatnonzero((spread < low) | (largest > high))).size:
        row = int(rows[0])
        single = np.median(np.abs(signals[row])) <= 0.2 * high < largest[row]
        asked = "an artefact, or another unit" if single else "is the unit µV"
        found.append((row, f"range {spread[row]:.3g} µV, largest sample {largest[row]:.3g} µV; {asked}?"))
    _, first = np.unique(signals, axis=0, return_index=True)
    if len(first) < len(signals):
        row = min(set(range(len(signals))) - set(first.tolist()))
        found.append((row, "the same samples as in an earlier recording"))
    repeats = (np.diff(signals, axis=1) == 0).mean(axis=1)
    if (rows := np.flatnonzero(repeats > MOST_REPEATS)).size:
        row = int(rows[0])
        found.append((row, f"{repeats[row]:.0%} of samples repeat the one before; was it resampled or rounded?"))
    same = np.diff(signals, axis=1) == 0
    held = np.maximum(same[:, 0::2].mean(axis=1), same[:, 1::2].mean(axis=1))
    if (rows := np.flatnonzero((held > HELD) & (repeats <= MOST_REPEATS))).size:
        found.append((int(rows[0]), "every second sample repeats the one before; was it recorded at half the rate?"))
    offset = signals.mean(axis=1)
    if (rows := np.flatnonzero(np.abs(offset) > USUAL_OFFSET * spread)).size:
        row = int(rows[0])
        found.append((row, f"mean {offset[row]:.3g} µV beside a range of {spread[row]:.3g}; an offset?"))
    runs, edges, rounded = _runs(signals)
    if (rows := np.flatnonzero(runs >= FILLER_RUN)).size:
        row = int(rows[0])
        found.append((row, f"{runs[row]} equal samples in a row; were missing ones filled in?"))
    elif (rows := np.flatnonzero((edges >= FLAT_RUN) & ~rounded)).size:
        row = int(rows[0])
        found.append((row, f"{edges[row]} samples in a row at its highest or lowest value; is it clipped?"))
    return found


def _runs(signals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longest run of equal samples; longest at the highest or lowest value; whether values are coarsely rounded."""
    same = np.diff(signals, axis=1) == 0
    at_end = (signals == signals.max(1, keepdims=True)) | (signals == signals.min(1, keepdims=True))
    longest, longest_end = np.ones(len(signals), dtype=int), np.ones(len(signals), dtype=int)
    run = np.ones(len(signals), dtype=int)
    for sample in range(same.shape[1]):
        run = np.where(same[:, sample], run + 1, 1)
        longest = np.maximum(longest, run)
        longest_end = np.maximum(longest_end, np.where(at_end[:, sample + 1], run, 1))
    inside = same & ~at_end[:, 1:]
    return longest, longest_end, inside.sum(1) > 0.1 * same.shape[1]


def peak_fault(
    latency: np.ndarray, amplitude: np.ndarray, needed: np.ndarray | None = None
) -> tuple[int, str, str] | None:
    """The first peak that is none: row, column, and what is wrong with it.

    Args:
        latency: (N, 5) ms, NaN where a wave is absent.
        amplitude: (N, 5) µV, NaN where a wave is absent.
        needed: (N, 5), the waves that must not be absent; none by default.
    """
    absent = "; an absent wave has two empty cells (NaN in NPZ)"
    given = ~(np.isnan(latency) & np.isnan(amplitude))
    for row, wave in np.argwhere(given if needed is None else given | needed).tolist():
        at, size = latency[row, wave], amplitude[row, wave]
        column = f"latency_{WAVES[wave]}"
        if np.isnan(at) and not np.isnan(size):
            return row, column, f"expected 0 to {LAST_MS:g} (ms) beside the amplitude of {size:g} µV, got none"
        if not 0.0 <= at <= LAST_MS + 1e-6:
            guess = ": in µs?" if at >= 800 and at < 1e4 else ": the number of a sample?" if 10 <= at < 200 else ""
            return row, column, f"expected 0 to {LAST_MS:g} (ms), got {at:g}{guess}"
        if at < FIRST_LATENCY_MS:
            guess = "; seconds are named in a column latency_unit" if 5e-4 < at < 1e-2 else absent
            return row, column, f"expected a wave after {FIRST_LATENCY_MS:g} ms, got {at:g}{guess}"
        column = f"amplitude_{WAVES[wave]}"
        if not np.isfinite(size):
            got = "none" if np.isnan(size) else f"{size:g}"
            return row, column, f"expected a finite number (µV) beside the latency of {at:g} ms, got {got}"
        low, high = POSSIBLE_AMPLITUDE_UV
        if not low <= size <= high:
            expected = f"expected an amplitude of {low:g} to {high:g} µV, from peak down to trough"
            return row, column, f"{expected}, got {size:g}{absent if size == 0 else ''}"
        earlier = [w for w in range(wave) if np.isfinite(latency[row, w])]
        if earlier and latency[row, earlier[-1]] >= at and not (wave == 4 and latency[row, earlier[-1]] == at):
            before = f"{latency[row, earlier[-1]]:g} ms of wave {WAVES[earlier[-1]]}"
            return row, f"latency_{WAVES[wave]}", f"expected a wave after the {before}, got {at:g}"
    return None


def peak_doubts(latency: np.ndarray, amplitude: np.ndarray) -> list[tuple[int, str]]:
    """The first peak of each kind that few peaks are."""
    found = []
    for wave, label in enumerate(WAVES):
        low, high = USUAL_LATENCY_MS[label]
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero((latency[:, wave] < low) | (latency[:, wave] > high))
        if rows.size:
            row = int(rows[0])
            found.append((row, f"wave {label} at {latency[row, wave]:g} ms, usual are {low:g} to {high:g}"))
            break
    low, high = USUAL_AMPLITUDE_UV
    with np.errstate(invalid="ignore"):
        places = np.argwhere((amplitude < low) | (amplitude > high))
    if len(places):
        row, wave = (int(index) for index in places[0])
        found.append((row, f"wave {WAVES[wave]} of {amplitude[row, wave]:.3g} µV; is the unit µV?"))
    return found


def marks_doubts(signals: np.ndarray, latency: np.ndarray, amplitude: np.ndarray) -> list[tuple[int, str]]:
    """Whether marked peaks stand where signals are high before they fall: over the whole file, else in each recording.

    Falls and amplitudes are summed before they are divided, so that small waves, which noise hides, count little.
    """
    marked = ~np.isnan(latency)
    falls, rises = np.zeros(latency.shape), np.zeros(latency.shape)
    for row, wave in np.argwhere(marked).tolist():
        at = round(latency[row, wave] / SAMPLE_INTERVAL_MS)
        reach = round((2.0 if wave == 4 else 0.7) / SAMPLE_INTERVAL_MS)
        after = np.convolve(signals[row, max(at - 1, 0) : at + reach + 1], np.ones(3) / 3, "valid")
        peak = signals[row, max(at - 2, 0) : at + 3].mean()
        if after.size:
            falls[row, wave], rises[row, wave] = peak - after.min(), after.max() - peak
    sizes = np.where(marked, amplitude, 0.0)
    told = "after marked peaks by {:.2g} of the marked amplitudes; usual is about 1: "
    if marked.sum() >= LEAST_MARKS:
        share = falls.sum() / sizes.sum()
        if not USUAL_DROP[0] <= share <= USUAL_DROP[1]:
            asked = "are they inverted, moved in time, or in other units?"
            return [(int(np.argwhere(marked)[0, 0]), f"signals fall {told.format(share)}{asked}")]
    low = (marked.sum(1) > 1) & (falls.sum(1) < LEAST_DROP * sizes.sum(1)) & (rises.sum(1) > 0.5 * sizes.sum(1))
    if not low.any():
        return []
    row = int(low.argmax())
    others = f" (so do {low.sum() - 1} more)" if low.sum() > 1 else ""
    share = falls[row].sum() / sizes[row].sum()
    return [(row, f"the signal rises, and falls {told.format(share)}is it inverted?{others}")]
