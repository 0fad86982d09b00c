"""The commands a user types: what `make` offers, and what is said when something is missing."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools import ci, environments, offline
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


def test_an_environment_s_commands_stand_where_each_system_puts_them():
    folder = Path("venv")
    assert environments.executable(folder, "python", "posix") == folder / "bin" / "python"
    assert environments.executable(folder, "python", "nt") == folder / "Scripts" / "python.exe"
    scripts = Path(sysconfig.get_path("scripts"))
    assert environments.executable(folder, "python").parent.name == scripts.name, "as on this machine"


WINDOWS_LACKS = ("fcntl", "grp", "pwd", "resource", "termios")
COMMANDS = (
    "book",
    "chapters",
    "ci",
    "colab_rehearsal",
    "environments",
    "extras",
    "notebooks",
    "offline",
    "run_chapters",
)


def test_the_tools_import_where_modules_of_unix_are_missing():
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in WINDOWS_LACKS)
    code = f"import sys; {blocked}; import {', '.join(f'tools.{name}' for name in COMMANDS)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_tool_names_a_folder_of_one_system():
    for path in (ROOT / "tools").glob("*.py"):
        if path.name != "environments.py":
            assert '"bin"' not in path.read_text() and "Scripts" not in path.read_text(), path.name


def test_where_the_network_cannot_be_blocked_it_is_said_and_the_command_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(offline.CannotBlock, match="Linux only, this is win32"):
        offline.block_network()
    ran = []
    monkeypatch.setattr(os, "execvp", lambda *command: ran.append(command))
    monkeypatch.setattr(sys, "argv", ["offline", "python", "-V"])
    offline.main()
    assert ran == [("python", ["python", "-V"])]
    assert "could not be blocked" in capsys.readouterr().err
