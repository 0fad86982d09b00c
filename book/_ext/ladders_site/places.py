"""What the search page looks through: every section, glossary term, erratum and name of the finished site, as a script.

Sphinx's own index knows pages. A chapter is one page of 30 screens, so this one knows sections.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SILENT = {"script", "style", "svg", "title", "textarea", "summary"}
UNREAD = {"math", "headerlink", "cell_input", "viewcode-link", "caption-number", "prev-next-footer", "toctree-wrapper"}
"""Classes of what is shown and not searched."""
UNREPLACED = ("searchtools.js", "language_data.js", "searchindex.js")


@dataclass
class Place:
    """Where a search may lead.

    Args:
        kind: "page", "section", "exercise", "term", "erratum" or "name".
        page: file of the page, without ".html".
        anchor: id on that page; empty for its top.
        title: what it is called.
        text: what stands there.
    """

    kind: str
    page: str
    anchor: str
    title: str = ""
    text: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        """As a row of the script."""
        return [self.kind, self.page, self.anchor, _joined([self.title]), _joined(self.text)]


class Reader(HTMLParser):
    """Collects the places of one page.

    Args:
        page: file of the page, without ".html".
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.places: list[Place] = []
        self._open: list[tuple[str, Place | None, bool, str]] = []  # tag, place, read at all, "title" or "text"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins, and perhaps a place with it."""
        if tag in VOID:
            return
        given = {name: value or "" for name, value in attrs}
        classes = set(given.get("class", "").split())
        _, place, read, part = self._open[-1] if self._open else ("", None, False, "text")
        read = (read or "bd-article" in classes) and tag not in SILENT and not UNREAD & classes
        if read and (kind := self._kind(tag, given.get("id", ""), classes)):
            place = Place(kind, self.page, "" if kind == "page" else given["id"])
            if kind == "name":  # a signature is read on its page
                place.title, read = given["id"].removeprefix("module-"), False
            self.places.append(place)
        if place and not place.title and (re.fullmatch("h[1-6]", tag) or (tag == "dt" and place.kind == "term")):
            part = "title"
        if place and place.kind == "erratum" and not place.title and tag == "strong":
            part = "title"
        self._open.append((tag, place, read, part))

    def handle_endtag(self, tag: str) -> None:
        """An element ends; a term and a name go on in the `<dd>` behind their `<dt>`."""
        if not any(tag == name for name, *_ in self._open):
            return
        while True:
            name, place, _, _ = self._open.pop()
            if name == tag:
                break
        if tag == "dt" and place and place.kind in ("term", "name") and self._open:
            outer, _, read, part = self._open[-1]
            self._open[-1] = (outer, place, read, part)

    def handle_data(self, data: str) -> None:
        """Words of a place."""
        if self._open:
            _, place, read, part = self._open[-1]
            if place and read:
                if part == "title":
                    place.title += data
                else:
                    place.text.append(data)

    def _kind(self, tag: str, anchor: str, classes: set[str]) -> str:
        if tag == "section" and anchor:
            if not self.places:
                return "page"
            return "exercise" if anchor.startswith("exercise-") else "section"
        if tag == "dt" and anchor.startswith("term-"):
            return "term"
        if tag == "dt" and "sig" in classes and anchor:
            return "name"
        if "erratum" in classes and anchor:
            return "erratum"
        return ""


def write_places(site: Path) -> None:
    """Write `_static/places.js`, let the search page load it, and remove the index that it replaces."""
    rows = []
    for path in sorted(page for folder in ("book", "chapters") for page in (site / folder).rglob("*.html")):
        reader = Reader(path.relative_to(site).with_suffix("").as_posix())
        reader.feed(path.read_text(encoding="utf-8"))
        rows += [place.row() for place in reader.places if place.title.strip()]
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    (site / "_static" / "places.js").write_text(f"const LadderPlaces={data};\n", encoding="utf-8")
    page = site / "search.html"
    page.write_text(with_places(page.read_text(encoding="utf-8")), encoding="utf-8")
    for name in UNREPLACED:
        for path in (site / name, site / "_static" / name):
            path.unlink(missing_ok=True)


def with_places(page: str) -> str:
    """The search page with our script in the place of Sphinx's."""
    for name in UNREPLACED:
        page = re.sub(rf'\s*<script[^>]*src="[^"]*{re.escape(name)}[^"]*"[^>]*></script>', "", page)
    scripts = '<script defer src="_static/places.js"></script>\n<script defer src="_static/search.js"></script>\n'
    return page.replace("</body>", f"{scripts}</body>")


def _joined(parts: list[str]) -> str:
    return " ".join(" ".join(parts).split())
