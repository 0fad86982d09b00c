"""Run chapters as a reader would, against the installed wheel in an empty folder, and store their outputs.

    python -m tools.notebooks                         all chapters
    python -m tools.notebooks chapters/02_….ipynb     one of them
    python -m tools.notebooks --check                 say what is stale or breaks a rule, change nothing
    python -m tools.notebooks --first-cell            write the template into every chapter's first code cell

A chapter is written back only when every cell of it ran; one that fails is left as it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tools import chapters, wheel

CELL_LIMIT = 300  # seconds: a cell that runs this long hangs, as a whole chapter takes 90


def execute(notebook: NotebookNode, folder: Path, environment: dict[str, str]) -> float:
    """Run `notebook` top to bottom inside `folder`, leave the outputs in it, and answer the seconds it took."""
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    # HVAE_REF_LIVE: live figures leave scripts and weights to the site.
    own = {"HVAE_REF_PROGRESS": str(folder / "progress.json"), "TQDM_DISABLE": "1", "HVAE_REF_LIVE": "site"}
    started = time.perf_counter()
    client.execute(env={**environment, **own})
    return time.perf_counter() - started


def tidy(notebook: NotebookNode) -> None:
    """Drop what differs from run to run without telling a reader anything."""
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)


def stamp(notebook: NotebookNode, path: Path, seconds: float) -> None:
    """Record in the notebook's metadata what its outputs were made from, and where."""
    notebook.metadata["hvae_ref"] = {
        **chapters.stamp(path),
        "seconds": round(seconds, 1),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": f"Python {platform.python_version()}, torch {version('torch')}",
    }


def write(notebook: NotebookNode, path: Path) -> None:
    """Replace the file in one step, so that a run that is stopped never leaves half a notebook."""
    temporary = path.with_suffix(".ipynb.tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def run(paths: list[Path]) -> int:
    """Run each chapter in a folder of its own and store its outputs; answer how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        environment = wheel.install(wheel.build(Path(scratch, "dist")), Path(scratch, "site"))
        for path in paths:
            folder = Path(scratch, path.stem)
            folder.mkdir()
            notebook = nbformat.read(path, as_version=4)
            print(f"{path.name} …", end=" ", flush=True)
            try:
                seconds = execute(notebook, folder, environment)
            except CellExecutionError as error:
                print(f"FAILED, left as it was\n{error}")
                failed += 1
                continue
            tidy(notebook)
            stamp(notebook, path, seconds)
            write(notebook, path)
            print(f"{seconds:.0f} s")
    return failed


def write_first_cells(paths: list[Path]) -> None:
    """Put the template, with the extras that it needs, into the first code cell of every chapter, folded."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        wanted = chapters.first_cell(path)
        if first.source != wanted or not chapters.FOLDED.items() <= first.metadata.items():
            first.source = wanted
            first.metadata |= chapters.FOLDED
            write(notebook, path)
            print(f"{path.name}: first code cell written")


def main() -> int:
    """Do what the command line asks; the exit status counts failures."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="notebooks; all chapters when none is named")
    parser.add_argument("--check", action="store_true", help="say what is stale or breaks a rule, change nothing")
    parser.add_argument("--first-cell", action="store_true", help="write the first code cell from its template")
    arguments = parser.parse_args()
    paths = [path.resolve() for path in arguments.chapters] or chapters.paths()
    if missing := [str(path) for path in paths if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(missing)}")
    if arguments.first_cell:
        write_first_cells(paths)
        return 0
    failed = 0 if arguments.check else run(paths)
    found = [words for path in paths for words in chapters.problems(path)]
    if arguments.check:
        found += [words for path in paths for words in chapters.staleness(path)]
    print("\n".join(found), end="\n" if found else "")
    return min(1, failed + len(found))


if __name__ == "__main__":
    sys.exit(main())
