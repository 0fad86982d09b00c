"""What models of evoked responses ask of signals, of conditions and of the names of static parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS, STATIC_NAMES, check_condition
from hvae_ref.errors import did_you_mean


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of static parameters, in the order of `STATIC_NAMES`.

    Raises:
        ValueError: for no names, a string, an unknown name (with the closest one), a repetition, or another order.
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"statics: expected a sequence of names out of {', '.join(STATIC_NAMES)}, got {names!r}")
    for name in names:
        if name not in STATIC_NAMES:
            hint = did_you_mean(name, STATIC_NAMES, f"; expected some of {', '.join(STATIC_NAMES)}")
            raise ValueError(f"statics: unknown {name!r}{hint}")
    ordered = tuple(name for name in STATIC_NAMES if name in names)
    if tuple(names) != ordered:
        raise ValueError(f"statics: expected each name once, in the order {', '.join(ordered)}, got {', '.join(names)}")
    return ordered


def check_samples(x: Tensor, length: int, like: Tensor) -> None:
    """Refuse a signal with a value that is no number, naming row and sample; other faults are left to others.

    Raises:
        ValueError: for NaN or infinity in signals (B, length) of the dtype and device of `like`.
    """
    if not isinstance(x, Tensor) or x.shape[1:] != (length,) or (x.dtype, x.device) != (like.dtype, like.device):
        return
    wrong = (~torch.isfinite(x)).nonzero()
    if len(wrong):
        row, sample = wrong[0].tolist()
        raise ValueError(
            f"x: expected finite values in µV, got {x[row, sample].item()} in row {row}, sample {sample} "
            f"({sample * SAMPLE_INTERVAL_MS:.2f} ms)"
        )


def own_columns(condition: Tensor, rows: int, statics: Sequence[str], like: Tensor) -> Tensor:
    """The columns of a condition that a model reads, one row for each example: (rows, C).

    Args:
        condition: (rows, C) or (1, C), the model's statics in its order; or with all columns of `STATIC_NAMES`.
        rows: number of examples.
        statics: the C names that the model reads, in the order of `STATIC_NAMES`.
        like: a parameter of the model, for its dtype and device.

    Raises:
        ValueError: for another shape, dtype or device, or a value out of its parameter's range.
    """
    count = len(statics)
    shapes = [(n, columns) for n in dict.fromkeys((rows, 1)) for columns in dict.fromkeys((count, len(STATIC_NAMES)))]
    if not isinstance(condition, Tensor) or tuple(condition.shape) not in shapes:
        got = tuple(condition.shape) if isinstance(condition, Tensor) else type(condition).__name__
        expected = f"a tensor of shape {' or '.join(map(str, shapes))}, columns {', '.join(statics)}"
        raise ValueError(f"condition: expected {expected}; got {got}")
    if condition.dtype != like.dtype or condition.device != like.device:
        raise ValueError(
            f"condition: expected {like.dtype} on {like.device}, the model's, got {condition.dtype} on "
            f"{condition.device}; convert it with condition.to(…)"
        )
    if condition.shape[1] > count:
        condition = condition[:, [STATIC_NAMES.index(name) for name in statics]]
    check_condition(condition, statics)
    return condition.expand(rows, -1)
