"""All that CI runs, in order, with a summary of what passed and how long each step took.

    make test                          everything
    python -m tools.ci lint chapters   some steps

Only making the environments may need the network: pip, the first time. Everything after it runs with the network
blocked, where the system lets us block it. A step that fails does not stop the later ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tools import environments, offline
from tools.environments import ROOT

WORKERS = str(min(4, max(2, (os.cpu_count() or 2))))
PYTEST = ("-m", "pytest", "-n", WORKERS, "--dist", "loadscope")


class Skipped(Exception):
    """A step that cannot run here; its message says why and what would let it."""


def dev(*arguments: str | Path, **options: object) -> bool:
    """Run Python of the `dev` environment; answer whether it succeeded."""
    command = [str(environments.python("dev")), *map(str, arguments)]
    return subprocess.run(command, **{"cwd": ROOT, **options}).returncode == 0


def lint() -> bool:
    """Ruff's rules and layout, over code and chapters."""
    rules = dev("-m", "ruff", "check", ".")
    layout = dev("-m", "ruff", "format", "--check", ".")
    return rules and layout


def site() -> bool:
    """The site, with warnings as errors. It comes before the tests, some of which read it."""
    return subprocess.run([sys.executable, "-m", "tools.book"], cwd=ROOT).returncode == 0


def tests() -> bool:
    """Unit tests and the examples in docstrings."""
    return dev(*PYTEST, "-m", "not browser")


def mutants() -> bool:
    """Small changes of the source, each of which named tests must notice."""
    return dev("-m", "tools.mutants")


def chapters() -> bool:
    """Every chapter alone in an empty folder, against the wheel, its deterministic outputs compared."""
    with tempfile.TemporaryDirectory() as scratch:
        return dev("-m", "tools.run_chapters", scratch)


def browser() -> bool:
    """The site in Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if not any(map(shutil.which, names)):
        raise Skipped("no Chromium here; Debian: apt-get install chromium")
    if not (ROOT / "_build" / "html" / "index.html").is_file():
        raise Skipped("there is no site in _build/html; the step `site` builds it")
    return dev(*PYTEST, "-m", "browser", "tests")


STEPS: dict[str, Callable[[], bool]] = {step.__name__: step for step in (lint, site, tests, mutants, chapters, browser)}


def main(names: list[str]) -> int:
    """Run the named steps, or all; answer 0 only if none failed."""
    if unknown := [name for name in names if name not in STEPS]:
        sys.exit(f"no step {', '.join(unknown)}; there are {', '.join(STEPS)}")
    results = []
    started = time.perf_counter()
    environments.ensure("dev")
    environments.ensure("book")
    try:
        offline.block_network()
        print("The network is blocked from here on.", flush=True)
    except offline.CannotBlock as reason:
        print(f"The network could not be blocked here ({reason}); going on with it.", flush=True)
    results.append(("environment", "passed", time.perf_counter() - started))
    for name in names or STEPS:
        print(f"\n== {name}: {STEPS[name].__doc__}", flush=True)
        started = time.perf_counter()
        try:
            outcome = "passed" if STEPS[name]() else "FAILED"
        except Skipped as reason:
            outcome = f"skipped: {reason}"
        results.append((name, outcome, time.perf_counter() - started))
    print("\n== summary")
    for name, outcome, seconds in results:
        print(f"{name:12} {seconds:6.0f} s  {outcome}")
    print(f"{'in all':12} {sum(seconds for *_, seconds in results):6.0f} s")
    return int(any(outcome == "FAILED" for _, outcome, _ in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
