"""Links that portable Markdown cannot write: mentions of equations, sections, exercises, chapters, errata and terms.

A page says "equation 2.3", "section 1.4", "exercise 3.7", "chapter 2" or "(O5)", as Colab and GitHub show it. On the
site each of them is a link, and what stands at its other end is shown on hover and on focus (`_static/preview.js`).
"""

from __future__ import annotations

import html
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

SILENT = (nodes.literal, nodes.literal_block, nodes.doctest_block, nodes.reference, nodes.title, nodes.rubric,
          nodes.term, nodes.math, nodes.math_block, nodes.raw, addnodes.desc_signature)  # fmt: skip
RAW = re.compile(r'class="(?:hvae-results|live)"')
"""Tables that a cell printed, and live figures: HTML whose texts mention things too."""
BETWEEN_TAGS = re.compile(r"(?<=>)[^<>]+(?=<)")


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
        if not page.startswith(("chapters/", "book/")):
            return
        targets = self.app.ladders_targets
        seen: set[tuple[int, str]] = set()
        _join_lines(self.document)
        for text in list(self.document.findall(nodes.Text)):
            if text.parent is None or any(isinstance(parent, SILENT) for parent in _ancestors(text)):
                continue
            section = next((id(parent) for parent in _ancestors(text) if isinstance(parent, nodes.section)), 0)
            found = sorted(targets.find(text), key=lambda place: place[:2])
            if not page.startswith("book/api"):
                found += list(self._terms(text, section, seen, targets))
            self._replace(text, sorted(found, key=lambda place: (place[0], -place[1])))
        for raw in list(self.document.findall(nodes.raw)):
            if RAW.search(raw.astext()):
                linked = BETWEEN_TAGS.sub(lambda words: self._in_raw(words.group(), targets), raw.astext())
                raw.replace_self(nodes.raw("", linked, format="html"))

    def _terms(
        self, text: str, section: int, seen: set[tuple[int, str]], targets: Targets
    ) -> Iterator[tuple[int, int, Target]]:
        for start, end, target in targets.find_terms(text):
            if (section, target.anchor) not in seen:
                seen.add((section, target.anchor))
                yield start, end, target

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

    def _in_raw(self, text: str, targets: Targets) -> str:
        """A text between tags with its mentions linked."""
        parts, at = [], 0
        for start, end, target in sorted(targets.find(text), key=lambda place: place[:2]):
            uri = html.escape(self._address(target), quote=True)
            kind = html.escape(" ".join(self._classes(target)), quote=True)
            parts += [text[at:start], f'<a class="reference internal {kind}" href="{uri}">{text[start:end]}</a>']
            at = end
        return "".join([*parts, text[at:]])

    def _link(self, words: str, target: Target) -> nodes.reference:
        uri = self._address(target)
        link = nodes.reference("", words, internal=True, refuri=uri, classes=self._classes(target))
        if uri.startswith("#") and uri != "#":
            link["refid"] = uri[1:]
            del link["refuri"]
        return link

    def _classes(self, target: Target) -> list[str]:
        kind = "term" if target.page == "book/glossary" else "mention"
        return ["preview", kind] if target.preview else [kind]

    def _address(self, target: Target) -> str:
        """Where a link leads from this page; what it shows is noted for `previews`."""
        page = self.env.docname
        slugs = self.env.metadata.get(target.page, {}).get("myst_slugs", {})
        anchor = slugs[target.anchor][1] if target.anchor in slugs else target.anchor
        away = "" if target.page == page else self.app.builder.get_relative_uri(page, target.page)
        used = getattr(self.env, "ladders_previews", None)
        if used is None:
            used = self.env.ladders_previews = {}
        if target.preview and page != "book/intro":  # the front page does without a formula engine
            used.setdefault(page, {})[anchor] = target.preview
        return f"{away}#{anchor}" if anchor or not away else away


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


def _join_lines(document: nodes.document) -> None:
    """Make one text of the lines of a paragraph, which are parsed one by one: a mention may go over the end of one."""
    for element in document.findall(nodes.Element):
        if any(isinstance(node, nodes.Text) for node in element.children[1:]):
            joined: list[nodes.Node] = []
            for node in element.children:
                if joined and isinstance(node, nodes.Text) and isinstance(joined[-1], nodes.Text):
                    joined[-1] = nodes.Text(joined[-1] + node)
                else:
                    joined.append(node)
            element.children = []
            element.extend(joined)


def _ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node
