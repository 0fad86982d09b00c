"""Whether numbers are independent draws of a law: their ranks are uniform, unrelated, and new in every call.

Every test is strict enough that independent draws fail it less than once in a hundred million runs, so a verdict on a
right answer is no matter of luck. With 10⁵ draws a law is told from another whose distribution function is 0.01 away.
"""

from __future__ import annotations

import numpy as np

_FAR = 3.3  # of √n times the largest distance of distribution functions: 2 exp(−2 · 3.3²) = 7e-10
_RELATED = 7.5  # standard errors of a correlation, the largest over all shifts
_UNEVEN = 8.0  # standard errors of a χ² of counts
_ROUNDED = 2.0**-24  # distance of float32 numbers between 0 and 1
_SHARED = 0.3  # share of one call's numbers that the next call may have too (rounding to float32 makes some equal)
FEWEST = 1000  # draws below which nothing but equality is looked at

AS_ASKED = "as asked"


def law(ranks: np.ndarray) -> str:
    """Compare the distribution of ranks with the uniform one.

    Args:
        ranks: (n,), the distribution function that is asked for, at each draw.

    Returns:
        ``AS_ASKED``, or what is wrong.
    """
    n = len(ranks)
    if not np.isfinite(ranks).all():
        return "some draws are no numbers"
    steps = np.arange(n + 1) / n
    ordered = np.sort(ranks)
    distance = max(np.abs(ordered - steps[:-1]).max(), np.abs(ordered - steps[1:]).max())
    if np.sqrt(n) * distance <= _FAR:
        return AS_ASKED
    return "the draws follow another law than the one asked for"


def independence(ranks: np.ndarray) -> str:
    """Look for draws that say something about each other: in their order, and as a set.

    Args:
        ranks: (n,), the distribution function that is asked for, at each draw, in the order of the draws.

    Returns:
        ``AS_ASKED``, or what is wrong.
    """
    n = len(ranks)
    if n < FEWEST:
        return AS_ASKED
    centred = np.clip(ranks, 0, 1) - np.mean(ranks)
    spread = max(float(np.mean(centred**2)), 1e-300)
    frequencies = np.fft.rfft(centred)
    shifted = np.fft.irfft(frequencies * frequencies.conj(), n)[1:] / (n * spread)
    mirrored = np.fft.irfft(frequencies * frequencies, n) / (n * spread)
    if max(np.abs(shifted).max(), np.abs(mirrored).max() / np.sqrt(2)) * np.sqrt(n) > _RELATED:
        return "a draw says something about another one in the same call"
    for per_bin in (5, 50, 500):
        counts = np.histogram(ranks, bins=max(n // per_bin, 2), range=(0, 1))[0].astype(float)
        excess = _standardised(((counts - counts.mean()) ** 2).sum() / counts.mean(), len(counts) - 1)
        if excess < -_UNEVEN:
            return "the draws are spread more evenly than independent ones: these leave gaps, and meet"
        if excess > _UNEVEN:
            return "the draws come in clusters: some are there more than once"
        half = len(counts) // 2
        low, high = counts[:half], counts[::-1][:half]
        if _standardised(((low - high) ** 2 / np.maximum(low + high, 1)).sum(), half) < -_UNEVEN:
            return "the draws come in pairs, each with its mirror image"
    return AS_ASKED


def repetition(ranks: np.ndarray) -> str:
    """Look for draws that are there again: the same, mirrored, or half a turn away, in any order.

    Independent ranks leave gaps whose lengths follow an exponential law; a share of two in a hundred that comes back is
    seen as too many short ones.

    Args:
        ranks: (n,), the distribution function that is asked for, at each draw, of one call or of several together.

    Returns:
        ``AS_ASKED``, or what is wrong.
    """
    n = len(ranks)
    if n < FEWEST:
        return AS_ASKED
    # Of numbers in float32 some meet by chance: each is moved within its rounding error.
    ranks = ranks + _ROUNDED * (np.random.default_rng(n).random(n) - 0.5)
    for seen in (ranks, np.abs(2 * ranks - 1), (2 * ranks) % 1):
        shorter = np.sort(-np.expm1(-n * np.diff(np.sort(seen))))
        if np.sqrt(n) * np.abs(shorter - np.arange(n - 1) / n).max() > _FAR:
            return "some draws come back, the same or mirrored, in one call or in the next"
    return AS_ASKED


def freshness(first: np.ndarray, second: np.ndarray) -> str:
    """Look for draws that come back in a second call, made in another state of the random generators.

    Args:
        first: (n,), draws of one call.
        second: (n,), draws of another.

    Returns:
        ``AS_ASKED``, or what is wrong.
    """
    shared = len(np.intersect1d(first, second)) / max(len(np.unique(first)), 1)
    if shared > _SHARED:
        return "two calls give the same numbers (is a seed set inside, or are the numbers not random?)"
    if len(first) >= FEWEST and abs(np.corrcoef(first, second)[0, 1]) * np.sqrt(len(first)) > _RELATED:
        return "the draws of one call say something about those of the next"
    return AS_ASKED


def _standardised(chi_square: float, degrees: int) -> float:
    return (chi_square - degrees) / np.sqrt(2 * degrees)
