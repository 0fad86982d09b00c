"""A reader's own recordings: a table in a CSV or NPZ file, and the errors that say where it is wrong.

Columns, in any order, one row per averaged recording:

| column | what | needed |
|---|---|---|
| `s000` … `s199` | µV at 0, 0.05 … 9.95 ms after the click; in an NPZ file the array `signals` (N, 200) | yes |
| `level`, `rate`, `age`, `sex`, `threshold`, `polarity`, `sweeps` | see `STATICS` for units and ranges | yes |
| `latency_I` … `latency_V` | ms, marked peaks | no |
| `amplitude_I` … `amplitude_V` | µV from the peak to the trough after it | with its latency |
| `unit` | unit of samples and amplitudes: V, mV, µV (uV) or nV; µV without this column | no |
| `latency_unit` | unit of latencies: s, ms or µs (us); ms without this column | no |

A wave that was looked for and not found has an empty cell (CSV) or NaN (NPZ) in both of its columns; a wave without
columns counts as absent too. Zeros are no peak: they are refused, as is whatever no recording can be (`plausible`).
What few recordings are is read with a warning. Named units are converted, in an NPZ file from a text or N of them.
Nothing is filtered, resampled or shifted: that stays with whoever knows the recordings.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from hvae_ref.abr.data.dataset import AbrDataset
from hvae_ref.abr.data.dataset_parts import checked_parts
from hvae_ref.abr.data.parameters import STATIC_NAMES, STATICS, WAVES
from hvae_ref.abr.data.plausible import marks_doubts, peak_doubts, peak_fault, signal_doubts, signal_fault
from hvae_ref.abr.data.recording_tables import PEAK_COLUMNS, SAMPLE_COLUMNS, Table, finite, read_csv, read_npz


def _condition(table: Table) -> np.ndarray:
    for static in STATICS:
        values = table.numbers(static.name).astype(np.float32)
        fine = (values >= static.low) & (values <= static.high)
        allowed = f"{static.low:g} to {static.high:g}"
        if static.values is not None:
            fine = np.isin(values, static.values)
            allowed = " or ".join(f"{value:g}" for value in static.values)
        if not fine.all():
            row = int(np.flatnonzero(~fine)[0])
            table.refuse(
                row, static.name, f"expected {allowed} ({static.unit}), got {table.columns[static.name][row]:.10g}"
            )
    return np.stack([table.columns[name] for name in STATIC_NAMES], axis=1)


def _peaks(table: Table, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Latency and amplitude of each wave, (N, 5), NaN where it is absent."""
    nothing = np.full(count, np.nan)
    latency, amplitude = (
        np.stack([table.columns.get(f"{what}_{label}", nothing) for label in WAVES], axis=1)
        for what in ("latency", "amplitude")
    )
    amplitude = np.where(np.isnan(amplitude) | finite(amplitude), amplitude, np.inf)
    if fault := peak_fault(latency, amplitude):
        table.refuse(*fault)
    return latency, amplitude


def _warn(table: Table, doubts: list[tuple[int, str]]) -> None:
    if doubts:
        told = "; ".join(f"row {table.places[row]}: {doubt}" for row, doubt in doubts[:2])
        warnings.warn(f"{table.path}: {told}", stacklevel=3)


def _checked_path(path: str | Path) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path: expected the name of a file, got {type(path).__name__}")
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".npz"):
        ending = f", got {path.suffix[:20]}" if path.suffix else ""
        raise ValueError(f"{path}: expected a file name that ends in .csv or .npz{ending}")
    return path


def read_recordings(path: str | Path) -> AbrDataset:
    """Read averaged recordings from a CSV or NPZ file.

    Args:
        path: file whose name ends in .csv or .npz; its columns stand in this module's description. Rows in error
            messages are lines of a CSV file (names are line 1), and indices from 0 of an NPZ file.

    Returns:
        The recordings, with `truth` None and `targets` from the peak columns (absent without them).

    Raises:
        ValueError: naming file, row and column of the first thing that is wrong: a number of samples other than
            200, a value that is missing, infinite or no number, an unknown, missing or repeated column, a static
            parameter out of its range, samples that no recording in µV can have, a peak that is impossible or half
            given, an unknown unit, an empty or broken file, or one of another kind than its name says.
        FileNotFoundError: when there is no such file.

    Warns:
        UserWarning: naming file and row, of a last line without its end, of magnitudes, offsets, latencies or repeated
            samples that few recordings have, of recordings that are there twice, and of marked peaks after which the
            signals do not fall as far.
    """
    path = _checked_path(path)
    readers = {".csv": read_csv, ".npz": read_npz}
    if path.is_dir():
        raise ValueError(f"{path}: expected a file, this is a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: expected recordings, found an empty file")
    table = readers[path.suffix.lower()](path)
    signals = np.stack([table.numbers(name) for name in SAMPLE_COLUMNS], axis=1)
    if not len(signals):
        raise ValueError(f"{path}: expected at least one recording, found none")
    if fault := signal_fault(signals):
        table.refuse(fault[0], "s000 …", fault[1])
    condition = _condition(table)
    latency, amplitude = _peaks(table, len(signals))
    doubts = [
        *table.doubts,
        *signal_doubts(signals),
        *peak_doubts(latency, amplitude),
        *marks_doubts(signals, latency, amplitude),
    ]
    _warn(table, doubts)
    present = ~np.isnan(latency)
    peaks = np.where(present[:, :, None], np.stack([latency, amplitude], axis=2), 0.0)
    return AbrDataset(
        x=torch.from_numpy(signals.astype(np.float32)),
        condition=torch.from_numpy(condition.astype(np.float32)),
        targets={"peaks": torch.from_numpy(peaks.astype(np.float32)), "present": torch.from_numpy(present)},
        name=path.stem,
        split="recordings",
    )


def _csv_bytes(columns: dict[str, np.ndarray]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        # The shortest text that reads back as the same float32; an absent peak is an empty cell.
        writer.writerow(["" if np.isnan(value) else str(value) for value in row])
    return text.getvalue().encode()


def _npz_bytes(columns: dict[str, np.ndarray], signals: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, signals=signals, **{k: v for k, v in columns.items() if k not in SAMPLE_COLUMNS})
    return buffer.getvalue()


def write_recordings(dataset: AbrDataset, path: str | Path) -> None:
    """Write signals, conditions and marked peaks so that `read_recordings` reads the same numbers back.

    The file appears whole or not at all. Truth and hidden factors are not written: a recording has none.

    Args:
        dataset: what to write.
        path: file whose name ends in .csv or .npz; an existing one is replaced.

    Raises:
        ValueError: for any other ending or a folder, for a dataset without responses or with parts of other shapes,
            and for samples, conditions or marked peaks that `read_recordings` would refuse.
    """
    path = _checked_path(path)
    if path.is_dir():
        raise ValueError(f"{path}: expected a file, this is a folder")
    signals, condition, peaks, present = checked_parts(dataset)
    marked = np.where(present[:, :, None], peaks, np.float32(np.nan)).reshape(len(peaks), -1)
    columns = {name: condition[:, index] for index, name in enumerate(STATIC_NAMES)}
    columns.update({name: marked[:, index] for index, name in enumerate(PEAK_COLUMNS)})
    columns.update({name: signals[:, index] for index, name in enumerate(SAMPLE_COLUMNS)})
    content = _csv_bytes(columns) if path.suffix.lower() == ".csv" else _npz_bytes(columns, signals)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
