"""The reference of `hvae_ref`, by static analysis: sources are parsed, never imported, so the site needs no torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from .docstrings import render, summary
from .project import Project

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
WIDTH = 92


@dataclass(frozen=True)
class Module:
    """One public source file: its dotted name, its path in the repository and its syntax tree."""

    name: str
    path: str
    tree: ast.Module

    @property
    def public(self) -> list[ast.stmt]:
        """Public functions and classes, and public constants that carry a docstring, in the order of the file."""
        listed = _listed_names(self.tree)
        body = self.tree.body
        found: list[ast.stmt] = []
        for node, following in zip_longest(body, body[1:]):
            if isinstance(node, Definition):
                name = node.name
            elif _assigned(node) and _is_text(following):
                name = _assigned(node)
            else:
                continue
            if name in listed if listed is not None else not name.startswith("_"):
                found.append(node)
        return found

    def constant_doc(self, node: ast.stmt) -> str:
        """Answer the text that follows a constant's definition."""
        following = self.tree.body[self.tree.body.index(node) + 1]
        return following.value.value  # type: ignore[attr-defined]


def public_modules(root: Path, package: str) -> list[Module]:
    """Read the public modules of a package or of a single module, `hvae_ref.models` for instance, sorted by name.

    Raises:
        LookupError: where the repository has no such package or module.
    """
    base = root.joinpath(*package.split("."))
    paths = sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]
    if not paths or not paths[0].is_file():
        raise LookupError(f"api: expected a package or module of the repository, got {package!r}")
    found = []
    for path in paths:
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if any(part.startswith("_") and part != "__main__" for part in parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.append(Module(".".join(parts), path.relative_to(root).as_posix(), tree))
    return sorted(found, key=lambda module: module.name)


def api_reference(project: Project, *packages: str) -> str:
    """Write the reference of some packages or modules as Markdown."""
    parts = []
    for package in packages:
        modules = public_modules(project.root, package)
        exports = exported_names(modules)
        for module in modules:
            if not module.public and not (module.name == package and ast.get_docstring(module.tree)):
                continue
            parts += [f"({anchor(module.name)})=", f"## {module.name}", render(ast.get_docstring(module.tree) or "")]
            for node in module.public:
                parts += _member(project, module, node, exports)
    return "\n\n".join(part for part in parts if part)


def api_index(project: Project) -> str:
    """Write a table of all public modules with their first lines, linked to their places in the reference."""
    rows = ["| module | holds |", "|---|---|"]
    for module in public_modules(project.root, "hvae_ref"):
        doc = ast.get_docstring(module.tree)
        if module.public and doc:
            rows.append(f"| [{module.name}](#{anchor(module.name)}) | {summary(doc)} |")
    return "\n".join(rows)


def api_rest(project: Project) -> str:
    """Write the reference of every module that no other page names, so that none is ever left out."""
    claimed: set[str] = set()
    for page in (project.root / "book" / "api").glob("*.md"):
        for names in re.findall(r"<!-- generate: api ([\w. ]+) -->", page.read_text(encoding="utf-8")):
            claimed.update(names.split())
    entries = (project.root / "hvae_ref").iterdir()
    packages = {f"hvae_ref.{p.stem}" for p in entries if p.suffix == ".py" or (p / "__init__.py").is_file()}
    return api_reference(project, *sorted(packages - claimed - {"hvae_ref.__init__"}))


def anchor(name: str) -> str:
    """Answer the reference target of a dotted name."""
    return "api-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def exported_names(modules: list[Module]) -> dict[tuple[str, str], str]:
    """Map (defining module, name) to the shortest path the name can be imported by."""
    exports: dict[tuple[str, str], str] = {}
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and module.path.endswith("__init__.py"):
                source = f"{module.name}.{node.module}" if node.level else str(node.module)
                for alias in node.names:
                    path = f"{module.name}.{alias.asname or alias.name}"
                    known = exports.get((source, alias.name), path)
                    exports[source, alias.name] = min(path, known, key=len)
    return exports


def _member(project: Project, module: Module, node: ast.stmt, exports: dict[tuple[str, str], str]) -> Iterator[str]:
    name = node.name if isinstance(node, Definition) else _assigned(node)
    path = exports.get((module.name, name), f"{module.name}.{name}")
    yield f"### {name}"
    source = f"[source]({project.blob(module.path, node.lineno)})"
    if not isinstance(node, Definition):
        yield _signature(f"{path} = {ast.unparse(node.value)}" if node.value else path)  # type: ignore[attr-defined]
        yield render(module.constant_doc(node))
    elif isinstance(node, ast.ClassDef):
        yield _signature(f"class {path}{_constructor(node)}")
        yield render(ast.get_docstring(node) or "")
        for method in _methods(node):
            yield _signature(_method_signature(node.name, method))
            yield render(ast.get_docstring(method) or "")
    else:
        yield _signature(f"{path}{_arguments(node)}")
        yield render(ast.get_docstring(node) or "")
    yield f"{{.api-source}}\n{source}"


def _signature(text: str) -> str:
    return f"```python\n{text}\n```"


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, drop_self: bool = False) -> str:
    """Write a parameter list, one parameter a line where it is long."""
    arguments = node.args
    if drop_self and arguments.args:
        arguments = copy(arguments)
        arguments.args = arguments.args[1:]
    text = ast.unparse(arguments)
    answer = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    if len(node.name) + len(text) + len(answer) < WIDTH - 24:
        return f"({text}){answer}"
    return "(\n" + "".join(f"    {piece},\n" for piece in _pieces(arguments)) + f"){answer}"


