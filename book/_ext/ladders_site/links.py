"""Links that portable Markdown cannot write: mentions of equations, sections, exercises, errata and glossary terms.

A chapter says "equation 2.3", "section 1.4", "exercise 3.7" or "(O5)", as Colab and GitHub show it. On the site each
of them is a link, and what stands at its other end is shown on hover and on focus (`_static/preview.js`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from .project import Project
from .targets import TAG, Target, Targets, anchor_of

SILENT = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.math, nodes.math_block, nodes.raw,
          nodes.rubric, addnodes.desc, nodes.term)  # fmt: skip


class EquationAnchors(SphinxTransform):
    r"""Gives every equation with a `\tag` an id that a link can name."""

    default_priority = 600

    def apply(self) -> None:
        """Mark the equations of the page."""
        for node in self.document.findall(nodes.math_block):
            for number in TAG.findall(node.astext()):
                node["ids"].append(anchor_of(number))


class LinkedMentions(SphinxPostTransform):
    """Makes a link of every mention, and of the first use of a glossary term in each section."""

    default_priority = 400
    formats = ("html",)

    def run(self) -> None:
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
        slugs = self.env.metadata.get(target.page, {}).get("myst_slugs", {})
        anchor = slugs[target.anchor][1] if target.anchor in slugs else target.anchor
        away = "" if target.page == page else self.app.builder.get_relative_uri(page, target.page)
        kind = "term" if target.page == "book/glossary" else "mention"
        link = nodes.reference("", words, internal=True, refuri=f"{away}#{anchor}", classes=["preview", kind])
        if away == "":
            link["refid"] = anchor
            del link["refuri"]
        used = getattr(self.env, "ladders_previews", None)
        if used is None:
            used = self.env.ladders_previews = {}
        if target.preview and page != "book/intro":  # the front page does without a formula engine
            used.setdefault(page, {})[anchor] = target.preview
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
