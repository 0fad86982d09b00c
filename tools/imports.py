"""What a package's modules import and use, read from their text: nothing is run. Standard library alone.

`Package(folder)` knows three graphs:

* `imported(module)`: what its import statements name, as `tests/project/test_floors.py` asks;
* `used(tree, module)`: the modules that hold what a piece of code uses. `from hvae_ref import viz` with `viz.kl_bars()`
  uses `hvae_ref.viz.bars`, since the re-exports of a package's `__init__` are followed to where a name is defined;
* `closure(modules)`: these, and all that they use in turn.

A name that is imported and not used counts for nothing; a package that is used as a whole, as in `getattr(viz, name)`,
counts with all that it exports.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_LAZY = re.compile(r"(?P<module>\w+(?:\.\w+)+)(?::(?P<name>\w+))?")
_NO_CODE = {"type_comment", "kind", "ctx", "type_params"}
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Target(NamedTuple):
    """What a name stands for: a module, or what a module calls `name`."""

    module: str
    name: str | None = None


@lru_cache(maxsize=1024)
def _parsed(path: Path, _stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def without_docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes of a module that are no docstring."""
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS | ast.Module) and ast.get_docstring(node, clean=False) is not None:
            texts |= {node.body[0], node.body[0].value}
    return (node for node in ast.walk(tree) if node not in texts)


def strings(tree: ast.Module) -> set[str]:
    """The texts of a module's code, docstrings left out; of an f-string, its constant parts."""
    if not hasattr(tree, "strings"):
        constants = (node.value for node in without_docstrings(tree) if isinstance(node, ast.Constant))
        tree.strings = {value for value in constants if isinstance(value, str)}
    return tree.strings


def code_digest(tree: ast.Module) -> str:
    """A hash of what a module does: comments, layout and docstrings leave it as it is.

    It is the same for every supported version of Python, whose own `ast.dump` differ.
    """
    if hasattr(tree, "digest"):
        return tree.digest
    kept = set(without_docstrings(tree))

    def lines(node: ast.AST) -> Iterator[str]:
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if value in (None, []) or name in _NO_CODE:
                continue
            yield f".{name}"
            for entry in value if isinstance(value, list) else [value]:
                if not isinstance(entry, ast.AST):
                    yield repr(entry)
                elif isinstance(node, ast.JoinedStr) and getattr(entry, "value", None) == "":
                    continue  # Python 3.12 alone writes these
                elif entry in kept:
                    yield from lines(entry)
        yield ";"

    tree.digest = hashlib.sha256("\n".join(lines(tree)).encode()).hexdigest()[:8]
    return tree.digest


