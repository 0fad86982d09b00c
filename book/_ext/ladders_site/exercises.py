"""The index of exercises: numbers and anchors from the notebooks, kinds from the package's exercise modules."""

from __future__ import annotations

import ast
from pathlib import Path

from .chapters import read_chapters
from .project import Project


def exercise_kinds(root: Path) -> dict[str, str]:
    """Read `Exercise(id="2.3", …, kind="derive", …)` from the package's exercise modules, without importing them."""
    return {number: _texts(call).get("kind", "") for number, call, _ in _exercises(root)}


def recognising_exercises(root: Path) -> dict[str, list[str]]:
    """Map each erratum, `O5` for instance, to the exercises that have it among their wrong answers.

    A module with an exercise registers its wrong answers by `@wrong("O5", …)` and `wrong.value("O5", …)`.
    """
    found: dict[str, list[str]] = {}
    for number, _, module in _exercises(root):
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("wrong", "wrong.value"):
                numbers = found.setdefault(ast.literal_eval(node.args[0]), [])
                if number not in numbers:
                    numbers.append(number)
    return found


def _exercises(root: Path) -> list[tuple[str, ast.Call, ast.Module]]:
    """Find every call that makes an exercise, with the exercise's number and its module."""
    found = []
    for path in sorted((root / "hvae_ref" / "exercises").rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and _name(node.func).endswith("Exercise") and "id" in _texts(node):
                found.append((_texts(node)["id"], node, module))
    return found


def _texts(call: ast.Call) -> dict[str, str]:
    """Return the keyword arguments of a call that are literal texts."""
    return {
        keyword.arg: keyword.value.value
        for keyword in call.keywords
        if keyword.arg and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    }


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def exercise_index(project: Project) -> str:
    """Write the index as Markdown: one table a chapter, each exercise linked to its place."""
    kinds = exercise_kinds(project.root)
    parts = []
    for chapter in read_chapters(project.root):
        exercises = chapter.exercises(kinds)
        if not exercises:
            continue
        href = f"/chapters/{chapter.path.name}"
        parts += [f"## {chapter.number} · {_without_number(chapter.title)}", ""]
        parts += ["| | exercise | kind |", "|---|---|---|"]
        parts += [f"| {e.number} | [{e.title or 'Exercise'}]({href}#{e.anchor}) | {e.kind} |" for e in exercises]
        parts.append("")
    return "\n".join(parts) or "*The first exercises arrive with the first chapter.*"


def _without_number(title: str) -> str:
    return title.lstrip("0123456789 ·.").strip() or title
