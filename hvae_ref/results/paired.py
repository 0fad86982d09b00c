"""Two kinds of runs, compared seed by seed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hvae_ref.errors import optional_import

Run = Mapping[str, Any]


@dataclass(frozen=True)
class PairedDifference:
    """First minus second, over the seeds that both have.

    Attributes:
        mean: of the differences.
        low: lower end of the t-interval.
        high: its upper end.
        seeds: how many pairs there are.
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        """The mean, with its interval in brackets."""
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]".replace("-", "−")


def paired_difference(
    runs: Iterable[Run],
    measure: str | Callable[[Run], float],
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    level: float = 0.95,
) -> PairedDifference:
    """How much larger a measure is in one kind of runs than in another: a paired t-interval over seeds.

    Args:
        runs: rows of a table, each with its "seed".
        measure: name of a field, or what computes the number from a row.
        first: the fields that tell the runs of one kind.
        second: those of the other kind.
        level: probability of the interval.

    Raises:
        ValueError: where a kind has two runs of one seed, or both share fewer than two seeds.
        ModuleNotFoundError: without SciPy.

    >>> rows = [{"model": "a", "seed": 0, "nll": 3.0}, {"model": "a", "seed": 1, "nll": 4.0}]
    >>> rows += [{"model": "b", "seed": 0, "nll": 1.0}, {"model": "b", "seed": 1, "nll": 2.5}]
    >>> print(paired_difference(rows, "nll", {"model": "a"}, {"model": "b"}))
    +1.75 [−1.43, +4.93]
    """
    runs, read = list(runs), measure if callable(measure) else lambda run: run[measure]
    one, other = (_by_seed(runs, read, kind) for kind in (first, second))
    shared = sorted(one.keys() & other.keys())
    if len(shared) < 2:
        raise ValueError(f"runs: expected at least 2 seeds that {dict(first)} and {dict(second)} share, got {shared}")
    special = optional_import("scipy.special", extra="course", wanted_by="hvae_ref.results.paired_difference")
    differences = [one[seed] - other[seed] for seed in shared]
    mean = statistics.fmean(differences)
    factor = float(special.stdtrit(len(shared) - 1, (1 + level) / 2))
    half = factor * statistics.stdev(differences) / len(shared) ** 0.5
    return PairedDifference(mean, mean - half, mean + half, len(shared))


def _by_seed(runs: list[Run], read: Callable[[Run], float], kind: Mapping[str, Any]) -> dict[int, float]:
    found: dict[int, float] = {}
    for run in runs:
        if all(run[field] == value for field, value in kind.items()):
            if run["seed"] in found:
                raise ValueError(f"runs: expected one run of {dict(kind)} a seed, got two of seed {run['seed']}")
            found[run["seed"]] = float(read(run))
    return found
