"""The parts of a record of responses as arrays, once they are what a file of recordings can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from hvae_ref.abr.data.dataset import AbrDataset
from hvae_ref.abr.data.parameters import SIGNAL_LENGTH, STATIC_NAMES, WAVES, check_condition
from hvae_ref.abr.data.plausible import peak_fault, signal_fault


def checked_parts(dataset: AbrDataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Signals (N, 200), condition (N, 7) and peaks (N, 5, 2) in float32, and which peaks are present, (N, 5) bool.

    Raises:
        ValueError: that names the part, for anything but tensors of these shapes with at least one response, and for
            values that a file of recordings must not hold.
    """
    if not isinstance(dataset, AbrDataset):
        raise ValueError(f"dataset: expected an AbrDataset, got {type(dataset).__name__}")
    signals = _array("x", dataset.x, (None, SIGNAL_LENGTH))
    count = len(signals)
    if not count:
        raise ValueError("dataset: expected at least one recording, got none")
    condition = _array("condition", dataset.condition, (count, len(STATIC_NAMES)))
    if not isinstance(dataset.targets, dict) or not {"peaks", "present"} <= dataset.targets.keys():
        got = list(dataset.targets) if isinstance(dataset.targets, dict) else type(dataset.targets).__name__
        raise ValueError(f"dataset.targets: expected 'peaks' and 'present', got {got}")
    peaks = _array("targets['peaks']", dataset.targets["peaks"], (count, len(WAVES), 2))
    present = _array("targets['present']", dataset.targets["present"], (count, len(WAVES)), kinds="b")
    try:
        check_condition(condition)
    except ValueError as error:
        raise ValueError(f"dataset.{error}") from error
    finite = np.isfinite(signals).all(1)
    fault: tuple[Any, ...] | None = None
    if not finite.all():
        fault = (int(finite.argmin()), "expected finite numbers, got NaN or infinity")
    for part, found in (
        ("x", fault or signal_fault(signals)),
        ("targets", peak_fault(*(np.where(present, peaks[:, :, k], np.nan) for k in (0, 1)), needed=present)),
    ):
        if found:
            place = ", ".join(str(at) for at in found[:-1])
            raise ValueError(f"dataset.{part}: row {place}: {found[-1]}")
    return signals, condition, peaks, present


def _array(part: str, value: object, shape: tuple[int | None, ...], kinds: str = "fiu") -> np.ndarray:
    """A tensor as an array, of real numbers in float32 or of booleans."""
    name = f"dataset.{part}"
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}")
    array = value.detach().cpu()
    array = (array.float() if array.is_floating_point() else array).numpy()
    if array.ndim != len(shape) or any(size not in (None, got) for size, got in zip(shape, array.shape, strict=True)):
        expected = ", ".join("N" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape ({expected}), got {array.shape}")
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name}: expected {'booleans' if kinds == 'b' else 'real numbers'}, got {value.dtype}")
    return array if kinds == "b" else array.astype(np.float32)
