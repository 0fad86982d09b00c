"""Tables of results: the shipped runs in `hvae_ref/results/*.json`.

A file holds `command`, `date`, `machine`, `versions`, perhaps `settings`, and `runs`: one record a run. Runs
that differ in nothing but their seed become one row, with mean ± standard deviation of every number.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .markdown import code, escape, table
from .project import Project

REPEATS = ("seed", "repeat", "trial")
REQUIRED = ("command", "date", "machine", "versions", "runs")


@dataclass(frozen=True)
class Look:
    """How tables are shown: titles and notes by file name, labels of columns, columns left out."""

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, root: Path) -> Look:
        """Read `book/_data/results.yml`, where there is one."""
        path = root / "book" / "_data" / "results.yml"
        return cls(**yaml.safe_load(path.read_text(encoding="utf-8"))) if path.is_file() else cls()

    def shown(self, run: dict[str, Any]) -> dict[str, Any]:
        """Answer a run without the hidden fields."""
        return {name: value for name, value in run.items() if name not in self.hidden}

    def label(self, name: str) -> str:
        """Answer the heading of a column."""
        return escape(self.labels.get(name, name.replace("_", " ")))


SPEED = "speed"


def results_tables(project: Project) -> str:
    """Write one section a file of `hvae_ref/results`, but for measurements of speed."""
    return _sections(project, speed=False)


def benchmark_tables(project: Project) -> str:
    """Write one section a file of `hvae_ref/results` that `results.yml` says is about speed."""
    return _sections(project, speed=True)


def _sections(project: Project, speed: bool) -> str:
    look = Look.read(project.root)
    order = list(look.tables)
    paths = [
        path
        for path in (project.root / "hvae_ref" / "results").glob("*.json")
        if (look.tables.get(path.stem, {}).get("about") == SPEED) == speed
    ]
    paths.sort(key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem))
    parts = [_section(project, path, look) for path in paths]
    return "\n\n".join(parts) or "*Nothing has been measured yet.*"


def _section(project: Project, path: Path, look: Look) -> str:
    """Write title, note, table and provenance of one file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    missing = [field for field in REQUIRED if field not in content]
    if missing:
        raise ValueError(f"{path.name}: expected the fields {', '.join(REQUIRED)}, got none of {', '.join(missing)}")
    named = {"title": path.stem.replace("_", " ").capitalize(), "note": "", **look.tables.get(path.stem, {})}
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    source = project.blob(path.relative_to(project.root).as_posix())
    made = f"Made by {code(content['command'])} on {content['date']}; {escape(_machine(content))}; {escape(versions)}."
    parts = [f"### {escape(named['title'])}", escape(named["note"]), runs_table(content["runs"], look)]
    parts += [f"{{.provenance}}\n{made} [All runs]({source}).", _settings(content.get("settings", {}))]
    return "\n\n".join(part for part in parts if part)


def _settings(settings: dict[str, Any]) -> str:
    """Fold away what all runs share."""
    if not settings:
        return ""
    lines = [f"- {escape(name)}: {escape(_plain(value))}" for name, value in settings.items()]
    return ":::{dropdown} Settings of all runs\n" + "\n".join(lines) + "\n:::"


def _plain(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    if isinstance(value, dict):
        return "; ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _machine(content: dict[str, Any]) -> str:
    machine = content["machine"]
    return machine if isinstance(machine, str) else ", ".join(f"{key} {value}" for key, value in machine.items())


def runs_table(runs: list[dict[str, Any]], look: Look | None = None) -> str:
    """Group runs by what is not a number and not a repetition, and show the numbers as mean ± standard deviation."""
    look = look or Look()
    flat = [_flatten(look.shown(run)) for run in runs]
    columns = list(dict.fromkeys(name for run in flat for name in run if name not in REPEATS))
    keys = {name for run in flat for name in _before_seed(list(run))}
    numeric = [
        name
        for name in columns
        if name not in keys and all(_is_number(run[name]) for run in flat if run.get(name) is not None)
    ]
    labels = [name for name in columns if name not in numeric and all(_is_label(run.get(name)) for run in flat)]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in flat:
        groups.setdefault(tuple(run.get(name) for name in labels), []).append(run)
    rows = []
    for key, members in groups.items():
        values = [[run[name] for run in members if run.get(name) is not None] for name in numeric]
        repeated = [str(len(members))] if any(len(group) > 1 for group in groups.values()) else []
        rows.append([*(_label(value) for value in key), *repeated, *(spread(value) for value in values)])
    counted = ["runs"] if rows and len(rows[0]) > len(labels) + len(numeric) else []
    header = [look.label(name) for name in [*labels, *counted, *numeric]]
    return table(header, rows, "l" * len(labels) + "r" * (len(counted) + len(numeric)))


def _before_seed(names: list[str]) -> list[str]:
    """Answer the fields that stand before the seed: they tell one run from another, even where they are numbers."""
    seeds = [names.index(name) for name in REPEATS if name in names]
    return names[: min(seeds)] if seeds else []


def spread(values: list[float]) -> str:
    """Write mean ± sample standard deviation with the digits that the spread leaves meaningful.

    >>> spread([90.0, 90.2])
    '90.10 ± 0.14'
    """
    if not values:
        return ""
    mean = statistics.fmean(values)
    if len(values) == 1 or min(values) == max(values):
        return _number(mean)
    deviation = statistics.stdev(values)
    digits = 2 if max(abs(mean), deviation) >= 0.01 else 4
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _number(value: float) -> str:
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def _flatten(run: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Lift the entries of nested records, `{"kl": {"z2": 3.1}}` to `{"kl z2": 3.1}`."""
    flat: dict[str, Any] = {}
    for name, value in run.items():
        flat |= _flatten(value, f"{prefix}{name} ") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _is_number(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_label(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    return value is None or isinstance(value, str | bool | int | float)


def _label(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else escape(str(value))
