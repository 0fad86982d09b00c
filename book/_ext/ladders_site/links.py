"""Links that portable Markdown cannot write: mentions of equations, sections, exercises, errata and glossary terms.

A chapter says "equation 2.3", "section 1.4", "exercise 3.7" or "(O5)", as Colab and GitHub show it. On the site each
of them is a link, and what stands at its other end is shown on hover and on focus (`_static/preview.js`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

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
SILENT = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.math, nodes.math_block, nodes.raw,
          nodes.rubric, addnodes.desc, nodes.term)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where a link leads, and what is shown before one follows it.

    Args:
        page: name of the page, without a suffix.
        anchor: id on that page.
        preview: plain text with TeX between `\\(` and `\\)`; may be empty.
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


class EquationAnchors(SphinxTransform):
    r"""Gives every equation with a `\tag` an id that a link can name."""

    default_priority = 600

    def apply(self, **kwargs: Any) -> None:
        """Mark the equations of the page."""
        for node in self.document.findall(nodes.math_block):
            for number in TAG.findall(node.astext()):
                node["ids"].append(anchor_of(number))


class LinkedMentions(SphinxPostTransform):
    """Makes a link of every mention, and of the first use of a glossary term in each section."""

    default_priority = 400
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Link the page's mentions."""
        page = self.env.docname
        if not page.startswith(("chapters/", "book/")) or page.startswith("book/api"):
            return
        targets = self.app.ladders_targets
        seen: set[tuple[int, str]] = set()
        for text in list(self.document.findall(nodes.Text)):
            if text.parent is None or any(isinstance(parent, SILENT) for parent in _ancestors(text)):
                continue
            section = next((id(parent) for parent in _ancestors(text) if isinstance(parent, nodes.section)), 0)
            found = sorted(targets.find(text), key=lambda place: place[:2])
            if page.startswith("chapters/"):
                found += list(self._terms(text, section, seen, targets))
            self._replace(text, sorted(found, key=lambda place: place[:2]))

    def _terms(
        self, text: str, section: int, seen: set[tuple[int, str]], targets: Targets
    ) -> Iterator[tuple[int, int, Target]]:
        lower = text.lower()
        for match in _pattern(targets).finditer(lower):
            target = targets.terms[match.group(1)]
            if (section, target.anchor) not in seen:
                seen.add((section, target.anchor))
                yield match.start(), match.end(), target

    def _replace(self, text: nodes.Text, places: list[tuple[int, int, Target]]) -> None:
        parts: list[nodes.Node] = []
        at = 0
        for start, end, target in places:
            if start < at:
                continue
            parts += [nodes.Text(text[at:start])] if start > at else []
            parts.append(self._link(text[start:end], target))
            at = end
        if parts:
            text.parent.replace(text, [*parts, *([nodes.Text(text[at:])] if at < len(text) else [])])

    def _link(self, words: str, target: Target) -> nodes.reference:
        page = self.env.docname
        away = "" if target.page == page else self.app.builder.get_relative_uri(page, target.page)
        kind = "term" if target.page == "book/glossary" else "mention"
        link = nodes.reference("", words, internal=True, refuri=f"{away}#{target.anchor}", classes=["preview", kind])
        if away == "":
            link["refid"] = target.anchor
            del link["refuri"]
        used = getattr(self.env, "ladders_previews", None)
        if used is None:
            used = self.env.ladders_previews = {}
        if target.preview:
            used.setdefault(page, {})[target.anchor] = target.preview
        return link


def previews(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.Node | None) -> None:
    """Add to a page the texts that its links show."""
    found = getattr(app.env, "ladders_previews", {}).get(page)
    if found:
        data = json.dumps(found, ensure_ascii=False).replace("</", "<\\/")
        context["body"] += f'\n<script type="application/json" id="previews">{data}</script>\n'
        app.add_js_file("preview.js", defer="defer")


def connect(app: Sphinx, project: Project) -> None:
    """Connect to a Sphinx application; the targets are read once a build."""
    app.ladders_targets = Targets(project)
    app.add_transform(EquationAnchors)
    app.add_post_transform(LinkedMentions)
    app.connect("html-page-context", previews)


def _pattern(targets: Targets) -> re.Pattern[str]:
    if not hasattr(targets, "pattern"):
        words = sorted(targets.terms, key=len, reverse=True)
        targets.pattern = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, words)) + r")(?:s|es)?(?![\w-])")
    return targets.pattern


def _ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def _plain(markdown: str) -> str:
    r"""A definition as text: citations and emphasis go, mathematics stays, between `\(` and `\)`."""
    text = re.sub(r"\s*\{\w+(?::\w+)?\}`[^`]*`", "", markdown)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    text = re.sub(r"\$([^$]+)\$", r"\\(\1\\)", text)
    return re.sub(r"[*`]", "", text)


def _term_id(term: str) -> str:
    return re.sub(r"[^\w-]+", "-", term).strip("-")
