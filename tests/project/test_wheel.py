"""The wheel: all that a reader's machine gets."""

import zipfile

import pytest

from tools import chapters, wheel
from tools.repository import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return wheel.build(tmp_path_factory.mktemp("dist"))


def test_wheel_holds_every_file_of_the_package(built):
    package = ROOT / "hvae_ref"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".tmp"
    }
    with zipfile.ZipFile(built) as archive:
        held = {name for name in archive.namelist() if name.startswith("hvae_ref/")}
    assert held == expected


def test_wheel_carries_recipes_and_nothing_of_the_repository(built):
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
    assert any(name.startswith("hvae_ref/cli/recipes/") and name.endswith(".toml") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"hvae_ref"}


def test_an_installed_copy_is_what_runs_and_hashes_as_the_checkout(built, tmp_path):
    environment = wheel.install(built, tmp_path / "site")
    assert environment["PYTHONPATH"] == str(tmp_path / "site")
    path = chapters.paths()[0]
    assert chapters.stamp(path, tmp_path / "site" / "hvae_ref") == chapters.stamp(path)
