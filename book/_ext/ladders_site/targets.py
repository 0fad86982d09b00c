"""What a mention in a chapter may mean: equations, sections, exercises, errata of the field, glossary terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .chapters import Chapter, read_chapters, slugify
from .errata import read_errata
from .project import Project

TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")
WORDS = {
    "equation": r"equations?|eqs?\.",
    "section": "sections?",
    "exercise": "exercises?",
    "chapter": "chapters?",
}
NUMBERS = dict.fromkeys(WORDS, r"\d+\.\d+") | {"chapter": r"\d+(?!\.?\d)"}
GAP = r"\)?(?:\s*,)?\s*(?:,|–|-|and|to|or)\s*\(?"
MENTIONS = {
    kind: re.compile(rf"\b(?:{words})\s+\(?{NUMBERS[kind]}(?:{GAP}{NUMBERS[kind]})*", re.IGNORECASE)
    for kind, words in WORDS.items()
} | {
    # "chapter 2, 5 seeds" is a mention of one chapter.
    "chapter": re.compile(
        rf"\bchapters\s+{NUMBERS['chapter']}(?:{GAP}{NUMBERS['chapter']})*|\bchapter\s+{NUMBERS['chapter']}",
        re.IGNORECASE,
    )
}
CODE = re.compile(r"(?<![\w.])[A-Z]\d{1,2}(?![\w.]*\d)\b")


@dataclass(frozen=True)
class Target:
    r"""Where a link leads, and what is shown before one follows it.

    Args:
        page: name of the page, without a suffix.
        anchor: id on that page; empty for its top.
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
        self.by_kind: dict[str, dict[str, Target]] = {kind: {} for kind in WORDS}
        for chapter in read_chapters(project.root):
            self._add_chapter(chapter)
        self.errata = {
            erratum.id: Target("book/errata", f"erratum-{erratum.id.lower()}", _plain(f"Not: {erratum.wrong}"))
            for errata in read_errata(project.root).values()
            for erratum in errata
        }
        self.terms = dict(glossary(project))
        longest_first = "|".join(map(re.escape, sorted(self.terms, key=len, reverse=True)))
        self._term = re.compile(rf"(?<![\w-])({longest_first})(?:s|es)?(?![\w-])")

    def _add_chapter(self, chapter: Chapter) -> None:
        page = f"chapters/{chapter.path.stem}"
        self.by_kind["chapter"][str(chapter.number)] = Target(page, "")
        for cell in chapter.notebook["cells"]:
            if cell["cell_type"] == "markdown":
                for equation in re.findall(r"\$\$(.+?)\$\$", "".join(cell["source"]), re.DOTALL):
                    for number in TAG.findall(equation):
                        shown = f"\\[{equation.strip()}\\]"
                        self.by_kind["equation"][number] = Target(page, anchor_of(number), shown)
        for level, text in chapter.headings:
            match = re.match(rf"({NUMBERS['section']})\s", text)
            if level == 2 and match:
                self.by_kind["section"][match[1]] = Target(page, slugify(text), text)
        for exercise in chapter.exercises():
            self.by_kind["exercise"][exercise.number] = Target(page, exercise.anchor, exercise.title)

    def find(self, text: str) -> Iterator[tuple[int, int, Target]]:
        """Where in a text something is mentioned: start and end of the words, and what they mean."""
        for kind, pattern in MENTIONS.items():
            for match in pattern.finditer(text):
                start = match.start()
                for number in re.finditer(NUMBERS[kind], match.group()):
                    if target := self.by_kind[kind].get(number.group()):
                        yield start, match.start() + number.end(), target
                    start = match.start() + number.end()
                    gap = re.match(GAP, text[start : match.end()])
                    start += gap.end() if gap else 0
        for match in CODE.finditer(text):
            if target := self.errata.get(match.group()):
                yield match.start(), match.end(), target

    def find_terms(self, text: str) -> Iterator[tuple[int, int, Target]]:
        """Where in a text a glossary term is used: start and end of the words, and what they mean."""
        for match in self._term.finditer(text.lower()):
            yield match.start(), match.end(), self.terms[match[1]]


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
