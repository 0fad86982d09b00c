"""The reference of `hvae_ref`: where sphinx-autoapi's objects stand, and by which of their paths they are known.

`sphinx-autoapi` reads the sources and never imports them, so the site needs no torch. What is left to say is the order:
a name stands once, under the shortest path that a package's `__all__` gives it, and is found under its other paths too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

SHAPED = re.compile(r"\bjaxtyping\.(\w+)\[([\w.]+), ([^\[\]\"']*)\]")
# A class with its module, such as `collections.abc.Sequence`.
QUALIFIED = re.compile(r"(?<![\w.~\"'])([a-z_]\w*\.(?:[a-z_]\w*\.)*)([A-Z]\w*)\b(?!\.)")
GENERATED = re.compile(r"\bdataclass\b|\bNamedTuple$")
KINDS = ("class", "exception", "function", "data")


@dataclass(frozen=True)
class Name:
    """One public name: the path it is documented under, where it is defined, and all other paths it has."""

    path: str
    definition: str
    aliases: tuple[str, ...] = ()

    @property
    def exported(self) -> bool:
        """Whether a package gives the name a shorter path than its module does."""
        return self.path != self.definition


class Sources:
    """What sphinx-autoapi has read.

    Args:
        objects: everything by its dotted name, `app.env.autoapi_all_objects`; where a function is called as its module
            is, this is the function.
        modules: modules and packages by their dotted names, `app.env.autoapi_objects`.
    """

    def __init__(self, objects: dict[str, Any], modules: dict[str, Any]) -> None:
        self.objects, self.modules = objects, modules

    @cached_property
    def names(self) -> dict[str, Name]:
        """Every public name by where it is defined: it stands under the shortest path that an `__all__` gives it."""
        exports = self._exports()
        names = {}
        for module in self.modules.values():
            for child in module.children:
                if child.display and child.type in KINDS and not child.imported:
                    others = sorted(exports.get(child.id, set()) - {child.id}, key=lambda path: (path.count("."), path))
                    shown = next((path for path in others if path in self.objects), child.id)
                    aliases = tuple(path for path in [*others, child.id] if path != shown)
                    names[child.id] = Name(shown, child.id, aliases)
        return names

    def _exports(self) -> dict[str, set[str]]:
        """The paths that packages give to names, by where these are defined."""
        exports: dict[str, set[str]] = {}
        for package in self.modules.values():
            listed = set(package.all or ())
            for child in package.children:
                if child.display and child.name in listed:
                    exports.setdefault(self.definition(child.id), set()).add(child.id)
            # Of a function that is called as its module, autoapi loses sight where it is imported twice.
            for last in listed - {child.name for child in package.children}:
                for module in self.modules.values():
                    if module.id.startswith(f"{package.id}.") and module.id.endswith(f".{last}"):
                        exports.setdefault(f"{module.id}.{last}", set()).add(f"{package.id}.{last}")
        return exports

    @cached_property
    def paths(self) -> dict[str, str]:
        """The path under which each public name is documented, by where it is defined."""
        return {name.definition: name.path for name in self.names.values()}

    def members(self, path: str) -> list[str]:
        """The names of a class's public members, its own and inherited ones; nothing for anything else."""
        return [
            child.name
            for child in self.objects[path].children
            if child.docstring and (child.name == "__call__" or not child.name.startswith("_"))
        ]

    def definition(self, path: str) -> str:
        """Follow imports and inheritance to where an object is written; the path itself where nothing leads on."""
        found = self.objects.get(path)
        if found is None or "from_line_no" in found.obj:
            return path
        if original := found.obj.get("original_path"):
            return self.definition(original)
        if found.inherited:
            return self.definition(f"{found.obj['inherited_from']['full_name']}.{found.name}")
        parent, _, name = path.rpartition(".")
        return f"{self.definition(parent)}.{name}" if parent in self.objects else path

    def module(self, path: str) -> Any:  # noqa: ANN401 (an object of sphinx-autoapi)
        """Find the module or package that a dotted name lies in; None where there is no such module."""
        while path and path not in self.modules:
            path = path.rpartition(".")[0]
        return self.modules.get(path)

    def listing(self, *packages: str) -> list[tuple[str, list[Name]]]:
        """Group the public names that some packages or modules define.

        Returns:
            pairs of a dotted name and the names under it: what packages export, under the first package's name, in the
            order of `__all__`; then what is left, module by module.

        Raises:
            LookupError: where there is no such package or module.
        """
        if unknown := [package for package in packages if package not in self.modules]:
            raise LookupError(f"reference: expected packages or modules of the repository, got {', '.join(unknown)}")
        exported, rest = [], {}
        for name in self.names.values():
            if any(name.definition.startswith(f"{package}.") for package in packages):
                place = name.definition.rpartition(".")[0]
                if name.exported or place == packages[0]:
                    exported.append(name)
                else:
                    rest.setdefault(place, []).append(name)
        return [(packages[0], sorted(exported, key=self._rank)), *sorted(rest.items())]

    def _rank(self, name: Name) -> tuple[str, int]:
        package, _, last = name.path.rpartition(".")
        listed = self.modules[package].all or []
        return package, listed.index(last) if last in listed else len(listed)

    def directives(self, *packages: str, exported: bool = False) -> Iterator[str]:
        """Write the reference of some packages or modules as directives of sphinx-autoapi, line by line.

        Args:
            packages: their dotted names.
            exported: leave out the modules' other public names.
        """
        for position, (place, names) in enumerate(self.listing(*packages)):
            if position and exported:
                return
            if position:
                yield from (place, "-" * len(place), "")
            # A function may be called as its module is: the path is the function's then.
            hidden = place in self.objects and self.objects[place].type not in ("module", "package")
            yield from (f".. py:module:: {place}", *["   :no-index:"] * hidden, "")
            yield from (*self.modules[place].docstring.splitlines(), "")
            if names:
                yield from (".. autoapisummary::", "   :nosignatures:", "", *(f"   {name.path}" for name in names), "")
            for name in names:
                kind = self.objects[name.path].type
                is_class = kind in ("class", "exception")
                yield f".. autoapi{kind}:: {name.path}{self.fields(name.definition) if is_class else ''}"
                if is_class:
                    yield "   :show-inheritance:"
                    if members := self.members(name.path):
                        yield f"   :members: {', '.join(members)}"
                yield ""

    def fields(self, path: str) -> str:
        """Write the constructor of a dataclass or named tuple, which autoapi does not see; empty for other classes."""
        found, module = self.objects[path], self.module(path)
        if found.constructor is not None:
            return ""
        node = _class_at(module.obj["file_path"], found.obj["from_line_no"])
        made = [ast.unparse(decorator) for decorator in node.decorator_list] + [
            ast.unparse(base) for base in node.bases
        ]
        if not any(re.search(r"\bdataclass\b|\bNamedTuple$", text) for text in made):
            return ""
        types = {child.name: child.annotation for child in found.children if child.type == "attribute"}
        own = [line for line in node.body if isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.unparse(line)]
        return f"({', '.join(_field(line, types) for line in own)})" if own else ""


def readable_type(text: str | None) -> str | None:
    """Write an annotation as its source has it, for Sphinx, which shows of `~package.Name` the last part.

    autoapi drops the quotes around the shapes of jaxtyping, and says of every name which module it comes from.
    """
    if not text:
        return text
    text = SHAPED.sub(r'jaxtyping.\1[\2, "\3"]', text)
    return QUALIFIED.sub(lambda match: f"~{match[0]}" if match[1] != "torch.nn." else f"nn.{match[2]}", text)


def _field(line: ast.AnnAssign, types: dict[str, str]) -> str:
    name = ast.unparse(line.target)
    text = f"{name}: {types.get(name) or ast.unparse(line.annotation)}"
    if line.value is None:
        return text
    made = isinstance(line.value, ast.Call) and ast.unparse(line.value.func).endswith("field")
    return f"{text} = {'...' if made else ast.unparse(line.value)}"


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _class_at(path: str, line: int) -> ast.ClassDef:
    """The class that begins at a line of a file, with its decorators or without them."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ClassDef):
            lines = [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
            if min(lines) <= line <= max(lines):
                return node
    raise LookupError(f"reference: expected a class at line {line} of {path}, found none")
