"""Small changes of the source, one at a time, that named tests must notice: whether the tests see what they are for.

    python -m tools.mutants                 all of them
    python -m tools.mutants flows iaf.py    those whose file or description holds one of the words
    python -m tools.mutants --check         only whether each change still fits the source

`tests/mutants/` lists them. The package is imported and the tests are collected once. Each change is made in a forked
process, in the functions as they stand in memory, and the named tests run there up to the first that fails. A change
counts as noticed where a test fails in its body; an error of collection, a crash and a timeout do not count.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from tools.repository import ROOT

PACKAGE = ROOT / "hvae_ref"
LISTS = ROOT / "tests" / "mutants"
LIMIT = 60
"""Seconds of the processor that the tests of one change may take, and a thirtieth of what the clock allows."""
OPTIONS = ("-q", "--no-header", "--assert=plain", "-o", "addopts=--import-mode=importlib", "-o", "timeout=0")
WITHOUT = ("cacheprovider", "nbval", "xdist")
"""Plugins of pytest that only cost time here."""


@dataclass(frozen=True)
class Mutant:
    """One change of the source.

    Attributes:
        what: what is wrong after it, in a few words.
        file: path below `hvae_ref/`.
        old: text that occurs in the file exactly once, within a function.
        new: what stands there instead.
        tests: test files or ids, at least one of which fails.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"

    def complaint(self) -> str | None:
        """What is wrong with this entry of the list, or None."""
        if not (PACKAGE / self.file).is_file():
            return "there is no such file"
        count = (PACKAGE / self.file).read_text(encoding="utf-8").count(self.old)
        if count != 1:
            return f"expected the old text exactly once, found it {count} times: {self.old!r}"
        if missing := [test for test in self.tests if not (ROOT / test.split("::")[0]).is_file()]:
            return f"there is no {', '.join(missing)}"
        if not self.tests or not self.changed():
            return "expected a test and a change within a function, got none"
        return None

    def changed(self) -> dict[str, CodeType]:
        """The code of every function that differs, by qualified name."""
        path = str(PACKAGE / self.file)
        source = (PACKAGE / self.file).read_text(encoding="utf-8")
        before = dict(_functions(compile(source, path, "exec", dont_inherit=True)))
        after = dict(_functions(compile(source.replace(self.old, self.new), path, "exec", dont_inherit=True)))
        return {name: code for name, code in after.items() if before.get(name) != code}


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & 2:  # CO_NEWLOCALS: a function, not the body of a class
                yield inner.co_qualname, inner
            yield from _functions(inner)


def mutants() -> list[Mutant]:
    """All entries of the lists in `tests/mutants/`: what stands in `MUTANTS` there, by file and its tests."""
    found = []
    for path in sorted(LISTS.glob("*.py")):
        listed = importlib.import_module(f"tests.mutants.{path.stem}").MUTANTS
        for (file, *tests), changes in listed.items():
            for what, (old, new) in changes.items():
                found.append(Mutant(what, file, old, new, tuple(tests)))
    return found


class Session:
    """A plugin of pytest that runs the collected tests once for each change, in a process of its own."""

    def __init__(self, chosen: list[Mutant], workers: int) -> None:
        self.chosen, self.workers, self.noticed = chosen, workers, 0
        self.failed: list[str] = []
        self.in_memory: dict[tuple[str, str], list[FunctionType]] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        """Keep a test that failed in its body."""
        if report.failed and report.when == "call":
            self.failed.append(report.nodeid)

    def pytest_runtestloop(self, session: Any) -> bool:  # noqa: ANN401
        """Try every change, `workers` at a time, and print what noticed it."""
        for function in [thing for thing in gc.get_objects() if type(thing) is FunctionType]:
            key = function.__code__.co_filename, function.__code__.co_qualname
            self.in_memory.setdefault(key, []).append(function)
        gc.freeze()
        waiting, running = list(enumerate(self.chosen)), {}
        with (
            tempfile.TemporaryDirectory() as scratch,
            session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled(),
        ):
            while waiting or running:
                while waiting and len(running) < self.workers:
                    number, mutant = waiting.pop(0)
                    result = Path(scratch, str(number))
                    sys.stdout.flush()
                    if (pid := os.fork()) == 0:
                        self._child(session, mutant, result)
                    running[pid] = mutant, result
                pid, _ = os.wait()
                self._tell(*running.pop(pid))
        gc.unfreeze()
        return True

    def _child(self, session: Any, mutant: Mutant, result: Path) -> None:  # noqa: ANN401
        """The forked process; it does not return."""
        signal.setitimer(signal.ITIMER_PROF, LIMIT)  # without a handler its signal, as the alarm's, ends the process
        signal.alarm(30 * LIMIT)
        try:
            session.config.pluginmanager.unregister(name="terminalreporter")
            for name, code in mutant.changed().items():
                for function in self.in_memory.get((str(PACKAGE / mutant.file), name), ()):
                    function.__code__ = code
            items = [item for item in session.items if _is_of(item.nodeid, mutant.tests)]
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    break
            found = {"tests": len(items), "failed": self.failed, "seconds": time.process_time()}
            result.write_text(json.dumps(found), encoding="utf-8")
        finally:
            os._exit(0)

    def _tell(self, mutant: Mutant, result: Path) -> None:
        if not result.exists():
            by = f"its tests did not end within {LIMIT} s of the processor, or crashed"
        else:
            found = json.loads(result.read_text(encoding="utf-8"))
            if found["failed"]:
                self.noticed += 1
                print(f"noticed  {mutant}\n  {found['seconds']:5.1f} s {found['failed'][0]}", flush=True)
                return
            by = f"none of {found['tests']} tests noticed it"
        print(f"MISSED   {mutant}\n         {by}", flush=True)


def _is_of(nodeid: str, tests: tuple[str, ...]) -> bool:
    """Whether a collected test belongs to one of the named files or tests."""
    return any(nodeid == test or nodeid.startswith((f"{test}::", f"{test}[")) for test in tests)


def run(chosen: list[Mutant], workers: int) -> int:
    """Try each change; return how many were not noticed: all, where the tests cannot be collected."""
    import pytest

    import hvae_ref

    # Before the tests' conftest: without its checks of shapes, which cost time.
    for found in pkgutil.walk_packages(hvae_ref.__path__, "hvae_ref."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    started, session = time.perf_counter(), Session(chosen, workers)
    files = sorted({test for mutant in chosen for test in mutant.tests})
    plugins = [word for name in WITHOUT for word in ("-p", f"no:{name}")]
    pytest.main([*OPTIONS, *plugins, *files], plugins=[session])
    print(
        f"{session.noticed} of {len(chosen)} changes noticed; {time.perf_counter() - started:.0f} s, "
        f"{sum(os.times()[:4]):.0f} s of the processor"
    )
    return len(chosen) - session.noticed


def main(arguments: list[str]) -> int:
    """Check the list, and unless told otherwise try its changes; return 0 only if all is well."""
    os.chdir(ROOT)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MPLBACKEND"] = "Agg"
    words = [word for word in arguments if word != "--check"]
    chosen = [mutant for mutant in mutants() if not words or any(word in str(mutant) for word in words)]
    complaints = [f"{mutant}: {told}" for mutant in chosen if (told := mutant.complaint())]
    print("\n".join(complaints), end="\n" if complaints else "")
    if complaints or "--check" in arguments or not chosen:
        return int(bool(complaints) or not chosen)
    if not hasattr(os, "fork"):
        sys.exit("tools.mutants: expected a system with fork, this one has none")
    return int(run(chosen, min(4, max(2, os.cpu_count() or 2))) != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
