"""Errata of the field: what circulates, what is right, and the test in this repository that proves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .chapters import read_chapters
from .exercises import recognising_exercises
from .project import Project

FIELDS = {"id", "wrong", "right", "met_in", "chapter", "tests"}


@dataclass(frozen=True)
class Erratum:
    """One circulating mistake.

    Args:
        id: the name under which exercises recognise it, `O5` for instance.
        wrong: what circulates, as Markdown.
        right: what is right, as Markdown.
        met_in: where it was met, as Markdown.
        chapter: number of the chapter that shows it failing.
        tests: pytest ids of the tests that prove it.
    """

    id: str
    wrong: str
    right: str
    met_in: str
    chapter: int
    tests: list[str] = field(default_factory=list)


def read_errata(root: Path) -> dict[str, list[Erratum]]:
    """Read `book/_data/errata.yml`: groups of errata by the group's title.

    Raises:
        ValueError: where an entry has other fields than an erratum has, or two entries share an id.
    """
    groups: dict[str, list[dict[str, Any]]] = yaml.safe_load(
        (root / "book" / "_data" / "errata.yml").read_text(encoding="utf-8")
    )
    seen: set[str] = set()
    answer = {}
    for title, entries in groups.items():
        answer[title] = []
        for entry in entries:
            if set(entry) != FIELDS:
                raise ValueError(f"errata entry: expected the fields {sorted(FIELDS)}, got {sorted(entry)}")
            if entry["id"] in seen:
                raise ValueError(f"errata entry: expected an id used once, got {entry['id']!r} again")
            seen.add(entry["id"])
            answer[title].append(Erratum(**{key: _one_line(value) for key, value in entry.items()}))
    return answer


def errata_table(project: Project) -> str:
    """Write the errata: a section a group, a card an erratum, with links to chapter, exercises and tests."""
    recognised = recognising_exercises(project.root)
    places = {
        exercise.number: f"/chapters/{chapter.path.name}#{exercise.anchor}"
        for chapter in read_chapters(project.root)
        for exercise in chapter.exercises()
    }
    parts = []
    for title, errata in read_errata(project.root).items():
        parts.append(f"## {title}")
        for erratum in errata:
            exercises = [number for number in recognised.get(erratum.id, []) if number in places]
            facts = {
                "circulates": erratum.wrong,
                "right": erratum.right,
                "met in": erratum.met_in,
                "shown in": _chapter(project, erratum.chapter),
                "recognised by": ", ".join(f"[exercise {number}]({places[number]})" for number in exercises),
                "proved by": _tests(project, erratum.tests),
            }
            card = "\n\n".join(f"{name}\n: {text}" for name, text in facts.items() if text)
            parts.append(f"(erratum-{erratum.id.lower()})=\n\n:::{{div}} erratum\n**{erratum.id}**\n\n{card}\n:::")
    return "\n\n".join(parts)


def _one_line(value: Any) -> Any:  # noqa: ANN401 (whatever YAML holds)
    return " ".join(value.split()) if isinstance(value, str) else value


def _chapter(project: Project, number: int) -> str:
    found = sorted((project.root / "chapters").glob(f"{number:02d}_*.ipynb"))
    return f"[chapter {number}](/chapters/{found[0].name})" if found else f"chapter {number}"


def _tests(project: Project, tests: list[str]) -> str:
    """Link each test to its line; a test that does not exist is an error, so no link is ever dead."""
    links = [
        f"[`{test.split('::')[-1]}`]({project.blob(test.split('::')[0], project.test_line(test))})" for test in tests
    ]
    return ", ".join(links)
