"""Tables of recordings in CSV and NPZ files: named columns of numbers, and the errors that say where one is wrong.

The columns stand in the description of `hvae_ref.abr.data.recordings`.
"""

from __future__ import annotations

import csv
import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hvae_ref.abr.data.parameters import SIGNAL_LENGTH, STATIC_NAMES, WAVES
from hvae_ref.errors import did_you_mean

SAMPLE_COLUMNS = tuple(f"s{index:03d}" for index in range(SIGNAL_LENGTH))
PEAK_COLUMNS = tuple(f"{what}_{wave}" for wave in WAVES for what in ("latency", "amplitude"))


def finite(values: np.ndarray) -> np.ndarray:
    """Which values are finite in single precision, which is what a data set keeps."""
    with np.errstate(over="ignore"):
        return np.isfinite(values.astype(np.float32))


class Table:
    """Named columns of numbers that remember where they stood in a file."""

    def __init__(self, path: Path, columns: dict[str, np.ndarray], places: Sequence[int]) -> None:
        self.path, self.columns, self.places = path, columns, places

    def refuse(self, row: int, column: str, message: str) -> None:
        """Raise an error that says where in the file a value stands."""
        raise ValueError(f"{self.path}: row {self.places[row]}, column {column}: {message}")

    def numbers(self, name: str) -> np.ndarray:
        """The values of a column in which every one has to be a finite number."""
        values = self.columns[name]
        bad = np.flatnonzero(~finite(values))
        if bad.size:
            self.refuse(int(bad[0]), name, f"expected a finite number, got {values[bad[0]]}")
        return values


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse columns that are unknown, missing, repeated, or half of a pair."""
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


def read_csv(path: Path) -> Table:
    """The columns of a CSV file; an empty cell of a peak is NaN.

    Raises:
        ValueError: naming file, row and column of the first thing that is wrong.
    """
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
    return Table(path, {name: values[:, column] for column, name in enumerate(names)}, lines)


def read_npz(path: Path) -> Table:
    """The columns of an NPZ file.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
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
    return Table(path, {name: column.astype(np.float64) for name, column in columns.items()}, range(len(signals)))
