"""A reader's own recordings: a table in a CSV or NPZ file, and the errors that say where it is wrong.

Columns, in any order, one row per averaged recording:

| column | what | needed |
|---|---|---|
| `s000` … `s199` | µV at 0, 0.05 … 9.95 ms after the click; in an NPZ file the array `signals` (N, 200) | yes |
| `level`, `rate`, `age`, `sex`, `threshold`, `polarity`, `sweeps` | see `STATICS` for units and ranges | yes |
| `latency_I` … `latency_V` | ms, marked peaks | no |
| `amplitude_I` … `amplitude_V` | µV from the peak to the trough after it | with its latency |

A wave that was looked for and not found has an empty cell (CSV) or NaN (NPZ) in both of its columns; a wave without
columns counts as absent too. Nothing is filtered, resampled or shifted: that stays with whoever knows the recordings.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from hvae_ref.abr.data.dataset import AbrDataset
from hvae_ref.abr.data.parameters import SAMPLE_INTERVAL_MS, SIGNAL_LENGTH, STATIC_NAMES, STATICS, WAVES
from hvae_ref.abr.data.recording_tables import PEAK_COLUMNS, SAMPLE_COLUMNS, Table, finite, read_csv, read_npz

_LAST_MS = (SIGNAL_LENGTH - 1) * SAMPLE_INTERVAL_MS


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
            table.refuse(row, static.name, f"expected {allowed} ({static.unit}), got {values[row]:g}")
    return np.stack([table.columns[name] for name in STATIC_NAMES], axis=1)


def _peaks(table: Table, count: int) -> tuple[np.ndarray, np.ndarray]:
    peaks, present = np.zeros((count, len(WAVES), 2)), np.zeros((count, len(WAVES)), dtype=bool)
    for wave, label in enumerate(WAVES):
        latency_name, amplitude_name = f"latency_{label}", f"amplitude_{label}"
        if latency_name not in table.columns:
            continue
        latency, amplitude = table.columns[latency_name], table.columns[amplitude_name]
        known = finite(amplitude)
        for row in range(count):
            if np.isnan(latency[row]) and np.isnan(amplitude[row]):
                continue
            if not 0.0 <= latency[row] <= _LAST_MS + 1e-6:
                table.refuse(row, latency_name, f"expected 0 to {_LAST_MS:g} (ms), got {latency[row]:g}")
            if not known[row]:
                table.refuse(row, amplitude_name, f"expected a number (µV) beside a latency, got {amplitude[row]:g}")
            peaks[row, wave] = latency[row], amplitude[row]
            present[row, wave] = True
    return peaks, present


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
            parameter out of its range, a peak outside the window or half given, an empty or broken file.
        FileNotFoundError: when there is no such file.
    """
    path = Path(path)
    readers = {".csv": read_csv, ".npz": read_npz}
    if path.suffix not in readers:
        raise ValueError(f"{path}: expected a file name that ends in .csv or .npz")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: expected recordings, found an empty file")
    table = readers[path.suffix](path)
    signals = np.stack([table.numbers(name) for name in SAMPLE_COLUMNS], axis=1)
    if not len(signals):
        raise ValueError(f"{path}: expected at least one recording, found none")
    peaks, present = _peaks(table, len(signals))
    return AbrDataset(
        x=torch.from_numpy(signals.astype(np.float32)),
        condition=torch.from_numpy(_condition(table).astype(np.float32)),
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
        ValueError: for any other ending, or for a dataset without responses.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".npz"):
        raise ValueError(f"{path}: expected a file name that ends in .csv or .npz")
    if not len(dataset):
        raise ValueError("dataset: expected at least one recording, got none")
    signals = dataset.x.detach().cpu().numpy().astype(np.float32)
    condition = dataset.condition.detach().cpu().numpy().astype(np.float32)
    peaks = dataset.targets["peaks"].detach().cpu().numpy().astype(np.float32)
    present = dataset.targets["present"].detach().cpu().numpy()
    marked = np.where(present[:, :, None], peaks, np.float32(np.nan)).reshape(len(peaks), -1)
    columns = {name: condition[:, index] for index, name in enumerate(STATIC_NAMES)}
    columns.update({name: marked[:, index] for index, name in enumerate(PEAK_COLUMNS)})
    columns.update({name: signals[:, index] for index, name in enumerate(SAMPLE_COLUMNS)})
    content = _csv_bytes(columns) if path.suffix == ".csv" else _npz_bytes(columns, signals)
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
