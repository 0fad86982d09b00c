"""The built site, and the code that builds its computed parts."""

import os
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What the tests want to know of one HTML page: its elements with their attributes, its ids, its visible prose."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.elements: list[tuple[str, dict[str, str], bool]] = []
        self.ids: set[str] = set()
        self.prose: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        classes = attributes.get("class", "").split()
        silent, article = self._open[-1][1:] if self._open else (False, False)
        silent = (
            silent
            or tag in {"script", "style", "pre", "code", "title", "textarea"}
            or bool({"math", "sig"} & set(classes))
        )
        article = article or "bd-article" in classes
        self.elements.append((tag, attributes, article))
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag not in VOID:
            self._open.append((tag, silent, article))

    def handle_endtag(self, tag):
        if any(tag == name for name, _, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        if self._open and self._open[-1][2] and not self._open[-1][1]:
            self.prose.append(data)

    def all(self, *tags):
        """Attributes of all elements of these kinds."""
        return [attributes for tag, attributes, _ in self.elements if tag in tags]


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def project():
    """The repository as the pages see it."""
    from ladders_site.project import Project

    return Project(ROOT)


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    folder = Path(os.environ.get("HVAE_REF_SITE", ROOT / "_build" / "html")).resolve()
    if not (folder / "index.html").is_file():
        pytest.fail(
            f"There is no site in {folder}. Build it with `make book`, or name another folder in HVAE_REF_SITE."
        )
    return folder


@pytest.fixture(scope="session")
def pages(site):
    """Every page of the site by its path, such as `book/intro.html`."""
    paths = [path for folder in ("book", "chapters") for path in sorted((site / folder).rglob("*.html"))]
    return {path.relative_to(site).as_posix(): Page(path) for path in paths}
