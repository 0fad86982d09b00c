"""Intervals by resampling, and the comparison of two measures taken on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hvae_ref.errors import optional_import, real_number, unmasked, whole_number

Statistic = Callable[..., np.ndarray]


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    statistic: Statistic = np.mean,
) -> tuple[float, float]:
    """Percentile interval of a statistic of independent cases.

    Args:
        values: (N,), one number a case.
        level: probability of the interval.
        resamples: draws of N cases with replacement.
        seed: of these draws.
        statistic: called with `axis=1` on (resamples, N).

    Returns:
        Lower and upper end; both are the value itself where there is one case alone.

    Raises:
        ValueError: without a case, for values that aren't finite, a level outside (0, 1), or a statistic that does not
            return a finite number for each row.

    Reference:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    >>> bootstrap_interval([2.0, 2.0, 2.0])
    (2.0, 2.0)
    """
    values = np.asarray(unmasked("values", values), dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values: expected one finite number a case, at least one case, got shape {values.shape}")
    if not 0 < real_number("level", level) < 1:
        raise ValueError(f"level: expected a number in (0, 1), got {level}")
    resamples, seed = whole_number("resamples", resamples), whole_number("seed", seed, least=0)
    picks = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    found = np.asarray(statistic(values[picks], axis=1), dtype=float)
    if found.shape != (resamples,) or not np.isfinite(found).all():
        got = f"shape {found.shape}" if found.shape != (resamples,) else "NaN or infinity"
        raise ValueError(f"statistic: expected a finite number for each of {resamples} rows with axis=1, got {got}")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class PairedTest:
    """First minus second, case by case.

    Attributes:
        difference: mean of the differences.
        low: lower end of its 95 % bootstrap interval.
        high: upper end.
        p_value: of Wilcoxon's signed-rank test, two-sided; 1 where no case differs.
        cases: how many.
    """

    difference: float
    low: float
    high: float
    p_value: float
    cases: int


def paired_test(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, seed: int = 0) -> PairedTest:
    """Is one of two measures, taken on the same cases, the smaller one?

    Args:
        first: (N,), such as the errors of one model at N conditions.
        second: (N,), those of another at the same conditions.
        seed: of the bootstrap.

    Raises:
        ValueError: for lists of different lengths, without a case, or values that aren't finite.
        ModuleNotFoundError: without SciPy.

    Reference:
        Wilcoxon (1945), Individual comparisons by ranking methods, https://doi.org/10.2307/3001968
    """
    first = np.asarray(unmasked("first", first), dtype=float)
    second = np.asarray(unmasked("second", second), dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"first, second: expected two lists of one length, got {first.shape} and {second.shape}")
    difference = first - second
    low, high = bootstrap_interval(difference, seed=seed)
    stats = optional_import("scipy.stats", extra="abr", wanted_by="hvae_ref.evaluation.paired_test")
    p_value = float(stats.wilcoxon(difference).pvalue) if np.any(difference != 0) else 1.0
    return PairedTest(float(difference.mean()), low, high, p_value, len(difference))
