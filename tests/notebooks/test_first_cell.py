"""The first code cell of every chapter, run where hvae_ref is there and where it has to be installed."""

import subprocess
import sys
from importlib import metadata, util

import pytest

from tools.chapters import TEMPLATE
from tools.repository import configured

CODE = compile(TEMPLATE.read_text(), str(TEMPLATE), "exec")


@pytest.fixture
def pip(monkeypatch):
    """A machine without hvae_ref; answers the list of what pip is asked for."""
    calls = []

    def run(command, check):
        assert check, "a failed installation must not pass silently"
        calls.append(command)

    find_spec = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "hvae_ref" else find_spec(name))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("HVAE_REF_SOURCE", raising=False)
    return calls


def test_nothing_is_installed_where_the_package_is_there(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("the cell started a process"))
    exec(CODE, {})
    shown = capsys.readouterr().out
    assert shown.startswith("hvae_ref ") and "torch" in shown and shown.count("\n") == 1


def test_installs_from_the_repository_and_holds_what_is_there(pip):
    exec(CODE, {})
    (command,) = pip
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert f"hvae-ref @ git+{configured().url}" in command
    for name in ("torch", "numpy", "scikit-learn", "matplotlib", "ipython"):
        assert f"{name}=={metadata.version(name)}" in command
    assert not {"-U", "--upgrade", "--force-reinstall"} & set(command)


def test_environment_variable_overrides_the_source(pip, monkeypatch):
    monkeypatch.setenv("HVAE_REF_SOURCE", "/somewhere/hvae_ref-0.1.0-py3-none-any.whl")
    exec(CODE, {})
    (command,) = pip
    assert "/somewhere/hvae_ref-0.1.0-py3-none-any.whl" in command
    assert not any("git+" in word for word in command)
