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
import math
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hvae_ref.abr.data.dataset import AbrDataset
from hvae_ref.abr.data.parameters import SAMPLE_INTERVAL_MS, SIGNAL_LENGTH, STATIC_NAMES, STATICS, WAVES
from hvae_ref.errors import did_you_mean

SAMPLE_COLUMNS = tuple(f"s{index:03d}" for index in range(SIGNAL_LENGTH))
PEAK_COLUMNS = tuple(f"{what}_{wave}" for wave in WAVES for what in ("latency", "amplitude"))
_LAST_MS = (SIGNAL_LENGTH - 1) * SAMPLE_INTERVAL_MS


def _finite(values: np.ndarray) -> np.ndarray:
    # Finite in single precision, which is what a data set keeps.
    with np.errstate(over="ignore"):
        return np.isfinite(values.astype(np.float32))


class _Table:
    """Named columns of numbers that remember where they stood in a file."""

    def __init__(self, path: Path, columns: dict[str, np.ndarray], places: Sequence[int]) -> None:
        self.path, self.columns, self.places = path, columns, places

    def refuse(self, row: int, column: str, message: str) -> None:
        """Raise an error that says where in the file a value stands."""
        raise ValueError(f"{self.path}: row {self.places[row]}, column {column}: {message}")

    def finite(self, name: str) -> np.ndarray:
        """The values of a column in which every one has to be a finite number."""
        values = self.columns[name]
        bad = np.flatnonzero(~_finite(values))
        if bad.size:
            self.refuse(int(bad[0]), name, f"expected a finite number, got {values[bad[0]]}")
        return values


def _check_names(path: Path, names: list[str]) -> None:
    known = (*SAMPLE_COLUMNS, *STATIC_NAMES, *PEAK_COLUMNS)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: column {twice[0]}: expected once, found {names.count(twice[0])} times")
    samples = [name for name in names if name[:1] == "s" and name[1:].isdigit()]
    if samples and set(samples) != set(SAMPLE_COLUMNS):
        raise ValueError(
            f"{path}: expected {SIGNAL_LENGTH} samples a recording, columns s000 to s{SIGNAL_LENGTH - 1}, "
            f"got {len(samples)} from {min(samples)} to {max(samples)}"
        )
    for name in names:
        if name not in known:
            hint = did_you_mean(name, (*STATIC_NAMES, *PEAK_COLUMNS))
            raise ValueError(
                f"{path}: column {name}: expected samples (s000 …), a static parameter ({', '.join(STATIC_NAMES)}) or "
                f"a peak (latency_I, amplitude_I …){hint}"
            )
    missing = [name for name in (*STATIC_NAMES, *SAMPLE_COLUMNS) if name not in names]
    if missing:
        raise ValueError(f"{path}: column {missing[0]} is missing; see hvae_ref.abr.data.recordings for the columns")
    for wave in WAVES:
        pair = [f"{what}_{wave}" for what in ("latency", "amplitude")]
        given = [name for name in pair if name in names]
        if len(given) == 1:
            (other,) = set(pair) - set(given)
            raise ValueError(f"{path}: column {other} is missing beside {given[0]}")


def _read_csv(path: Path) -> _Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, byte {error.start} is none") from error
    reader = csv.reader(io.StringIO(text))
    # Each row with the line that it ends on: a quoted cell may hold a line break, and empty lines are no rows.
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if cells:
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise ValueError(f"{path}: row {reader.line_num}: expected comma-separated cells ({error})") from error
    if not rows or not text.splitlines()[0].strip():
        raise ValueError(f"{path}: expected a line of column names, found an empty file")
    names = [name.strip() for name in rows[0][1]]
    _check_names(path, names)
    values = np.empty((len(rows) - 1, len(names)))
    for row, (line, cells) in enumerate(rows[1:]):
        if len(cells) != len(names):
            raise ValueError(f"{path}: row {line}: expected {len(names)} cells, got {len(cells)}")
        for column, cell in enumerate(cells):
            if not cell.strip() and names[column] in PEAK_COLUMNS:
                values[row, column] = math.nan
                continue
            try:
                # Python reads 1_0 as ten; a table that says so is broken.
                values[row, column] = float(cell if "_" not in cell else "")
            except ValueError:
                where = f"{path}: row {line}, column {names[column]}"
                raise ValueError(f"{where}: expected a number, got {cell!r}") from None
    lines = [line for line, _ in rows[1:]]
    return _Table(path, {name: values[:, column] for column, name in enumerate(names)}, lines)


