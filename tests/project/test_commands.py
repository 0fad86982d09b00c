"""The commands a user types: what `make` offers, and what is said when something is missing."""

import os
import re
import subprocess
import sys

import pytest

from tools import ci, environments
from tools.repository import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def make(*arguments, **environment):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


def test_help_lists_every_target_a_user_may_call():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    listed = re.findall(r"^  make (\w+) ", make().stdout, re.MULTILINE)
    assert set(listed) == set(phony.split()) - {"python"}
    assert {"help", "book", "test", "lab", "notebooks", "serve", "benchmarks"} <= set(listed)


def test_a_python_too_old_is_named_with_what_to_do(tmp_path):
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("book", f"PYTHON={old}")
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr and str(old) in done.stderr and "make book PYTHON=" in done.stderr


def test_a_missing_venv_module_is_explained(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named ensurepip' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(SystemExit, match="apt-get install python3-venv") as error:
        environments._create(tmp_path / "venv")
    assert "No module named ensurepip" in str(error.value)


def test_a_pip_that_fails_is_explained_and_tried_again(tmp_path, monkeypatch):
    folder = tmp_path / ".venvs" / "book" / "bin"
    folder.mkdir(parents=True)
    pip = folder / "python"
    # Answers the probe of `_works`, and fails as pip does without a network.
    pip.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nexit 1\n')
    pip.chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    for _ in range(2):
        with pytest.raises(SystemExit, match="No network"):
            environments.ensure("book")


def test_a_failed_step_fails_the_run_and_the_others_still_run(monkeypatch, capsys):
    ran = []

    def step(name, outcome):
        def run():
            """A step."""
            ran.append(name)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return run

    steps = {"a": step("a", False), "b": step("b", ci.Skipped("no browser")), "c": step("c", True)}
    monkeypatch.setattr(ci, "STEPS", steps)
    monkeypatch.setattr(environments, "ensure", lambda name: None)
    assert ci.main([]) == 1
    assert ran == ["a", "b", "c"]
    summary = capsys.readouterr().out.split("== summary")[1]
    assert re.search(r"a +\d+ s +FAILED", summary)
    assert re.search(r"b +\d+ s +skipped: no browser", summary)
    assert re.search(r"c +\d+ s +passed", summary)
    assert ci.main(["b", "c"]) == 0


def test_ci_runs_the_readme_command():
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert script.rstrip().endswith("exec make test")
    assert "make test" in (ROOT / "README.md").read_text()
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")]).returncode == 0
