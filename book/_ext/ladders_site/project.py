"""What the pages need to know about the repository: where it is, what it is called, how to link into it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Project:
    """A checkout of the course, read as files and never imported.

    Args:
        root: the folder that holds `_config.yml`.
    """

    root: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The contents of `_config.yml`."""
        return yaml.safe_load((self.root / "_config.yml").read_text(encoding="utf-8"))

    @property
    def url(self) -> str:
        """The repository's address, without a slash at its end."""
        return self.config["repository"]["url"].rstrip("/")

    @property
    def branch(self) -> str:
        """The branch that links point to."""
        return self.config["repository"].get("branch", "main")

    @property
    def version(self) -> str:
        """The package's version."""
        return re.search(r'^__version__ = "(.+)"$', (self.root / "hvae_ref" / "__init__.py").read_text(), re.M)[1]

    def blob(self, path: str, line: int | None = None) -> str:
        """Answer the address of a file (or folder) of the repository, at a line if one is given.

        Raises:
            FileNotFoundError: where the repository has no such path.
        """
        if not (self.root / path).exists():
            raise FileNotFoundError(f"path: expected a file of the repository, got {path!r}")
        kind = "tree" if (self.root / path).is_dir() else "blob"
        return f"{self.url}/{kind}/{self.branch}/{path}" + (f"#L{line}" if line else "")

    def colab(self, path: str) -> str:
        """Answer the address that opens a notebook of the repository in Colab."""
        owner_and_name = self.url.removeprefix("https://github.com/")
        return f"https://colab.research.google.com/github/{owner_and_name}/blob/{self.branch}/{path}"

    def test_line(self, node_id: str) -> int:
        """Find the line of a test named as pytest names it, `tests/test_x.py::TestClass::test_name`.

        Raises:
            LookupError: where the file or the test does not exist.
        """
        path, *names = node_id.split("::")
        if not (self.root / path).is_file():
            raise LookupError(f"test: expected an existing file, got {node_id!r}")
        body: list[ast.stmt] = ast.parse((self.root / path).read_text(encoding="utf-8")).body
        line = 1
        for name in names:
            found = [
                node
                for node in body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
            ]
            if not found:
                raise LookupError(f"test: expected {name!r} in {path}, got no such function or class ({node_id!r})")
            line, body = found[0].lineno, found[0].body
        return line
