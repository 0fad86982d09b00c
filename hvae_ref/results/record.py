"""Write and read measured runs: atomic, resumable, with their provenance."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from hvae_ref.errors import did_you_mean

FOLDER = Path(__file__).parent
PACKAGES = ("hvae-ref", "torch", "numpy", "accelerate", "scikit-learn")


def _processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def provenance(command: str) -> dict[str, Any]:
    """What made a result: command, day, machine and versions of the packages that matter.

    Args:
        command: the command line that makes the result again from the repository's root.
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": command,
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.machine()}",
        "versions": versions,
    }


def atomic_write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a run that is killed, sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Record:
    """A table of runs in a JSON file, appended one run at a time, so that a killed study goes on where it was.

    Args:
        path: the file; an existing one is read and continued.
        key: names of the fields that tell one run from another, such as ("model", "variant", "seed").
        command: the command line that makes the table again.
        settings: what all runs share.

    Raises:
        ValueError: where the file exists but was made with other settings, or is no whole table; delete it or choose
            another path.
    """

    def __init__(self, path: Path, key: tuple[str, ...], command: str, settings: Mapping[str, Any]) -> None:
        self.path, self.key = Path(path), key
        wanted = json.loads(json.dumps(dict(settings)))
        if self.path.exists():
            self.content = _table(self.path)
            if self.content.get("settings") != wanted:
                raise ValueError(f"{self.path}: made with other settings; delete it or choose another path")
            self.content |= provenance(command)
        else:
            self.content = {**provenance(command), "settings": wanted, "runs": []}

    @property
    def runs(self) -> list[dict[str, Any]]:
        """All runs so far."""
        return self.content["runs"]

    def has(self, **key: Any) -> bool:  # noqa: ANN401 (any JSON value)
        """Whether a run with these key fields is in the table."""
        return any(all(run.get(name) == key[name] for name in self.key) for run in self.runs)

    def add(self, **run: Any) -> None:  # noqa: ANN401 (any JSON value)
        """Append one run and write the file.

        Raises:
            ValueError: for a run without its key fields, or one that is in the table already.
        """
        missing = [name for name in self.key if name not in run]
        if missing:
            raise ValueError(f"run: missing the key fields {', '.join(missing)}")
        if self.has(**run):
            told = ", ".join(f"{name}={run[name]!r}" for name in self.key)
            raise ValueError(f"run: expected one that {self.path} does not hold yet, got {told} again")
        self.runs.append(run)
        self.save()

    def save(self, **extra: Any) -> None:  # noqa: ANN401 (any JSON value)
        """Write the file, with extra fields beside the runs."""
        self.content |= extra
        atomic_write_text(self.path, _one_run_a_line(self.content))


def _table(path: Path) -> dict[str, Any]:
    """The content of a table's file, with or without a byte order mark."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: not a whole JSON file ({error}); restore it, or delete it") from error
    runs = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise ValueError(f"{path}: expected a table with runs, got other JSON; choose another path")
    return content


def _one_run_a_line(content: Mapping[str, Any]) -> str:
    """JSON whose diffs can be read: every field and every run on a line of its own."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in content.items() if name != "runs"]
    runs = ",\n  ".join(json.dumps(run) for run in content["runs"])
    return "{\n" + ",\n".join([*lines, f'"runs": [\n  {runs}\n]']) + "\n}\n"


def names() -> tuple[str, ...]:
    """Names of the tables that ship with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def load(name: str) -> dict[str, Any]:
    """A shipped table: `command`, `date`, `machine`, `versions`, `settings`, `runs` and what else its study wrote.

    Raises:
        ValueError: for an unknown name, with the closest one.
    """
    if name not in names():
        hint = did_you_mean(name, names(), f"; there are {', '.join(names()) or 'none'}")
        raise ValueError(f"name: no result called {name!r}{hint}")
    return json.loads((FOLDER / f"{name}.json").read_text())


def mean_and_sd(values: Iterable[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; the latter is 0 for a single value.

    >>> mean_and_sd([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    values = [float(value) for value in values]
    if not values:
        raise ValueError("values: expected at least one, got none")
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def command_line(script: str) -> str:
    """The command that is running, as one would type it from the repository's root."""
    return " ".join(["python", script, *sys.argv[1:]])
