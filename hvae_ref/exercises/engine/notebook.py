"""How exercises are written in a chapter, and how to read them from it.

An exercise is four kinds of cell, in this order:

1. A Markdown cell that begins with ``### Exercise 2.3 · Title`` (the title of the registered exercise), states the
   task, and folds each hint away: ``<details><summary>Hint 1</summary> … </details>``.
2. A stub: a code cell whose first line is ``# Exercise 2.3``. Its functions end in ``...`` (or ``return ...``), its
   values are ``...``.
3. A code cell whose last expression is ``check("2.3", my_function)`` or ``check("2.3", my_value)``.
4. A Markdown cell that begins with ``<details><summary>Solution 2.3</summary>``, explains, holds exactly one block
   fenced with three back quotes and ``python``, and ends with ``</details>``. The block defines what the stub left
   open, with the same names; put a blank line before and after it, so that every renderer sees it.

A solution may use what the chapter imports at the top level of a cell, what its own stub gives (data, a helper that
is complete), and earlier solutions; nothing else.
Questions are shown with ``quiz(2)`` or ``quiz(2, "id", "other-id")`` as the last expression of a cell.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

_NUMBER = r"(\d+\.\d+)"
_STATEMENT = re.compile(rf"### Exercise {_NUMBER} · (.+)")
_STUB = re.compile(rf"# Exercise {_NUMBER}\b")
_SOLUTION = re.compile(rf"<details>\s*<summary>Solution {_NUMBER}</summary>")
_FENCE = re.compile(r"^```python\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Written:
    """One exercise as a chapter has it.

    Attributes:
        title: Title in the heading.
        hints: How many hints are folded away under the statement.
        stub: Source of the stub cell.
        answer: What is handed to ``check``, as source.
        solution: Source of the worked solution.
        position: Indices of the four cells: statement, stub, check, solution.
    """

    title: str
    hints: int
    stub: str
    answer: str
    solution: str
    position: tuple[int, int, int, int]


def exercises_in(notebook: Path) -> dict[str, Written]:
    """Read the exercises of a chapter.

    Args:
        notebook: The notebook.

    Returns:
        What is written, by id, in the chapter's order.

    Raises:
        ValueError: If one of an exercise's four cells is missing, occurs twice or is not written as it should be.
    """
    statements: dict[str, tuple[int, str, int]] = {}
    parts: dict[str, dict[str, tuple[int, str]]] = {"stub": {}, "check": {}, "solution": {}}

    def put(part: str, id_: str, index: int, source: str) -> None:
        if id_ in parts[part]:
            raise ValueError(f"{notebook.name}: expected one {part} of exercise {id_}, got a second in cell {index}.")
        parts[part][id_] = (index, source)

    for index, (kind, source) in enumerate(_cells(notebook)):
        if kind == "markdown":
            if match := _STATEMENT.match(source):
                if match[1] in statements:
                    raise ValueError(
                        f"{notebook.name}: expected one exercise {match[1]}, got a second in cell {index}."
                    )
                statements[match[1]] = (index, match[2].strip(), len(re.findall(r"<summary>Hint\b", source)))
            elif match := _SOLUTION.match(source):
                put("solution", match[1], index, _fenced(source, f"{notebook.name}, solution {match[1]}"))
        elif kind == "code":
            if match := _STUB.match(source):
                put("stub", match[1], index, source)
            for id_, answer in _checks(source):
                put("check", id_, index, answer)

    named = {"statement": statements, **parts}
    for id_ in sorted(set().union(*named.values())):
        if missing := [part for part, found in named.items() if id_ not in found]:
            raise ValueError(f"{notebook.name}: exercise {id_} has no {' and no '.join(missing)}.")
    out = {}
    for id_, (index, title, hints) in statements.items():
        (stub_at, stub), (check_at, answer), (solution_at, solution) = (found[id_] for found in parts.values())
        out[id_] = Written(title, hints, stub, answer, solution, (index, stub_at, check_at, solution_at))
    return out


def solutions(notebook: Path) -> dict[str, str]:
    """Read the worked solutions of a chapter.

    Args:
        notebook: The notebook.

    Returns:
        Source of each solution, by the exercise's id.

    Raises:
        ValueError: If an exercise is not written as it should be.
    """
    return {id_: written.solution for id_, written in exercises_in(notebook).items()}


def imports(notebook: Path) -> str:
    """Collect the imports that stand at the top level of a chapter's cells.

    Args:
        notebook: The notebook.

    Returns:
        Source that performs them, in order.
    """
    lines = []
    for kind, source in _cells(notebook):
        if kind == "code":
            nodes = ast.parse(_without_magics(source)).body
            lines += [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(lines)


def headings(notebook: Path) -> list[str]:
    """Collect a chapter's headings.

    Args:
        notebook: The notebook.

    Returns:
        Text of every heading, in order.
    """
    text = "\n".join(source for kind, source in _cells(notebook) if kind == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [match[1].strip() for match in re.finditer(r"^#{1,6} (.+)$", text, re.MULTILINE)]


def quizzes(notebook: Path) -> list[tuple[int, tuple[str, ...]]]:
    """Find the calls of ``quiz`` in a chapter.

    Args:
        notebook: The notebook.

    Returns:
        The chapter and the ids of the questions of each call (no ids: all questions), in order.
    """
    found = []
    for kind, source in _cells(notebook):
        if kind == "code":
            for arguments in _calls(source, "quiz"):
                chapter, *ids = map(ast.literal_eval, arguments)
                found.append((chapter, tuple(ids)))
    return found


def _cells(notebook: Path) -> list[tuple[str, str]]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in content["cells"]]


def _fenced(source: str, where: str) -> str:
    blocks = _FENCE.findall(source)
    if len(blocks) != 1 or not source.endswith("</details>"):
        raise ValueError(f"{where}: expected one python block and </details> at the end, got {len(blocks)} blocks.")
    return blocks[0]


def _checks(source: str) -> list[tuple[str, str]]:
    """The id and the source of the answer in each call of ``check``."""
    return [
        (ast.literal_eval(arguments[0]), ast.unparse(arguments[1]))
        for arguments in _calls(source, "check")
        if len(arguments) == 2
    ]


def _calls(source: str, name: str) -> list[list[ast.expr]]:
    if f"{name}(" not in source:
        return []
    return [
        node.args
        for node in ast.walk(ast.parse(_without_magics(source)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def _without_magics(source: str) -> str:
    """The source with every line that only IPython reads (`%…`, `!…`) replaced by `pass`."""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)
