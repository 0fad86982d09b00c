"""What a mention in a chapter may mean: equations, sections, exercises, errata of the field, glossary terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .chapters import Chapter, read_chapters, slugify
from .errata import read_errata
from .project import Project

TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")
NUMBER = r"\d+\.\d+"
AFTER = rf"(?:\s*(?:,|–|-|and|to|or)\s*{NUMBER})*"
MENTIONS = {
    kind: re.compile(rf"\b(?:{words})[\s\u00a0]+{NUMBER}{AFTER}", re.IGNORECASE)
    for kind, words in {"equation": r"equations?|eqs?\.", "section": "sections?", "exercise": "exercises?"}.items()
}
CODE = re.compile(r"(?<![\w.])[A-Z]\d{1,2}(?![\w.]*\d)\b")


@dataclass(frozen=True)
class Target:
    r"""Where a link leads, and what is shown before one follows it.

    Args:
        page: name of the page, without a suffix.
        anchor: id on that page.
        preview: plain text with TeX between `\(` and `\)`; may be empty.
    """

    page: str
    anchor: str
    preview: str = ""


class Targets:
    """Everything that a mention may mean, read from the sources.

    Args:
        project: the repository.
    """

    def __init__(self, project: Project) -> None:
        self.by_kind: dict[str, dict[str, Target]] = {"equation": {}, "section": {}, "exercise": {}}
        for chapter in read_chapters(project.root):
            self._add_chapter(chapter)
        self.errata = {
            erratum.id: Target("book/errata", f"erratum-{erratum.id.lower()}", _plain(f"Not: {erratum.wrong}"))
            for errata in read_errata(project.root).values()
            for erratum in errata
        }
        self.terms = dict(glossary(project))

    def _add_chapter(self, chapter: Chapter) -> None:
        page = f"chapters/{chapter.path.stem}"
        for cell in chapter.notebook["cells"]:
            if cell["cell_type"] == "markdown":
                for equation in re.findall(r"\$\$(.+?)\$\$", "".join(cell["source"]), re.DOTALL):
                    for number in TAG.findall(equation):
                        shown = f"\\[{equation.strip()}\\]"
                        self.by_kind["equation"][number] = Target(page, anchor_of(number), shown)
        for level, text in chapter.headings:
            match = re.match(rf"({NUMBER})\s", text)
            if level == 2 and match:
                self.by_kind["section"][match[1]] = Target(page, slugify(text), text)
        for exercise in chapter.exercises():
            self.by_kind["exercise"][exercise.number] = Target(page, exercise.anchor, exercise.title)

    def find(self, text: str) -> Iterator[tuple[int, int, Target]]:
        """Where in a text something is mentioned: start and end of the words, and what they mean."""
        for kind, pattern in MENTIONS.items():
            for match in pattern.finditer(text):
                start = match.start()
                for number in re.finditer(NUMBER, match.group()):
                    if target := self.by_kind[kind].get(number.group()):
                        yield start, match.start() + number.end(), target
                    start = match.start() + number.end()
                    gap = re.match(r"\s*(?:,|–|-|and|to|or)\s*", text[start:])
                    start += gap.end() if gap else 0
        for match in CODE.finditer(text):
            if target := self.errata.get(match.group()):
                yield match.start(), match.end(), target


def anchor_of(number: str) -> str:
    """The id of equation `number`.

    >>> anchor_of("2.3")
    'equation-2-3'
    """
    return f"equation-{number.replace('.', '-')}"


def glossary(project: Project) -> Iterator[tuple[str, Target]]:
    """The terms of `book/glossary.md`, in lower case and in both spellings, with their definitions."""
    text = (project.root / "book" / "glossary.md").read_text(encoding="utf-8")
    for term, definition in re.findall(r"^(\S.*)\n((?:  .+\n?)+)", text, re.MULTILINE):
        if term.startswith(":"):
            continue
        target = Target("book/glossary", f"term-{_term_id(term)}", _plain(" ".join(definition.split())))
        for spelling in spellings(term.lower()):
            yield spelling, target


def spellings(term: str) -> set[str]:
    """British and American.

    >>> sorted(spellings("amortised inference"))
    ['amortised inference', 'amortized inference']
    """
    pairs = (("is", "iz"), ("our", "or"))
    found = {term}
    for british, american in pairs:
        for tail in ("ed", "ing", "ation", "er") if british == "is" else ("",):
            found |= {re.sub(rf"{british}{tail}\b", american + tail, word) for word in found}
            found |= {re.sub(rf"{american}{tail}\b", british + tail, word) for word in found if british == "is"}
    return found


def _plain(markdown: str) -> str:
    r"""A definition as text: citations and emphasis go, mathematics stays, between `\(` and `\)`."""
    text = re.sub(r"\s*\{\w+(?::\w+)?\}`[^`]*`", "", markdown)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    text = re.sub(r"\$([^$]+)\$", r"\\(\1\\)", text)
    return re.sub(r"[*`]", "", text)


def _term_id(term: str) -> str:
    return re.sub(r"[^\w-]+", "-", term).strip("-")