def _pieces(arguments: ast.arguments) -> list[str]:
    """Write each parameter with its annotation and default."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    pieces = [_piece(argument, default) for argument, default in zip(plain, defaults, strict=True)]
    if arguments.posonlyargs:
        pieces.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        pieces.append("*" + ast.unparse(arguments.vararg))
    elif arguments.kwonlyargs:
        pieces.append("*")
    pieces += [_piece(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return pieces + (["**" + ast.unparse(arguments.kwarg)] if arguments.kwarg else [])


def _piece(argument: ast.arg, default: ast.expr | None) -> str:
    equals = " = " if argument.annotation else "="
    return ast.unparse(argument) + (f"{equals}{ast.unparse(default)}" if default else "")


def _constructor(node: ast.ClassDef) -> str:
    """Write what a class is called with: its `__init__`, or the fields of a dataclass, or its bases."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return _arguments(statement, drop_self=True)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = [
            ast.unparse(s) for s in node.body if isinstance(s, ast.AnnAssign) and "ClassVar" not in ast.unparse(s)
        ]
        text = ", ".join(fields)
        return f"({text})" if len(text) < WIDTH - 30 else "(\n" + "".join(f"    {field},\n" for field in fields) + ")"
    return f"({', '.join(ast.unparse(base) for base in node.bases)})" if node.bases else ""


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [
        statement
        for statement in node.body
        if isinstance(statement, ast.FunctionDef)
        and (not statement.name.startswith("_") or statement.name == "__call__")
        and ast.get_docstring(statement)
    ]


def _method_signature(class_name: str, method: ast.FunctionDef) -> str:
    decorators = {ast.unparse(decorator) for decorator in method.decorator_list}
    full = f"{class_name}.{method.name}"
    if decorators & {"property", "cached_property", "functools.cached_property"}:
        return full + (f": {ast.unparse(method.returns)}" if method.returns else "")
    return full + _arguments(method, drop_self="staticmethod" not in decorators)


def _listed_names(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        if _assigned(node) == "__all__" and isinstance(node.value, ast.List | ast.Tuple):  # type: ignore[attr-defined]
            return {element.value for element in node.value.elts}  # type: ignore[attr-defined]
    return None


def _assigned(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return ""


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
