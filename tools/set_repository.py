"""Give the project another address, everywhere at once.

    python -m tools.set_repository https://github.com/OWNER/NAME

`_config.yml` holds the address; the chapters' first cells and links, the citation, README and pyproject repeat it,
because they are read where no `_config.yml` is. Outputs that were fresh stay fresh: no chapter prints the address.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import chapters
from tools.repository import ROOT, Repository, configured

SUFFIXES = {".cff", ".ipynb", ".json", ".md", ".py", ".svg", ".toml", ".yml", ".yaml", ".html", ".bib", ".txt", ".cfg"}
NOT_OURS = {".git", ".venvs", "_build", "build", "dist", "node_modules", "_vendor", "__pycache__"}


def texts(root: Path) -> Iterator[Path]:
    """Every text file of the project."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - NOT_OURS)
        yield from (Path(folder, name) for name in sorted(files) if Path(name).suffix in SUFFIXES)


def addresses(repository: Repository) -> tuple[str, str, str]:
    """The three ways in which the project's address is written."""
    colab = f"colab.research.google.com/github/{repository.owner}/{repository.name}"
    return repository.url.removeprefix("https://"), colab, repository.site.removeprefix("https://")


def set_repository(new: Repository, root: Path = ROOT) -> list[Path]:
    """Replace the address in every text file under `root`; answer the files that changed."""
    old = configured(root)
    fresh = [path for path in chapters.paths(root) if not chapters.staleness(path, root / "hvae_ref")]
    changed = []
    for path in texts(root):
        before = path.read_text(encoding="utf-8")
        after = before
        for here, there in zip(addresses(old), addresses(new), strict=True):
            after = re.sub(rf"{re.escape(here)}(?![\w-])", there, after)
        if after != before:
            _replace(path, after)
            changed.append(path)
    for path in fresh:
        _restamp(path, root)
    return changed


def _restamp(path: Path, root: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"]["hvae_ref"] |= chapters.stamp(path, root / "hvae_ref")
    _replace(path, json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(path.stat().st_mode)
    os.replace(temporary, path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.set_repository https://github.com/OWNER/NAME")
    try:
        files = set_repository(Repository.parse(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))
    print("\n".join(str(path.relative_to(ROOT)) for path in files) or "Nothing to change.")
