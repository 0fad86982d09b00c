"""The first code cell of every chapter, run where hvae_ref is there and where it, or an extra, has to be installed."""

import subprocess
import sys
import types
import warnings
from importlib import metadata, util

import pytest

from tools import chapters
from tools.chapters import TEMPLATE
from tools.extras import extras, modules_of
from tools.repository import configured


def code(needs="course"):
    source = TEMPLATE.read_text().replace('needs = "course"', f'needs = "{needs}"')
    return compile(source, str(TEMPLATE), "exec")


@pytest.fixture(autouse=True)
def _filters():
    with warnings.catch_warnings():
        yield


@pytest.fixture
def absent():
    """Names of modules that are not to be found; tests add to it."""
    return {"hvae_ref"}


@pytest.fixture
def pip(monkeypatch, absent):
    """A machine without `absent`; answers the list of what pip is asked for."""
    calls = []

    def run(command, check):
        assert check, "a failed installation must not pass silently"
        calls.append(command)

    find_spec = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name in absent else find_spec(name))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("HVAE_REF_SOURCE", raising=False)
    return calls


def test_nothing_is_installed_where_all_is_there(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("the cell started a process"))
    exec(code("course,abr,features,tensorboard"), {})
    shown = capsys.readouterr().out
    assert shown.startswith("hvae_ref ") and "torch" in shown and shown.count("\n") == 1


def test_installs_from_the_repository_and_holds_what_is_there(pip):
    exec(code(), {})
    (command,) = pip
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert f"hvae-ref[course] @ git+{configured().url}" in command
    for name in ("torch", "numpy", "scikit-learn", "matplotlib", "ipython", "pillow"):
        assert f"{name}=={metadata.version(name)}" in command
    assert not {"-U", "--upgrade", "--force-reinstall"} & set(command)


@pytest.mark.parametrize(
    ("needs", "module"), [("course,features", "torch_geometric"), ("course,abr,tensorboard", "tensorboard")]
)
def test_an_extra_that_is_missing_is_installed_though_the_package_is_there(pip, absent, needs, module):
    absent.clear()
    absent.add(module)
    exec(code(), {})
    assert pip == [], "this chapter does not need it"
    exec(code(needs), {})
    (command,) = pip
    assert f"hvae-ref[{needs}] @ git+{configured().url}" in command


def test_environment_variable_overrides_the_source(pip, monkeypatch):
    monkeypatch.setenv("HVAE_REF_SOURCE", "file:///somewhere/hvae_ref-0.1.0-py3-none-any.whl")
    exec(code("course,features"), {})
    (command,) = pip
    assert "hvae-ref[course,features] @ file:///somewhere/hvae_ref-0.1.0-py3-none-any.whl" in command
    assert not any("git+" in word for word in command)


def test_a_second_version_on_the_path_gives_no_second_pin(pip, monkeypatch):
    """As on Colab after an upgrade; pip refuses numpy==1 with numpy==2, and the one that is imported stays."""
    import numpy

    real = list(metadata.distributions())
    left = [types.SimpleNamespace(name="numpy", version="1.26.4"), types.SimpleNamespace(name=None, version=None)]
    left.append(types.SimpleNamespace(name="Pillow", version="9.0"))
    for distributions in ([*left[:2], *real], [*real, *left]):
        pip.clear()
        monkeypatch.setattr(metadata, "distributions", lambda found=distributions: iter(found))
        exec(code(), {})
        (command,) = pip
        pins = [word for word in command if "==" in word]
        assert len(pins) == len({pin.split("==")[0] for pin in pins}) >= 8
        assert f"numpy=={numpy.__version__}" in pins and f"pillow=={metadata.version('pillow')}" in pins


def test_no_warning_of_widgets_is_shown(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    warnings.simplefilter("error")
    exec(code(), {})
    warnings.warn("IProgress not found. Please update jupyter and ipywidgets.", UserWarning, stacklevel=1)
    order = TEMPLATE.read_text()
    assert order.index("warnings.filterwarnings") < order.index("import torch"), "torch imports tqdm.auto, which warns"


def test_signs_are_modules_that_the_extras_bring():
    scope = {}
    exec(code(), scope)
    assert all(module in modules_of(extra) for extra, module in scope["signs"].items())
    assert {*chapters.NEEDS.values(), "course"} == scope["signs"].keys() <= extras().keys()


def test_each_chapter_installs_what_it_uses():
    needs = {int(path.name[:2]): chapters.needs(path) for path in chapters.paths()}
    assert needs[6] == "course,abr" and needs[7] == "course,features"
    assert {needs[number] for number in range(1, 6)} == {"course"}
