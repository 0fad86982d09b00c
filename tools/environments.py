"""The project's virtual environments under `.venvs/`, kept in step with pyproject.toml and constraints.txt.

`dev` holds the package (editable) with all that the tests need, `lab` adds JupyterLab to it, and `book` holds only
what builds the site: no torch, so that a first build takes a minute and not a gigabyte.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"dev": "dev", "lab": "dev", "book": "book"}


def executable(folder: Path, command: str, system: str = os.name) -> Path:
    """Where a virtual environment keeps a command.

    Args:
        folder: of the environment.
        command: such as "python".
        system: `os.name` of the machine: "nt" is Windows.

    >>> executable(Path("venv"), "python", "posix").as_posix(), executable(Path("venv"), "pip", "nt").as_posix()
    ('venv/bin/python', 'venv/Scripts/pip.exe')
    """
    return folder / "Scripts" / f"{command}.exe" if system == "nt" else folder / "bin" / command


def python(name: str) -> Path:
    """The interpreter of environment `name`, whether it exists yet or not."""
    return executable(folder_of(name), "python")


def folder_of(name: str) -> Path:
    """The folder of environment `name`."""
    return ROOT / ".venvs" / FOLDERS[name]


def requirements(name: str) -> list[str]:
    """What pip installs into environment `name`."""
    if name == "book":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return list(project["optional-dependencies"]["book"])
    return ["--editable", ".[test,lab]" if name == "lab" else ".[test]"]


def fingerprint(name: str) -> str:
    """A hash of all that decides what environment `name` holds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    # An extra may name others, so all of them count.
    wanted = extras["book"] if name == "book" else [name, project["dependencies"], extras]
    text = repr((wanted, sys.version_info[:2], (ROOT / "constraints.txt").read_text(encoding="utf-8")))
    return hashlib.sha256(text.encode()).hexdigest()


def ensure(name: str) -> Path:
    """Make environment `name`, or bring it up to date, and answer its interpreter.

    Raises:
        SystemExit: where Python's venv module or pip cannot do it, with what to do about it.
    """
    interpreter, folder = python(name), folder_of(name)
    stamp = folder / f".{name}-stamp"
    wanted = fingerprint(name)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted and _works(interpreter):
        return interpreter

    print(
        f"Setting up .venvs/{folder.name} (once; {'two minutes' if name != 'book' else 'under a minute'}) …", flush=True
    )
    if not _works(interpreter):
        _create(folder)
    pip = [str(interpreter), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--constraint", "constraints.txt", *requirements(name)], cwd=ROOT)
    if done.returncode != 0:
        sys.exit(
            f"pip could not set up .venvs/{folder.name}; its own words stand above.\n"
            "  No network, or a proxy in between? pip needs PyPI once: see `pip config list`, then run this again.\n"
            "  No space left? .venvs/dev takes 7 GB where torch brings its CUDA libraries, .venvs/book 0.3 GB.\n"
            f"  Half-made? rm -rf .venvs/{folder.name} and run this again."
        )
    stamp.write_text(wanted, encoding="utf-8")
    return interpreter


def _works(interpreter: Path) -> bool:
    """Whether `interpreter` runs, is this Python's version, and has pip."""
    if not interpreter.exists():
        return False
    check = f"import sys, pip; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return subprocess.run([str(interpreter), "-c", check], capture_output=True).returncode == 0


def _create(folder: Path) -> None:
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], capture_output=True, text=True)
    if made.returncode != 0:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            f"{sys.executable} could not make a virtual environment:\n{made.stdout}{made.stderr}"
            f"  Debian and Ubuntu ship the module apart: apt-get install python3-venv (or python{version}-venv)."
        )


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in FOLDERS:
        sys.exit(f"usage: python -m tools.environments {{{'|'.join(FOLDERS)}}}")
    print(ensure(sys.argv[1]))
