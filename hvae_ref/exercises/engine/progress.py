"""Which exercises a reader has solved, in one local file.

The file is ``~/.local/share/hvae_ref/progress.json``, or the one that the environment variable
``HVAE_REF_PROGRESS`` names. It is written whole and moved into place; one that cannot be read is set aside under
another name and never overwritten.
"""

from __future__ import annotations

import html
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VARIABLE = "HVAE_REF_PROGRESS"
_VERSION = 1
_MARKS = {"passed": "✓ passed", "failed": "✗ tried", "not attempted": "○ open"}


@dataclass(frozen=True)
class Line:
    """One exercise in the table of progress."""

    id: str
    title: str
    kind: str
    status: str
    attempts: int

    @property
    def chapter(self) -> str:
        """Number of the chapter."""
        return self.id.split(".")[0]


@dataclass(frozen=True)
class Progress:
    """A table of what is solved, chapter by chapter.

    Attributes:
        lines: One entry for every exercise of the book, in order.
        note: What happened to the file, if anything did.
    """

    lines: tuple[Line, ...]
    note: str = ""

    @property
    def solved(self) -> tuple[str, ...]:
        """Ids of the exercises that are solved."""
        return tuple(line.id for line in self.lines if line.status == "passed")

    def _chapters(self) -> dict[str, list[Line]]:
        chapters: dict[str, list[Line]] = {}
        for line in self.lines:
            chapters.setdefault(line.chapter, []).append(line)
        return chapters

    def __str__(self) -> str:
        """The table for a terminal."""
        out = [f"Exercises: {len(self.solved)} of {len(self.lines)} solved"]
        for chapter, lines in self._chapters().items():
            out.append(f"Chapter {chapter}: {_count(lines)}")
            out += [f"  {_MARKS[x.status]:<9} {x.id:<5} {x.title}{_tries(x)}" for x in lines]
        return "\n".join(out + ([self.note] if self.note else []))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        cell = "text-align:left;padding:.15em .9em .15em 0;border:0;background:transparent;color:inherit"
        rows = []
        for chapter, lines in self._chapters().items():
            rows.append(
                f"<tr><th scope='rowgroup' colspan='3' style='{cell};padding-top:.6em'>"
                f"Chapter {chapter}: {_count(lines)}</th></tr>"
            )
            rows += [
                f"<tr><td style='{cell}'>{_MARKS[x.status]}</td><td style='{cell}'>{x.id}</td>"
                f"<td style='{cell}'>{html.escape(x.title)}{_tries(x)}</td></tr>"
                for x in lines
            ]
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return (
            "<div class='hvae-progress' style='color:inherit'>"
            f"<p style='font-weight:bold;margin:.2em 0'>Exercises: {len(self.solved)} of {len(self.lines)} solved</p>"
            "<table style='border-collapse:collapse;margin:0;background:transparent;color:inherit'>"
            f"<tbody>{''.join(rows)}</tbody></table>{note}</div>"
        )


def path() -> Path:
    """Where progress is kept.

    Returns:
        The file; it need not exist.
    """
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else Path("~/.local/share/hvae_ref/progress.json").expanduser()


def read() -> tuple[dict[str, dict[str, Any]], str]:
    """Read the file.

    Returns:
        One record for every exercise that was tried (``status``, ``attempts``, ``first_passed``), and a note for
        the reader: empty, or what was wrong with the file and where it is now.
    """
    try:
        return _load()
    except OSError as error:
        return {}, f"Progress cannot be read ({error})."


def record(exercise: str, passed: bool) -> str:
    """Record one attempt. A solved exercise stays solved.

    Args:
        exercise: Id of the exercise.
        passed: Whether the answer was right.

    Returns:
        A note for the reader: empty, or why the attempt could not be written down.
    """
    try:
        records, note = _load()
        entry = records.setdefault(exercise, {"status": "failed", "attempts": 0, "first_passed": None})
        entry["attempts"] += 1
        if passed and entry["status"] != "passed":
            entry |= {"status": "passed", "first_passed": datetime.now(UTC).isoformat(timespec="seconds")}
        _write(records)
    except OSError as error:
        return f"Progress was not saved ({error})."
    return note


def reset_progress() -> None:
    """Remove the file, and with it what has been solved."""
    path().unlink(missing_ok=True)


def table(exercises: Mapping[str, tuple[str, str]]) -> Progress:
    """Put the file and the list of exercises together.

    Args:
        exercises: Title and kind of every exercise, by id, in order.

    Returns:
        The table.
    """
    records, note = read()
    lines = []
    for id_, (title, kind) in exercises.items():
        entry = records.get(id_, {"status": "not attempted", "attempts": 0})
        lines.append(Line(id_, title, kind, entry["status"], entry["attempts"]))
    return Progress(tuple(lines), note)


def _load() -> tuple[dict[str, dict[str, Any]], str]:
    """Read the file; raise OSError where it can neither be read nor renamed, so that it is not overwritten."""
    file = path()
    try:
        return _records(json.loads(file.read_text(encoding="utf-8"))), ""
    except FileNotFoundError:
        return {}, ""
    except ValueError as error:  # not JSON, not UTF-8, or not what this module writes
        return {}, _set_aside(file, error)


def _records(content: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """Check the content of the file; anything unexpected is an error."""
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise ValueError(f"expected version {_VERSION} of the progress file")
    records = content.get("exercises")
    if not isinstance(records, dict):
        raise ValueError("expected an object under 'exercises'")
    for id_, entry in records.items():
        if not isinstance(entry, dict) or entry.get("status") not in ("passed", "failed"):
            raise ValueError(f"expected a status for exercise {id_}")
        if not isinstance(entry.get("attempts"), int):
            raise ValueError(f"expected a number of attempts for exercise {id_}")
    return records


def _write(records: dict[str, dict[str, Any]]) -> None:
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump({"version": _VERSION, "exercises": records}, out, indent=1, sort_keys=True)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _set_aside(file: Path, reason: Exception) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = file.with_name(f"{file.name}.unreadable-{stamp}")
    os.replace(file, kept)
    return f"The progress file could not be read ({reason}); it is kept as {kept}, and a new one begins."


def _count(lines: list[Line]) -> str:
    return f"{sum(x.status == 'passed' for x in lines)} of {len(lines)}"


def _tries(line: Line) -> str:
    return f" ({line.attempts} {'try' if line.attempts == 1 else 'tries'})" if line.attempts else ""
