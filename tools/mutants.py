"""Small changes of the source, one at a time, that named tests must notice: whether the tests see what they are for.

    python -m tools.mutants                 all of them
    python -m tools.mutants flows iaf.py    those whose file or description holds one of the words
    python -m tools.mutants --check         only whether each change still fits the source

`tests/mutants/` lists them. The package is imported once. Each change is made in a forked process, in the functions as
they stand in memory, and pytest runs the named tests there. A change counts as noticed where at least one test fails in
its body; an error of collection, a crash and a timeout do not count.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

from tools.repository import ROOT

PACKAGE = ROOT / "hvae_ref"
LISTS = ROOT / "tests" / "mutants"
LIMIT = 120
"""Seconds that the tests of one change may take."""


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

    @property
    def module(self) -> str:
        """Dotted name of the module."""
        return ".".join(("hvae_ref", *Path(self.file).with_suffix("").parts))

    def complaint(self) -> str | None:
        """What is wrong with this entry of the list, or None."""
        source = (PACKAGE / self.file).read_text() if (PACKAGE / self.file).is_file() else None
        if source is None:
            return "there is no such file"
        if source.count(self.old) != 1:
            return f"expected the old text exactly once, found it {source.count(self.old)} times: {self.old!r}"
        if missing := [test for test in self.tests if not (ROOT / test.split("::")[0]).is_file()]:
            return f"there is no {', '.join(missing)}"
        if not self.tests or not self._changed():
            return "expected a test and a change within a function, got none"
        return None

    def apply(self) -> None:
        """Give the functions of the imported module their changed code, wherever they have been imported to."""
        path, changed = sys.modules[self.module].__file__, self._changed()
        done = set()
        for function in [thing for thing in gc.get_objects() if type(thing) is FunctionType]:
            code = function.__code__
            if code.co_filename == path and code.co_qualname in changed:
                function.__code__ = changed[code.co_qualname]
                done.add(code.co_qualname)
        if not done:
            raise ValueError(f"{self}: expected a function among {', '.join(changed)} in memory, got none")

    def _changed(self) -> dict[str, CodeType]:
        """The code of every function that differs, by qualified name."""
        path = str(PACKAGE / self.file)
        source = (PACKAGE / self.file).read_text()
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
    """All entries of the lists in `tests/mutants/`: what stands in `MUTANTS` there, by file, then by tests."""
    found = []
    for path in sorted(LISTS.glob("*.py")):
        listed = importlib.import_module(f"tests.mutants.{path.stem}").MUTANTS
        for (file, *tests), changes in listed.items():
            for what, (old, new) in changes.items():
                found.append(Mutant(what, file, old, new, tuple(tests)))
    return found


def _run_tests(mutant: Mutant) -> dict[str, object]:
    """Make the change in this process and run its tests."""
    import pytest

    failed = []

    class Reports:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and report.when == "call":
                failed.append(report.nodeid)

    mutant.apply()
    options = [
        "-x",
        "-q",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-p",
        "no:nbval",
        "--no-header",
    ]
    code = pytest.main([*options, *mutant.tests], plugins=[Reports()])
    return {"code": int(code), "failed": failed}


def _child(mutant: Mutant, folder: Path) -> None:
    """The forked process; it does not return."""
    signal.alarm(LIMIT)
    with (folder / "log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        (folder / "result").write_text(json.dumps(_run_tests(mutant)))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _outcome(folder: Path) -> tuple[bool, str]:
    """Whether the change was noticed, and by which test or why not."""
    if not (folder / "result").exists():
        return False, f"its tests did not end within {LIMIT} s, or crashed"
    result = json.loads((folder / "result").read_text())
    if result["code"] == 1 and result["failed"]:
        return True, result["failed"][0]
    return False, "no test noticed it" if result["code"] == 0 else f"its tests could not run ({result['code']})"


def run(chosen: list[Mutant], workers: int) -> int:
    """Try each change, `workers` at a time; print what noticed it, and return how many were not noticed."""
    import hypothesis  # noqa: F401  what every child would import again
    import matplotlib.pyplot  # noqa: F401
    import pytest  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401

    for name in sorted({mutant.module for mutant in chosen} | {"hvae_ref.exercises", "hvae_ref.training"}):
        importlib.import_module(name)
    waiting, running, missed = list(enumerate(chosen)), {}, 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        while waiting or running:
            while waiting and len(running) < workers:
                number, mutant = waiting.pop(0)
                folder = Path(scratch, str(number))
                folder.mkdir()
                sys.stdout.flush()
                if (pid := os.fork()) == 0:
                    _child(mutant, folder)
                running[pid] = mutant, folder
            pid, _ = os.wait()
            mutant, folder = running.pop(pid)
            noticed, by = _outcome(folder)
            missed += not noticed
            print(f"{'noticed' if noticed else 'MISSED '}  {mutant}\n         {by}", flush=True)
            if not noticed:
                print((folder / "log").read_text()[-600:], flush=True)
    used = sum(os.times()[:4])
    print(
        f"{len(chosen) - missed} of {len(chosen)} changes noticed; {time.perf_counter() - started:.0f} s, "
        f"{used:.0f} s of the processor"
    )
    return missed


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
    return int(run(chosen, min(4, max(2, os.cpu_count() or 2))) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
