"""The seven static parameters of a recording, the five waves, and the time axis: names, units and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hvae_ref.errors import did_you_mean, unmasked

SIGNAL_LENGTH = 200
"""Samples in one response."""
SAMPLE_INTERVAL_MS = 0.05
"""Time between two samples, in ms."""
WAVES = ("I", "II", "III", "IV", "V")
"""Names of the waves, in the order in which they come."""


@dataclass(frozen=True)
class StaticParameter:
    """One number that is known about a recording before it is made.

    Attributes:
        name: column of a condition.
        unit: of its values.
        low: smallest value allowed.
        high: largest value allowed.
        description: what it is, in a few words.
        values: the only values allowed, for a parameter that cannot lie between them.
    """

    name: str
    unit: str
    low: float
    high: float
    description: str
    values: tuple[float, ...] | None = None


STATICS: tuple[StaticParameter, ...] = (
    StaticParameter("level", "dB nHL", 10.0, 90.0, "level of the click"),
    StaticParameter("rate", "clicks/s", 8.0, 90.0, "how many clicks a second"),
    StaticParameter("age", "years", 18.0, 85.0, "age of the listener"),
    StaticParameter("sex", "0 female, 1 male", 0.0, 1.0, "sex of the listener", (0.0, 1.0)),
    StaticParameter("threshold", "dB HL", 0.0, 60.0, "hearing threshold at 2 to 4 kHz"),
    StaticParameter(
        "polarity",
        "-1 rarefaction, 0 alternating, 1 condensation",
        -1.0,
        1.0,
        "first movement of the earphone",
        (-1.0, 0.0, 1.0),
    ),
    StaticParameter("sweeps", "count", 500.0, 8000.0, "how many responses are averaged"),
)
"""What is known of a recording before it is made: the parameters that a condition holds."""
STATIC_NAMES: tuple[str, ...] = tuple(static.name for static in STATICS)
"""Names of the static parameters, in the order of a condition's columns."""


def time_axis() -> Tensor:
    """Times of the samples, t_i = i · 0.05 ms after the click.

    Returns:
        (200,) float32 in ms, 0 … 9.95.
    """
    return torch.arange(SIGNAL_LENGTH, dtype=torch.float32) * SAMPLE_INTERVAL_MS


def static_parameters(names: Sequence[str] = STATIC_NAMES) -> tuple[StaticParameter, ...]:
    """Look static parameters up by name.

    Args:
        names: some of `STATIC_NAMES`, in any order, none twice.

    Raises:
        ValueError: for an unknown name, with the nearest known one, or a name given twice.
    """
    by_name = dict(zip(STATIC_NAMES, STATICS, strict=True))
    for name in names:
        if name not in by_name:
            hint = did_you_mean(name, STATIC_NAMES)
            raise ValueError(f"names: expected static parameters among {', '.join(STATIC_NAMES)}, got {name!r}{hint}")
    if len(set(names)) != len(names):
        raise ValueError(f"names: expected each static parameter once, got {list(names)}")
    return tuple(by_name[name] for name in names)


def check_condition(condition: Tensor | np.ndarray, names: Sequence[str] = STATIC_NAMES) -> None:
    """Refuse a condition that no recording can have.

    Args:
        condition: (N, C) raw units, a column per name.
        names: the C static parameters.

    Raises:
        ValueError: for a wrong shape, or for the first value that is not finite, outside its range, or between the
            values of a discrete parameter; the message names row, parameter, unit, range and value.
    """
    statics = static_parameters(names)
    if not isinstance(condition, Tensor | np.ndarray):
        raise ValueError(f"condition: expected a tensor or an array of numbers, got {type(condition).__name__}")
    if condition.ndim != 2 or condition.shape[1] != len(statics):
        expected = f"(N, {len(statics)}) with the columns {', '.join(names)}"
        raise ValueError(f"condition: expected {expected}, got shape {tuple(condition.shape)}")
    values = (
        condition.detach().cpu().numpy()
        if isinstance(condition, Tensor)
        else np.asarray(unmasked("condition", condition))
    )
    if values.dtype.kind not in "fiu":
        raise ValueError(f"condition: expected real numbers, got {values.dtype}")
    low = np.array([static.low for static in statics])
    high = np.array([static.high for static in statics])
    fine = (values >= low) & (values <= high)  # false for NaN too
    for column, static in enumerate(statics):
        if static.values is not None:
            fine[:, column] &= np.isin(values[:, column], static.values)
    if fine.all():
        return
    row, column = (int(index) for index in np.argwhere(~fine)[0])
    static = statics[column]
    allowed = (
        f"{static.low:g} to {static.high:g}" if static.values is None else " or ".join(f"{v:g}" for v in static.values)
    )
    raise ValueError(
        f"condition: row {row}: {static.name} ({static.unit}): expected {allowed}, got {values[row, column]:g}"
    )
