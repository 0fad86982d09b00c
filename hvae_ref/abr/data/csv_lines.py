"""The lines of a CSV file, cut into cells, and what is said of a file that is none."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from hvae_ref.abr.data.parameters import SIGNAL_LENGTH, STATIC_NAMES, WAVES
from hvae_ref.abr.data.units import TIMES, UNIT_COLUMNS, VOLTAGES
from hvae_ref.data.file_kinds import kind_of

SAMPLE_COLUMNS = tuple(f"s{index:03d}" for index in range(SIGNAL_LENGTH))
PEAK_COLUMNS = tuple(f"{what}_{wave}" for wave in WAVES for what in ("latency", "amplitude"))
KNOWN = (*SAMPLE_COLUMNS, *STATIC_NAMES, *PEAK_COLUMNS, *UNIT_COLUMNS)
"""All columns that a table may have."""
_FOLDED = {name.casefold() for name in KNOWN}

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


def shown(cell: str, most: int = 30) -> str:
    """A cell for a message: quoted, and cut where it is long."""
    return repr(cell if len(cell) <= most else f"{cell[:most]}…")


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a file that are not empty, each with the number of the line that it ends on; names come first.

    Raises:
        ValueError: for a file that is no comma-separated text in UTF-8, or has no line of column names.
    """
    content = path.read_bytes()
    if kind := kind_of(content):
        raise ValueError(f"{path}: expected comma-separated text in UTF-8, got {kind}; save the table as CSV (UTF-8)")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        message = f"{path}: expected UTF-8 text, byte {error.start} is none; save the table as CSV (UTF-8)"
        raise ValueError(message) from error
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise ValueError(f"{path}: row {line}: expected text, found a byte of value 0")
    reader = csv.reader(io.StringIO(text))
    # A quoted cell may hold a line break, and empty lines are no rows.
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if cells:
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise ValueError(f"{path}: row {reader.line_num}: expected comma-separated cells ({error})") from error
    first = text.split("\n", 1)[0]
    if not rows or not first.strip(" \t,;"):
        raise ValueError(f"{path}: expected a line of column names, found an empty {'file' if not rows else 'line'}")
    _check_first(path, first, rows[0][1])
    return rows


def _check_first(path: Path, line: str, names: list[str]) -> None:
    """Refuse a first line that holds no names between commas."""
    found = None
    if line.lower().startswith("sep="):
        found = f"{shown(line)}, which only Excel reads; delete that line"
    elif line.lstrip().startswith(("#", "//", "%")):
        found = f"a comment, {shown(line)}; delete such lines"
    elif all(_is_number(name) for name in names if name.strip()):
        found = f"numbers, {shown(line)}; names are s000 …, level, rate …"
    if found:
        raise ValueError(f"{path}: expected column names in the first line, got {found}")
    for mark, word in SEPARATORS.items():
        if len(names) < 3 and sum(_is_name(part) for part in line.split(mark)) > 1:
            commas = "; decimal commas have to become points too" if mark == ";" else ""
            raise ValueError(f"{path}: expected commas as the separator of cells, found {word} ({mark!r}){commas}")
    if len(names) == 1 and _is_name(line.split(",")[0]) and "," in line:
        raise ValueError(f"{path}: expected cells between commas, the whole first line stands in quotes")
    if not any(_is_name(name) for name in names):
        raise ValueError(f"{path}: expected column names (level, rate … s199) in the first line, got {shown(line)}")


def _is_name(cell: str) -> bool:
    """Whether a cell is a column's name, but for capitals."""
    return cell.strip().strip('"').casefold() in _FOLDED


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def number_of(cell: str) -> float:
    """The number in a cell.

    Raises:
        ValueError: for anything else, with the reason where it is plain.
    """
    try:
        # Python reads 1_0 as ten; a table that says so is broken.
        return float(cell if "_" not in cell else "")
    except ValueError:
        pass
    bare = cell.strip()
    reason = ""
    if bare.lower() in {"", "na", "n/a", "#n/a", "none", "null", "-", "--", "?", "dnt", "cnt"}:
        reason = "; only peaks may be absent, and their cells are empty then"
    elif _is_number(re.sub(r"[,' \u00a0]", "", bare)):
        reason = "; decimals are written with a point, and thousands without a mark"
    elif bare.replace("\u03bc", "µ") in {*VOLTAGES, *TIMES}:
        reason = "; units stand in the columns unit and latency_unit, not in a row"
    elif re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)? ?[^\d\s]+( ?[^\d\s]+)?", bare):
        reason = "; numbers stand without a unit (samples and peaks: columns unit and latency_unit)"
    raise ValueError(f"expected a number, got {shown(cell)}{reason}")
