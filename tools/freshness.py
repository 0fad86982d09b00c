"""What a chapter's outputs were made from, so that a change says which chapters are to be run again, and why.

A chapter is stale when one of these has changed since it was run:

* its own code (`tools.chapters.code_hash`); prose may change;
* a module that holds what its code uses, or what these modules use in turn, by their import statements: see
  `tools.imports`. Of a package's `__init__` only the names that are used count: a chapter that draws `viz.kl_bars` does
  not depend on `viz.spheres`. A table {"word": "package.module:Name"} in such a module, or an entry point of data
  sets, is followed where the chapter, or a recipe that it names, says the word;
* the exercises and questions of its own number;
* a file of the package that it names, or that such a module names: "digits-vae" is the recipe of that name,
  "digits_study" the table of results, and a word that ends in "_" or "-" stands for all that begin with it.

Of a module, code counts: comments, layout and docstrings may change, unless the chapter shows its source (`show(X)`).
Not seen are modules and files whose names are put together while the code runs, and what stands outside of the package.
Standard library alone.
"""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tools.imports import Package, Target, code_digest, strings
from tools.repository import ROOT

ENTRY_POINTS = {"hvae_ref.data.loading": "hvae_ref.datasets"}
"""Modules that look names up among entry points, and the group."""
SHOW = ("viz.source", "show")
"""The function that prints the source of its argument."""
_MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)
_TEXT = re.compile(r'"([^"\n]*)"')


def code_of(sources: Iterable[str]) -> ast.Module:
    """The code of a chapter's cells as one tree; IPython's own lines do nothing.

    Raises:
        ValueError: for a cell that is no Python, with its first line.
    """
    body: list[ast.stmt] = []
    for source in sources:
        try:
            body += ast.parse(_MAGIC.sub("", source)).body
        except SyntaxError as error:
            raise ValueError(f"a code cell is no Python ({error}): {source.splitlines()[0]!r}") from error
    return ast.Module(body, type_ignores=[])


def dependencies(sources: Iterable[str], chapter: int, package: Package) -> dict[str, str]:
    """The modules and files that a chapter's outputs depend on, each with a short hash.

    Args:
        sources: of its code cells.
        chapter: its number, for its exercises.
        package: to look them up in.

    Returns:
        Hashes by name: "models.vae" for a module, "results/digits_study.json" for a file.
    """
    code = code_of(sources)
    words, used = strings(code), package.used(code)
    own = f"{package.name}.exercises.ch{chapter:02}"
    if any(module.startswith(f"{package.name}.exercises") for module in used):
        used |= package.inside(own)
    while True:
        modules = package.closure(used)
        files = set(_files(package, modules, words, own))
        said = words.union(
            *(_TEXT.findall(file.read_text(encoding="utf-8")) for file in files if file.suffix == ".toml")
        )
        more = _by_name(package, modules, said) - modules
        if not more:
            break
        used |= more
    shown = _shown(code, package)
    found = {}
    for module in modules:
        path = package.modules[module]
        found[module.removeprefix(f"{package.name}.")] = (
            _digest(path) if module in shown else code_digest(package.tree(module))
        )
    for file in files:
        found[file.relative_to(package.folder).as_posix()] = _digest(file)
    return dict(sorted(found.items()))


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names whose hashes differ, or that are in one of the two alone."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def _files(package: Package, modules: set[str], words: set[str], own: str) -> Iterator[Path]:
    """The package's data files that these modules read, as far as somebody names them."""
    folders = {package.modules[module].parent for module in modules}
    known = words.union(*(strings(package.tree(module)) for module in modules))
    beginnings = tuple(word for word in known if len(word) > 3 and word.endswith(("_", "-")))
    exercises = package.folder / "exercises"
    for file in package.folder.rglob("*"):
        inside = file.relative_to(package.folder).parts
        if (
            file.suffix in (".py", ".tmp", ".js", ".css")  # scripts and styles run on the page, not in the chapter
            or not file.is_file()
            or any(p[0] == "." or p == "__pycache__" for p in inside)
        ):
            continue
        reader = next(folder for folder in file.parents if (folder / "__init__.py").exists())
        if reader not in folders:
            continue
        if reader != exercises and reader.is_relative_to(exercises):
            named = reader == package.folder.joinpath(*own.split(".")[1:])
        else:
            named = file.stem in known or file.name in known or file.stem.startswith(beginnings)
        if named:
            yield file


def _by_name(package: Package, modules: set[str], said: set[str]) -> set[str]:
    """The modules that these look up by a word that is said."""
    tables = [package.lazy(module) for module in modules]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("entry-points", {})
    for module in modules & ENTRY_POINTS.keys():
        tables.append({word: package.named(place) for word, place in groups[ENTRY_POINTS[module]].items()})
    return set().union(*(found for table in tables for word, found in table.items() if word in said))


def _shown(code: ast.Module, package: Package) -> set[str]:
    """The modules whose text the chapter prints."""
    found: set[str] = set()
    everywhere = {id(node): target for node, target in package.references(code)}
    for statement in code.body:
        targets = {id(node): everywhere[id(node)] for node in ast.walk(statement) if id(node) in everywhere}
        for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
            called = targets.get(id(call.func))
            if called is None or called.name != SHOW[1]:
                continue
            if package.defined_in(called) != {f"{package.name}.{SHOW[0]}"}:
                continue
            shown = targets.get(id(call.args[0])) if call.args else None
            # What is not named in the call itself, as in a loop over methods, is named beside it.
            for target in [shown] if shown else set(targets.values()) - {called}:
                found |= _text_of(target, package)
    return found


def _text_of(target: Target, package: Package) -> set[str]:
    """The modules that hold an object's source: its own, and those of its base classes, whose methods it may have."""
    found = package.defined_in(target)
    for module in list(found):
        tree = package.tree(module)
        bound = dict(package.references(tree, module))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found |= set().union(*(_text_of(bound[base], package) for base in node.bases if base in bound))
    return found
