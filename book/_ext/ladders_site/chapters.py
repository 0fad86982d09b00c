"""Chapters as files: titles, headings, exercises and measured times, read from the notebooks without running them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
EXERCISE = re.compile(r"^Exercise\s+(\d+\.\d+)\s*[·:.\-–—]?\s*(.*)$")
FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True)
class Exercise:
    """One exercise as its chapter announces it: number, title, kind (or nothing) and the anchor of its heading."""

    number: str
    title: str
    kind: str
    anchor: str


@dataclass(frozen=True)
class Chapter:
    """One notebook of `chapters/`, with what the pages say about it."""

    path: Path
    notebook: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Chapter:
        """Read a notebook from a file."""
        return cls(path, json.loads(path.read_text(encoding="utf-8")))

    @property
    def number(self) -> int:
        """The chapter's number, from its file name."""
        return int(self.path.name.split("_")[0])

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Level and text of every heading, in order."""
        found = []
        for cell in self.notebook["cells"]:
            if cell["cell_type"] == "markdown":
                found += headings("".join(cell["source"]))
        return found

    @property
    def title(self) -> str:
        """The first heading of the notebook."""
        return self.headings[0][1] if self.headings else self.path.stem

    @property
    def lead(self) -> str:
        """The first paragraph of prose: what the chapter opens with."""
        for cell in self.notebook["cells"]:
            if cell["cell_type"] == "markdown":
                for paragraph in re.split(r"\n\s*\n", "".join(cell["source"])):
                    if paragraph.strip() and paragraph.strip()[0] not in "#<|![>-*$`":
                        return " ".join(paragraph.split())
        return ""

    @property
    def seconds(self) -> float | None:
        """Seconds that the committed outputs took to make, or nothing where the notebook does not say."""
        return self.notebook["metadata"].get("hvae_ref", {}).get("seconds")

    @property
    def code_cells(self) -> int:
        """How many code cells the chapter has."""
        return sum(cell["cell_type"] == "code" for cell in self.notebook["cells"])

    def exercises(self, kinds: dict[str, str] | None = None) -> list[Exercise]:
        """List the exercises by their headings, `### Exercise 2.3 · Title`.

        Args:
            kinds: kind of each exercise by its number.
        """
        slugs: dict[str, int] = {}
        found = []
        for _, text in self.headings:
            anchor = slugify(text)
            repeat = slugs.get(anchor, -1) + 1
            slugs[anchor] = repeat
            match = EXERCISE.match(text)
            if match:
                number, title = match.groups()
                found.append(
                    Exercise(number, title, (kinds or {}).get(number, ""), f"{anchor}-{repeat}" if repeat else anchor)
                )
        return found


def headings(markdown: str) -> list[tuple[int, str]]:
    """List level and text of the headings of a Markdown text, leaving out what stands in fenced code."""
    found, fenced = [], False
    for line in markdown.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        match = None if fenced else HEADING.match(line)
        if match:
            found.append((len(match[1]), match[2]))
    return found


def slugify(heading: str) -> str:
    """Turn a heading into the anchor that MyST and GitHub give it."""
    plain = re.sub(r"\$[^$]*\$", "", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower().replace(" ", "-"))


def read_chapters(root: Path) -> list[Chapter]:
    """Read all chapters, in the order of their numbers."""
    return [Chapter.read(path) for path in sorted((root / "chapters").glob("[0-9][0-9]_*.ipynb"))]
