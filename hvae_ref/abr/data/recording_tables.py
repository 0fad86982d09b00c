"""Tables of recordings in CSV and NPZ files: named columns of numbers, and the errors that say where one is wrong.

The columns stand in the description of `hvae_ref.abr.data.recordings`.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hvae_ref.abr.data.csv_lines import KNOWN, PEAK_COLUMNS, SAMPLE_COLUMNS, number_of, read_lines, shown
from hvae_ref.abr.data.parameters import SIGNAL_LENGTH, STATIC_NAMES, STATICS, WAVES
from hvae_ref.abr.data.units import UNIT_COLUMNS, UnknownUnit, factors
from hvae_ref.data.file_kinds import kind_of
from hvae_ref.errors import did_you_mean


def finite(values: np.ndarray) -> np.ndarray:
    """Which values are finite in single precision, which is what a data set keeps."""
    with np.errstate(over="ignore"):
        return np.isfinite(values.astype(np.float32))


class Table:
    """Named columns of numbers that remember where they stood in a file."""

    def __init__(self, path: Path, columns: dict[str, np.ndarray], places: Sequence[int]) -> None:
        self.path, self.columns, self.places = path, columns, places
        self.raw: dict[str, np.ndarray] = {}
        self.units: dict[str, Sequence[object]] = {}
        self.doubts: list[tuple[int, str]] = []

    def convert(self, unit_columns: dict[str, Sequence[object]]) -> None:
        """Bring samples and amplitudes to µV, and latencies to ms, from the units that each row names."""
        for column, names in unit_columns.items():
            try:
                factor = factors(column, names)
            except UnknownUnit as error:
                self.refuse(error.row, column, str(error))
            for name, values in self.columns.items():
                latency = name.startswith("latency_")
                if latency if column == "latency_unit" else name in SAMPLE_COLUMNS or name.startswith("amplitude_"):
                    self.columns[name], self.raw[name], self.units[name] = values * factor, values, names

    def refuse(self, row: int, column: str, message: str) -> None:
        """Raise an error that says where in the file a value stands."""
        if column in self.raw and np.isfinite(self.raw[column][row]):
            message += f" (the file has {self.raw[column][row]:g} {str(self.units[column][row]).strip()})"
        elif column == "s000 …" and self.units.get("s000"):
            message += f" (converted from {str(self.units['s000'][row]).strip()})"
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
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise ValueError(f"{path}: column {twice[0][:40]}: expected once, found {names.count(twice[0])} times")
    samples = [name for name in names if name[:1] == "s" and name[1:].isdigit()]
    if samples and set(samples) != set(SAMPLE_COLUMNS):
        first, last = (end(samples, key=lambda name: int(name[1:])) for end in (min, max))
        raise ValueError(
            f"{path}: expected {SIGNAL_LENGTH} samples a recording, columns s000 to s{SIGNAL_LENGTH - 1}, "
            f"got {len(samples)} from {first[:12]} to {last[:12]}"
        )
    for number, name in enumerate(names, start=1):
        if name not in KNOWN:
            comma = "; do lines end in a comma?" if number == len(names) > 1 and not name else ""
            raise ValueError(f"{path}: {_unknown(name, number)}{comma}")
    missing = [name for name in (*STATIC_NAMES, *SAMPLE_COLUMNS) if name not in names]
    if missing:
        raise ValueError(f"{path}: column {missing[0]} is missing; see hvae_ref.abr.data.recordings for the columns")
    for wave in WAVES:
        pair = [f"{what}_{wave}" for what in ("latency", "amplitude")]
        given = [name for name in pair if name in names]
        if len(given) == 1:
            (other,) = set(pair) - set(given)
            raise ValueError(f"{path}: column {other} is missing beside {given[0]}")


def _unknown(name: str, number: int) -> str:
    """What is said of a column that is not known."""
    if not name or name.lower().startswith(("unnamed", "index")):
        called = f"column {number} has no name" if not name else f"column {name[:40]}"
        return f"{called}: an index that was written with the table? Leave it out (pandas: to_csv(…, index=False))"
    spelt = {known.casefold(): known for known in KNOWN}.get(name.casefold())
    if spelt:
        return f"column {name}: expected {spelt}; capital and small letters differ"
    if name.isdigit():
        return f"column {name[:20]}: samples are named {SAMPLE_COLUMNS[0]} to {SAMPLE_COLUMNS[-1]}"
    if name.replace(".", "").replace("-", "").isdigit():
        return f"column {name[:20]}: expected a name, got a number; is the table on its side (a column a recording)?"
    hint = did_you_mean(name[:40], (*STATIC_NAMES, *PEAK_COLUMNS, *UNIT_COLUMNS))
    return (
        f"column {name[:40]}: expected samples (s000 …), a static parameter ({', '.join(STATIC_NAMES)}), "
        f"a peak (latency_I, amplitude_I …) or a unit{hint}"
    )


def read_csv(path: Path) -> Table:
    """The columns of a CSV file; an empty cell of a peak is NaN.

    Raises:
        ValueError: naming file, row and column of the first thing that is wrong.
    """
    rows = read_lines(path)
    names = [name.strip() for name in rows[0][1]]
    _check_names(path, names)
    values = np.empty((len(rows) - 1, len(names)))
    units: dict[str, list[object]] = {name: [] for name in names if name in UNIT_COLUMNS}
    for row, (line, cells) in enumerate(rows[1:]):
        if len(cells) != len(names):
            more = "; has a number a comma in it?" if len(cells) > len(names) else ""
            raise ValueError(f"{path}: row {line}: expected {len(names)} cells, got {len(cells)}{more}")
        for column, (name, cell) in enumerate(zip(names, cells, strict=True)):
            if name in units:
                units[name].append(cell)
                values[row, column] = math.nan
            elif not cell.strip() and name in PEAK_COLUMNS:
                values[row, column] = math.nan
            else:
                try:
                    values[row, column] = number_of(cell)
                except ValueError as error:
                    coded = next((f" ({s.unit})" for s in STATICS if s.name == name and s.values), "")
                    raise ValueError(f"{path}: row {line}, column {name}: {error}{coded}") from None
    lines = [line for line, _ in rows[1:]]
    columns = {name: values[:, column] for column, name in enumerate(names) if name not in units}
    table = Table(path, columns, lines)
    table.convert(units)
    if lines and not path.read_bytes().endswith((b"\n", b"\r")):
        table.doubts.append(
            (len(lines) - 1, f"the file ends in {shown(rows[-1][1][-1])}, without a line break: cut short?")
        )
    return table


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file."""
    raw = path.read_bytes()
    kind = kind_of(raw)
    if not raw.startswith(b"PK") and (kind or raw[:200].isascii()):
        raise ValueError(f"{path}: expected an NPZ file, as numpy.savez writes it, got {kind or 'text'}")
    content = io.BytesIO(raw)  # numpy leaves a broken file open
    found = {}
    name = "it"
    try:
        if not zipfile.is_zipfile(content):
            raise zipfile.BadZipFile("cut short, or no NPZ file at all")
        if any(part.endswith(".xml") for part in zipfile.ZipFile(content).namelist()):
            raise ValueError("it is a workbook or a document; save the table as CSV")
        content.seek(0)
        with np.load(content, allow_pickle=False) as file:
            for name in file.files:  # noqa: B007  (named in the error)
                found[name] = file[name]
                if not isinstance(found[name], np.ndarray):
                    raise ValueError(f"{name} is no array")
    # RuntimeError: encrypted, or packed in a way that is not known here; the last two: a broken header of an array.
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, SyntaxError, tokenize.TokenError
    ) as error:  # fmt: skip
        reason = f"{name[:40]} holds Python objects" if "Object arrays" in str(error) else f"{error!s:.120}"
        raise ValueError(f"{path}: expected a whole NPZ file of numbers; it cannot be read ({reason})") from error
    return found


