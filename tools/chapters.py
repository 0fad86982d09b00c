"""Chapters as files: which there are, what makes their outputs stale, and the rules that every chapter keeps.

Needs the standard library alone, so that the checks run before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools import freshness
from tools.imports import Package
from tools.repository import ROOT, configured

TEMPLATE = ROOT / "tools" / "templates" / "first_cell.py"
FOLDED = {"tags": ["plumbing", "hide-input"], "cellView": "form"}
"""Metadata of a cell that is shut at first: the tag folds it on the site, `cellView` (with `# @title`) in Colab."""

KINDS = ("idea", "plumbing", "exercise")
"""A code cell is of one kind, its tag. An idea is read: it is short. Plumbing (imports, tables, figures) is folded."""
LINES, COLUMNS = 20, 88
"""How long an idea may be, so that it is seen whole on a page."""

Notebook = dict[str, Any]

_MYST = (
    (re.compile(r"^\s*(?:`{3,}|:{3,}|~{3,})\s*\{[A-Za-z]", re.MULTILINE), "a MyST directive"),
    (re.compile(r"(?<![\w`=])\{[a-zA-Z:]+\}`[^`\n]+`"), "a MyST role"),
    (re.compile(r"^\([A-Za-z][\w:.-]*\)=\s*$", re.MULTILINE), "a MyST label"),
)
_NOISE = (
    (re.compile(r"<[\w.]+ (?:object )?at 0x[0-9a-f]+>"), "an object's address"),
    (re.compile(r"/tmp/|/home/|/root/"), "a path of the machine that ran it"),
)


def paths(root: Path = ROOT) -> list[Path]:
    """The chapters, in order."""
    return sorted((root / "chapters").glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> Notebook:
    """The notebook as JSON, with every cell's source as one string."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def code_cells(notebook: Notebook) -> Iterator[dict[str, Any]]:
    """The code cells that hold code."""
    return (cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"].strip())


def code_hash(notebook: Notebook) -> str:
    """A hash of all that the chapter runs; its prose may change without making outputs stale."""
    digest = hashlib.sha256()
    for cell in code_cells(notebook):
        digest.update(cell["source"].encode() + b"\0")
    return digest.hexdigest()[:16]


NEEDS = {"abr": "abr", "features": "features", "training.tensorboard": "tensorboard"}
"""Parts of the package that a chapter may use, and the extra that brings what they need beyond `[course]`."""


def needs(path: Path, package: Path = ROOT / "hvae_ref") -> str:
    """The extras of hvae-ref that a chapter needs, as its first cell writes them: "course,features"."""
    used = stamp(path, package)["modules"]
    more = {extra for part, extra in NEEDS.items() if any(f"{module}.".startswith(f"{part}.") for module in used)}
    return ",".join(["course", *sorted(more)])


def first_cell(path: Path) -> str:
    """The first code cell of a chapter: the template, with the extras that the chapter needs."""
    template = TEMPLATE.read_text(encoding="utf-8").strip()
    return template.replace('needs = "course"', f'needs = "{needs(path)}"', 1)


def stamp(path: Path, package: Path = ROOT / "hvae_ref") -> dict[str, Any]:
    """What the chapter's outputs depend on today: the hash of its code, and of each module and file that it uses.

    `tools.freshness` says which these are.
    """
    notebook = read(path)
    # The first cell installs the package; of what it prints, the version is the package's.
    cells = [cell["source"] for cell in code_cells(notebook)][1:]
    sources = ["import hvae_ref\nhvae_ref.__version__", *cells]
    return {
        "code_hash": code_hash(notebook),
        "modules": freshness.dependencies(sources, int(path.name[:2]), Package(package)),
    }


def staleness(path: Path, package: Path = ROOT / "hvae_ref") -> list[str]:
    """Why the chapter's outputs are not what its code prints today; empty when they are."""
    notebook = read(path)
    before, now = notebook["metadata"].get("hvae_ref", {}), stamp(path, package)
    reasons = []
    if before.get("code_hash") != now["code_hash"]:
        reasons.append("its code has changed since it was run")
    if changed := freshness.changes(before.get("modules", {}), now["modules"]):
        more = f" and {len(changed) - 3} more of hvae_ref" if len(changed) > 3 else ""
        reasons.append(f"{', '.join(changed[:3])}{more} changed since it was run")
    counts = [cell.get("execution_count") for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        reasons.append(f"its execution counts are not 1…{len(counts)}")
    return [f"{path.name}: {reason}: make notebooks CHAPTERS={path}" for reason in reasons]


def problems(path: Path) -> list[str]:
    """What in the chapter breaks the book's rules for chapters; empty when nothing does."""
    notebook = read(path)
    found = [*_about_the_frame(path, notebook)]
    for number, cell in enumerate(notebook["cells"], 1):
        checks = (_about_markdown,) if cell["cell_type"] == "markdown" else (_about_kind, _about_outputs)
        found += [f"cell {number}: {words}" for check in checks for words in check(cell)]
    return [f"{path.name}: {words}" for words in found]


def _about_the_frame(path: Path, notebook: Notebook) -> Iterator[str]:
    cells = notebook["cells"]
    if not cells or cells[0]["cell_type"] != "markdown" or configured().colab(path.stem) not in cells[0]["source"]:
        yield f"the first cell must be Markdown with a link to {configured().colab(path.stem)}"
    first = next(code_cells(notebook), {"source": ""})
    if first["source"].strip() != first_cell(path) or not FOLDED.items() <= first.get("metadata", {}).items():
        yield (
            f"the first code cell is not tools/templates/first_cell.py, folded, with needs = {needs(path)!r}: "
            "python -m tools.notebooks --first-cell"
        )
    if len(ids := [cell.get("id") for cell in cells]) != len(set(ids)) or None in ids:
        yield "cells need ids of their own"


def _about_markdown(cell: dict[str, Any]) -> Iterator[str]:
    for pattern, name in _MYST:
        if match := pattern.search(cell["source"]):
            yield f"{name} shows raw in Colab and on GitHub: {match.group().strip()!r}"


def _about_kind(cell: dict[str, Any]) -> Iterator[str]:
    tags = set(cell["metadata"].get("tags", []))
    kinds = tags & set(KINDS)
    folded = "hide-input" in tags, cell["metadata"].get("cellView") == "form", cell["source"].startswith("# @title ")
    if len(kinds) != 1:
        yield f"expected one tag of {', '.join(KINDS)}; got {', '.join(sorted(kinds)) or 'none'}"
    elif any(folded) != all(folded) or ("plumbing" in kinds) != all(folded):
        yield "plumbing, and nothing else, has the tag hide-input, cellView: form, and begins with '# @title …'"
    if "idea" in kinds and (size := len(cell["source"].splitlines())) > LINES:
        yield f"an idea of {size} lines; at most {LINES}"
    if "idea" in kinds and (width := max(map(len, cell["source"].splitlines()), default=0)) > COLUMNS:
        yield f"an idea with a line of {width} characters; at most {COLUMNS}"


def _about_outputs(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs", [])
    figure = any(kind.startswith("image/") for output in outputs for kind in output.get("data", {}))
    described = cell["metadata"].get("mystnb", {})
    if figure and not described.get("image", {}).get("alt"):
        yield "a figure without alt text: metadata.mystnb.image.alt"
    if figure and not described.get("figure", {}).get("caption"):
        yield "a figure without a caption: metadata.mystnb.figure.caption"
    for output in outputs:
        if output["output_type"] == "error":
            yield f"its output is an error: {output['ename']}: {output['evalue']}"
        if output.get("name") == "stderr":
            yield f"it writes to stderr: {''.join(output['text'])[:80]!r}"
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            yield "it shows a widget, which is nothing without its kernel"
        text = "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
        if figure:
            continue
        for pattern, name in _NOISE:
            if match := pattern.search(text):
                yield f"its output shows {name}: {match.group()!r}"
