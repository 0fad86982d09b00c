"""The reference is read from sources, never imported."""

import subprocess
import sys

import pytest
from ladders_site.api import api_index, api_reference, api_rest, exported_names, public_modules
from ladders_site.project import Project

SOURCE = '''"""A module."""

from dataclasses import dataclass

LIMIT = 3
"""The limit."""
HIDDEN = 4


def visible(x: int, /, y: float = 1.0, *rest: str, deep: bool = False, **more: int) -> tuple[int, float]:
    """Show it."""


def _private():
    """Not shown."""


@dataclass
class Point:
    """A point."""

    x: float
    y: float = 0.0

    @property
    def norm(self) -> float:
        """Its length."""

    def move(self, by: float) -> "Point":
        """Move it."""

    @staticmethod
    def origin(scale: float) -> "Point":
        """The origin."""

    def silent(self) -> None:
        pass
'''


@pytest.fixture
def small(tmp_path):
    (tmp_path / "_config.yml").write_text("repository: {url: 'https://github.com/o/n', branch: main}\n")
    package = tmp_path / "hvae_ref" / "shapes"
    package.mkdir(parents=True)
    (tmp_path / "hvae_ref" / "__init__.py").write_text("")
    (package / "__init__.py").write_text('"""Shapes."""\nfrom hvae_ref.shapes.point import Point\n')
    (package / "point.py").write_text(SOURCE)
    (package / "_inner.py").write_text('"""Inner."""\ndef seen():\n    """No."""\n')
    return Project(tmp_path)


def test_public_names_with_their_signatures(small):
    text = api_reference(small, "hvae_ref.shapes")
    assert "hvae_ref.shapes.point.visible(" in text and "    *rest: str,\n    deep: bool = False," in text
    assert "class hvae_ref.shapes.Point(x: float, y: float = 0.0)" in text
    assert "Point.norm: float" in text
    assert "Point.move(by: float) -> 'Point'" in text
    assert "Point.origin(scale: float) -> 'Point'" in text
    assert "hvae_ref.shapes.point.LIMIT = 3" in text and "The limit." in text
    for absent in ("_private", "HIDDEN", "silent", "seen"):
        assert absent not in text


def test_every_name_links_to_its_source(small):
    line = SOURCE.splitlines().index("class Point:") + 1
    assert f"https://github.com/o/n/blob/main/hvae_ref/shapes/point.py#L{line}" in api_reference(
        small, "hvae_ref.shapes"
    )


def test_all_decides_what_is_public(small):
    path = small.root / "hvae_ref" / "shapes" / "point.py"
    path.write_text(SOURCE + '\n__all__ = ["Point"]\n')
    text = api_reference(small, "hvae_ref.shapes")
    assert "Point" in text and "visible" not in text


def test_a_name_is_shown_by_its_shortest_path(small):
    assert exported_names(public_modules(small.root, "hvae_ref.shapes")) == {
        ("hvae_ref.shapes.point", "Point"): "hvae_ref.shapes.Point"
    }


def test_an_unknown_package_is_an_error(small):
    with pytest.raises(LookupError, match="nowhere"):
        api_reference(small, "hvae_ref.nowhere")


def test_nothing_is_left_out(small):
    pages = small.root / "book" / "api"
    pages.mkdir(parents=True)
    (small.root / "hvae_ref" / "extra.py").write_text('"""Extra."""\ndef more():\n    """More."""\n')
    (pages / "shapes.md").write_text("<!-- generate: api hvae_ref.shapes -->\n")
    assert "more" in api_rest(small) and "Point" not in api_rest(small)
    assert "hvae_ref.extra" in api_index(small) and "hvae_ref.shapes.point" in api_index(small)


def test_neither_torch_nor_the_package_is_imported(root):
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'book/_ext')\n"
        "from ladders_site.api import api_reference; from ladders_site.project import Project\n"
        "assert len(api_reference(Project(Path.cwd()), 'hvae_ref.models')) > 1000\n"
        "assert not {'torch', 'hvae_ref', 'sphinx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