def read_npz(path: Path) -> Table:
    """The columns of an NPZ file.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    arrays = _arrays(path)
    signals = arrays.pop("signals", None)
    if signals is None:
        got = ", ".join(shown(name) for name in list(arrays)[:4]) + " …" * (len(arrays) > 4) or "none"
        raise ValueError(f"{path}: expected an array 'signals' (N, {SIGNAL_LENGTH}), got {got}")
    if signals.ndim != 2 or signals.shape[1] != SIGNAL_LENGTH:
        turned = "; transpose it" if signals.ndim == 2 and signals.shape[0] == SIGNAL_LENGTH else ""
        raise ValueError(f"{path}: signals: expected shape (N, {SIGNAL_LENGTH}), got {signals.shape}{turned}")
    if signals.dtype.kind in "iu":
        raise ValueError(
            f"{path}: signals: expected µV in floating point, got {signals.dtype}: counts of a converter? Multiply by "
            "its gain"
        )
    columns = {name: signals[:, index] for index, name in enumerate(SAMPLE_COLUMNS)}
    if set(columns) & set(arrays):
        raise ValueError(f"{path}: expected samples in 'signals' alone, found {min(set(columns) & set(arrays))} too")
    _check_names(path, [*columns, *arrays])
    units: dict[str, Sequence[object]] = {}
    for name in UNIT_COLUMNS.keys() & arrays.keys():
        array = arrays.pop(name)
        if array.shape not in ((), (len(signals),)) or array.dtype.kind not in "US":
            raise ValueError(
                f"{path}: {name}: expected a text or {len(signals)} of them, got {array.dtype} {array.shape}"
            )
        try:
            texts = array.astype(str) if array.dtype.kind == "U" else np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: {name}: expected text in UTF-8, got {error.object[:20]!r}") from error
        units[name] = np.broadcast_to(texts, len(signals)).tolist()
    for name, array in {**arrays, "signals": signals}.items():
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{path}: {name}: expected numbers, got {array.dtype}")
        if name != "signals" and array.shape != (len(signals),):
            raise ValueError(f"{path}: {name}: expected shape ({len(signals)},) as in signals, got {array.shape}")
    columns.update(arrays)
    numbers = {name: column.astype(np.float64) for name, column in columns.items()}
    table = Table(path, numbers, range(len(signals)))
    table.convert(units)
    return table
