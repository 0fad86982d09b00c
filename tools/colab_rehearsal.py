"""Rehearse the chapters in Colab's runtime: its Python and package versions, each chapter alone, first cell included.

    python -m tools.colab_rehearsal --constraints pip-freeze.txt --python python3.13
    python -m tools.colab_rehearsal --constraints pip-freeze.txt chapters/02_….ipynb

The constraints are Colab's public list of what it has installed (github.com/googlecolab/backend-info). Only packages
that Colab has are installed beforehand; each chapter's first cell installs `hvae_ref` and the rest, as it would there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote

from tools import chapters
from tools.environments import ROOT, executable
from tools.extras import packages_of

RUNNERS = ("ipykernel", "nbclient", "nbformat")
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)")
_WHEEL = re.compile(r"([A-Za-z0-9][\w.-]*) @ \S*/[^/\s]+?-(\d[^-/\s]*)-[^/\s]+\.whl")


def canonical(name: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(listing: str) -> dict[str, str]:
    """Read name and version from pip-freeze lines; wheels by address count with the version they carry.

    A local version such as 2.11.0+cu128 loses its suffix, as the registry has none of these builds.
    """
    found = {}
    for line in listing.splitlines():
        match = _PIN.fullmatch(line.strip()) or _WHEEL.match(line.strip())
        if match:
            found[canonical(match[1])] = unquote(match[2]).split("+")[0]
    return found


def preinstalled(held: dict[str, str]) -> list[str]:
    """The packages of ours that Colab has before a chapter starts, with what runs the chapter."""
    ours = packages_of("core") | packages_of("all")
    return sorted({canonical(name) for name in (*ours, *RUNNERS)} & held.keys())


def installed(interpreter: Path) -> dict[str, str]:
    """What the environment of `interpreter` holds now."""
    listing = [str(interpreter), "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"]
    return pins(subprocess.run(listing, check=True, capture_output=True, text=True).stdout)


def set_up(folder: Path, base: str, held: dict[str, str]) -> Path:
    """Make the runtime's stand-in at `folder`, or complete the one there; answer its interpreter."""
    interpreter = executable(folder, "python")
    if not interpreter.exists():
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in held.items()), encoding="utf-8")
        pip = [str(interpreter), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", str(constraints), *preinstalled(held)], check=True)
    return interpreter


def rehearse(chapter: Path, interpreter: Path, wheel: Path) -> str | None:
    """Run one chapter in an empty folder where hvae_ref is not installed; answer what went wrong, or None."""
    remove = [str(interpreter), "-m", "pip", "uninstall", "--quiet", "--yes", "hvae-ref"]
    subprocess.run(remove, check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PATH"] = f"{interpreter.parent}{os.pathsep}{environment['PATH']}"
    environment["HVAE_REF_SOURCE"] = wheel.as_uri()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(chapter, folder)
        environment["HVAE_REF_PROGRESS"] = str(Path(folder, "progress.json"))
        command = [str(interpreter.with_name(f"jupyter{interpreter.suffix}")), "execute", "--timeout=300", chapter.name]
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return None if run.returncode == 0 else run.stderr[-3000:]


def main() -> int:
    """Do what the command line asks; answer 0 if every chapter ran and nothing of the runtime was replaced."""
    parser = argparse.ArgumentParser(prog="python -m tools.colab_rehearsal", description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="notebooks; all chapters when none is named")
    parser.add_argument("--constraints", type=Path, required=True, help="Colab's pip-freeze list")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the runtime's version")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venvs" / "colab", help="kept from run to run")
    parser.add_argument("--report", type=Path, help="write what failed to this file, as Markdown")
    arguments = parser.parse_args()

    held = pins(arguments.constraints.read_text(encoding="utf-8"))
    interpreter = set_up(arguments.venv.absolute(), arguments.python, held)
    before = installed(interpreter)
    failures = {}
    with tempfile.TemporaryDirectory() as scratch:
        build = [str(interpreter), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, str(ROOT)]
        subprocess.run(build, check=True)
        (wheel,) = Path(scratch).glob("hvae_ref-*.whl")
        for chapter in arguments.chapters or chapters.paths():
            started = time.perf_counter()
            failure = rehearse(chapter.resolve(), interpreter, wheel)
            print(
                f"{chapter.name}: {'FAILED' if failure else 'passed'}, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
            if failure:
                failures[chapter.name] = failure
    after = installed(interpreter)
    replaced = [
        f"{name}: {version} became {after.get(name)}" for name, version in before.items() if after.get(name) != version
    ]
    replaced = [line for line in replaced if not line.startswith("hvae-ref:")]
    if replaced:
        failures["The first cell replaced packages of the runtime"] = "\n".join(replaced)
    report = "\n\n".join(f"## {name}\n\n```\n{words}\n```" for name, words in failures.items())
    print(report or "All chapters run in Colab's runtime, and nothing it had was replaced.")
    if arguments.report:
        arguments.report.write_text(report, encoding="utf-8")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
