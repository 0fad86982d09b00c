"""One address, everywhere the same, and changed everywhere by one command."""

import json
import re
import shutil
import tomllib

import pytest
import yaml

from tools import chapters
from tools.repository import ROOT, Repository, configured
from tools.set_repository import addresses, set_repository, texts

HERE = configured()
# Files that repeat the address, and how many different ways of writing it each needs.
REPEATED = ("pyproject.toml", "CITATION.cff", "README.md", "CONTRIBUTING.md", "tools/templates/first_cell.py")


def test_the_configuration_is_read_as_yaml_reads_it():
    assert yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"] == HERE.url


def test_pyproject_and_citation_agree():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert urls == {"Homepage": HERE.site, "Repository": HERE.url}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["repository-code"], citation["url"]) == (HERE.url, HERE.site)


@pytest.mark.parametrize("name", REPEATED)
def test_file_repeats_the_address(name):
    text = (ROOT / name).read_text()
    assert any(address in text for address in addresses(HERE))


def test_every_colab_link_is_ours_and_names_a_chapter():
    link = re.compile(r"colab\.research\.google\.com/github/([^\s)\"'>]+)")
    names = {path.name for path in chapters.paths()}
    for path in (*texts(ROOT / "chapters"), *texts(ROOT / "book"), ROOT / "README.md"):
        for target in link.findall(path.read_text()):
            if "{" in target:
                continue  # a template that code fills in from _config.yml
            owner, name, *_, notebook = target.split("/")
            assert (owner, name) == (HERE.owner, HERE.name), f"{path}: {target}"
            assert notebook in names, f"{path}: {target}"


@pytest.fixture
def copy(tmp_path):
    """A copy of the project's text files; of the notebooks, whose outputs are long, one stands for all."""
    others = chapters.paths()[1:]
    for path in set(texts(ROOT)) - set(others):
        there = tmp_path / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)
    return tmp_path


def test_one_command_changes_it_everywhere(copy):
    new = Repository("someone-else", "another.name")
    changed = set_repository(new, copy)
    assert configured(copy) == new
    assert {copy / name for name in REPEATED} <= set(changed)
    left = [str(path) for path in texts(copy) if any(address in path.read_text() for address in addresses(HERE))]
    assert left == []
    assert set_repository(HERE, copy) == changed, "and back again"
    for path in texts(copy):
        assert path.read_bytes() == (ROOT / path.relative_to(copy)).read_bytes()


def test_fresh_outputs_stay_fresh(tmp_path):
    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    package = tmp_path / "hvae_ref"
    package.mkdir()
    (package / "__init__.py").write_text(f'__version__ = "1"\nHOME = "{HERE.url}"\n')
    path = tmp_path / "chapters" / "01_a.ipynb"
    path.parent.mkdir()
    cell = {"cell_type": "code", "source": [chapters.TEMPLATE.read_text()], "execution_count": 1, "outputs": []}
    notebook = {"cells": [cell], "metadata": {}}
    path.write_text(json.dumps(notebook))
    hashes = chapters.stamp(path, package)
    path.write_text(json.dumps({**notebook, "metadata": {"hvae_ref": hashes}}))
    assert chapters.staleness(path, package) == []
    assert set_repository(Repository("someone", "else"), tmp_path)
    assert chapters.staleness(path, package) == []
    assert hashes != chapters.read(path)["metadata"]["hvae_ref"]


def test_a_longer_name_is_another_repository(tmp_path):
    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    other = f"{HERE.url}-extras and {HERE.url}."
    (tmp_path / "page.md").write_text(other)
    set_repository(Repository("a", "b"), tmp_path)
    assert (tmp_path / "page.md").read_text() == f"{HERE.url}-extras and https://github.com/a/b."


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", "https://github.com/a/b/c"]
)
def test_an_address_colab_cannot_open_is_refused(url):
    with pytest.raises(ValueError, match="https://github.com/OWNER/NAME"):
        Repository.parse(url)