class Package:
    """A package's modules, by dotted name.

    Args:
        folder: of the package, such as …/hvae_ref.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.modules = {self._dotted(path): path for path in sorted(folder.rglob("*.py"))}

    def _dotted(self, path: Path) -> str:
        parts = path.relative_to(self.folder).with_suffix("").parts
        return ".".join([self.name, *(parts[:-1] if parts[-1] == "__init__" else parts)])

    def tree(self, module: str) -> ast.Module:
        """A module's syntax tree."""
        path = self.modules[module]
        return _parsed(path, (path.stat().st_mtime_ns, path.stat().st_size))

    def inside(self, module: str) -> set[str]:
        """A module and, where it is a package, all modules below it."""
        return {name for name in self.modules if name == module or name.startswith(f"{module}.")}

    def statements(self, nodes: Iterable[ast.AST], module: str) -> Iterator[tuple[str, Target]]:
        """What import statements bind: each name, and what of this package it stands for.

        Args:
            nodes: of which the import statements are read.
            module: where they stand, for relative imports; "" for code outside of the package.
        """
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == self.name:
                        bound = Target(alias.name if alias.asname else self.name)
                        yield alias.asname or self.name, bound
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node, module)
                if base.split(".")[0] == self.name:
                    for alias in node.names:
                        yield alias.asname or alias.name, self._member(base, alias.name)

    def _base(self, node: ast.ImportFrom, module: str) -> str:
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        above = parts if self._is_package(module) else parts[:-1]
        above = above[: len(above) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])

    def _is_package(self, module: str) -> bool:
        return module in self.modules and self.modules[module].name == "__init__.py"

    def _member(self, module: str, name: str) -> Target:
        """What `module.name` is: what the module itself binds comes before a module below it."""
        if module in self.modules and name in self._bound(module):
            return Target(module, name)
        below = f"{module}.{name}"
        return Target(below) if below in self.modules else Target(module, name)

    def _bound(self, module: str) -> Mapping[str, Target | None]:
        """The names that a module binds at its top: to something imported, or (None) to something of its own."""
        tree = self.tree(module)
        if not hasattr(tree, "bound"):
            found: dict[str, Target | None] = {}
            for node in _top(tree):
                if isinstance(node, DEFINITIONS):
                    found[node.name] = None
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    found[node.id] = None
            tree.bound = found  # set before imports are read: these may ask for it again
            for name, target in self.statements(_top(tree), module):
                if target != Target(module, name) and target != Target(f"{module}.{name}"):
                    found[name] = target
        return tree.bound

    def defined_in(self, target: Target) -> set[str]:
        """The modules that hold what a name stands for; a package used as a whole is all that it exports."""
        module, name = target
        if name is None:
            exported = (
                [self.defined_in(t) for t in self._bound(module).values() if t] if self._is_package(module) else []
            )
            return {module}.union(*exported)
        if module not in self.modules:
            return set()
        bound = self._bound(module)
        if bound.get(name) is not None:
            return self.defined_in(bound[name])
        if name not in bound and f"{module}.{name}" in self.modules:
            return self.defined_in(Target(f"{module}.{name}"))
        return {module}

    def imported(self, module: str, on_import: bool = False) -> set[str]:
        """The modules that a module's import statements name.

        Args:
            module: a module of this package.
            on_import: leave out what is imported inside of functions and for type checkers only.
        """
        tree = self.tree(module)
        nodes = _top(tree, typing=False) if on_import else ast.walk(tree)
        found = {target.module for _, target in self.statements(nodes, module)}
        named = {
            a.name for n in (_top(tree) if on_import else ast.walk(tree)) if isinstance(n, ast.Import) for a in n.names
        }
        return (found | {name for name in named if name in self.modules}) - {module}

    def references(self, tree: ast.Module, module: str = "") -> Iterator[tuple[ast.expr, Target]]:
        """Each expression in a piece of code that stands for something of this package, and what that is."""
        bound = dict(self.statements(ast.walk(tree), module))

        def target(node: ast.AST) -> Target | None:
            if isinstance(node, ast.Name):
                return bound.get(node.id)
            if isinstance(node, ast.Attribute):
                before = target(node.value)
                return self._member(before.module, node.attr) if before and before.name is None else before
            return None

        waiting: list[ast.AST] = [tree]
        while waiting:
            node = waiting.pop()
            found = target(node) if isinstance(node, ast.Name | ast.Attribute) else None
            if found is None:
                waiting += ast.iter_child_nodes(node)
            elif isinstance(node.ctx, ast.Load):
                yield node, found

    def used(self, tree: ast.Module, module: str = "") -> set[str]:
        """The modules that hold what a piece of code uses."""
        return set().union(*(self.defined_in(target) for _, target in self.references(tree, module))) - {module}

    def lazy(self, module: str) -> dict[str, set[str]]:
        """What a module imports by name when it is asked to: its tables {"word": "package.module:Name"}, as modules."""
        found: dict[str, set[str]] = {}
        for node in ast.walk(self.tree(module)):
            for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    found.setdefault(str(key.value), set()).update(self.named(str(value.value)))
        return {word: modules for word, modules in found.items() if modules}

    def named(self, text: str) -> set[str]:
        """The modules that "package.module:Name" stands for; none for any other text."""
        match = _LAZY.fullmatch(text)
        if match is None or match["module"] not in self.modules:
            return set()
        return self.defined_in(Target(match["module"], match["name"]))

    def closure(self, modules: Collection[str]) -> set[str]:
        """These modules and all that they use, and so on."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            if (module := waiting.pop()) not in found:
                found.add(module)
                waiting += self._used_by(module) - found
        return found

    def _used_by(self, module: str) -> set[str]:
        tree = self.tree(module)
        if not hasattr(tree, "used"):
            tree.used = self.used(tree, module)
        return tree.used


def _top(tree: ast.AST, typing: bool = True) -> Iterator[ast.AST]:
    """The nodes that run on import: no function's body and, without `typing`, nothing under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        yield node
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not isinstance(node, DEFINITIONS | ast.Lambda) and (typing or not checking):
            yield from _top(node, typing)
