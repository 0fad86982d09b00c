"""Units that a file of recordings may name, and what they are in µV and ms."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hvae_ref.errors import did_you_mean

VOLTAGES = {"V": 1e6, "mV": 1e3, "µV": 1.0, "uV": 1.0, "nV": 1e-3}
"""Units of samples and amplitudes, in µV; the µ is U+00B5, and the Greek letter is read as well."""
TIMES = {"s": 1e3, "ms": 1.0, "µs": 1e-3, "us": 1e-3}
"""Units of latencies, in ms."""
UNIT_COLUMNS = {"unit": VOLTAGES, "latency_unit": TIMES}
"""Columns that name a unit, and the units they may name."""


def factors(column: str, names: Iterable[object]) -> np.ndarray:
    """What values in the named units are multiplied with, one factor for each name.

    Args:
        column: "unit" or "latency_unit".
        names: of units.

    Raises:
        ValueError: for a unit that is not known; the message begins with its number among the names.

    >>> factors("unit", ["V", "nV"]).tolist()
    [1000000.0, 0.001]
    """
    known, found = UNIT_COLUMNS[column], []
    for row, name in enumerate(names):
        text = str(name).strip().replace("\u03bc", "\u00b5")
        if text not in known:
            hint = did_you_mean(text, known)
            raise UnknownUnit(row, f"expected a unit among {', '.join(known)}, got {str(name)[:20]!r}{hint}")
        found.append(known[text])
    return np.array(found)


class UnknownUnit(ValueError):
    """A unit that is not known, with the number of its row."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row