def _read_npz(path: Path) -> _Table:
    content = io.BytesIO(path.read_bytes())  # numpy leaves a broken file open
    try:
        if not zipfile.is_zipfile(content):
            raise zipfile.BadZipFile("cut short, or no NPZ file at all")
        content.seek(0)
        with np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is no array")
    # RuntimeError: encrypted, or packed in a way that is not known here; the last two: a broken header of an array.
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, SyntaxError, tokenize.TokenError
    ) as error:  # fmt: skip
        raise ValueError(f"{path}: expected a whole NPZ file of numbers; it cannot be read ({error})") from error
    signals = arrays.pop("signals", None)
    if signals is None:
        raise ValueError(f"{path}: expected an array 'signals' (N, {SIGNAL_LENGTH}), got {', '.join(arrays) or 'none'}")
    if signals.ndim != 2 or signals.shape[1] != SIGNAL_LENGTH:
        raise ValueError(f"{path}: signals: expected shape (N, {SIGNAL_LENGTH}), got {signals.shape}")
    columns = {name: signals[:, index] for index, name in enumerate(SAMPLE_COLUMNS)}
    if set(columns) & set(arrays):
        raise ValueError(f"{path}: expected samples in 'signals' alone, found {min(set(columns) & set(arrays))} too")
    _check_names(path, [*columns, *arrays])
    for name, array in {**arrays, "signals": signals}.items():
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{path}: {name}: expected numbers, got {array.dtype}")
        if name != "signals" and array.shape != (len(signals),):
            raise ValueError(f"{path}: {name}: expected shape ({len(signals)},) as in signals, got {array.shape}")
    columns.update(arrays)
    return _Table(path, {name: column.astype(np.float64) for name, column in columns.items()}, range(len(signals)))


def _condition(table: _Table) -> np.ndarray:
    for static in STATICS:
        values = table.finite(static.name).astype(np.float32)
        fine = (values >= static.low) & (values <= static.high)
        allowed = f"{static.low:g} to {static.high:g}"
        if static.values is not None:
            fine = np.isin(values, static.values)
            allowed = " or ".join(f"{value:g}" for value in static.values)
        if not fine.all():
            row = int(np.flatnonzero(~fine)[0])
            table.refuse(row, static.name, f"expected {allowed} ({static.unit}), got {values[row]:g}")
    return np.stack([table.columns[name] for name in STATIC_NAMES], axis=1)


def _peaks(table: _Table, count: int) -> tuple[np.ndarray, np.ndarray]:
    peaks, present = np.zeros((count, len(WAVES), 2)), np.zeros((count, len(WAVES)), dtype=bool)
    for wave, label in enumerate(WAVES):
        latency_name, amplitude_name = f"latency_{label}", f"amplitude_{label}"
        if latency_name not in table.columns:
            continue
        latency, amplitude = table.columns[latency_name], table.columns[amplitude_name]
        known = _finite(amplitude)
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
    readers = {".csv": _read_csv, ".npz": _read_npz}
    if path.suffix not in readers:
        raise ValueError(f"{path}: expected a file name that ends in .csv or .npz")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: expected recordings, found an empty file")
    table = readers[path.suffix](path)
    signals = np.stack([table.finite(name) for name in SAMPLE_COLUMNS], axis=1)
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
