"""The one address of the project, read from `_config.yml` with the standard library alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_URL = re.compile(r"^repository:\n(?:[ \t].*\n|\n)*?[ \t]+url:[ \t]*(\S+)", re.MULTILINE)
_GITHUB = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+?)(?:\.git)?/?")


@dataclass(frozen=True)
class Repository:
    """Where the project lives on GitHub, and what follows from it."""

    owner: str
    name: str

    @classmethod
    def parse(cls, url: str) -> Repository:
        """Read an address such as https://github.com/owner/name.

        Raises:
            ValueError: if it is no such address: Colab opens notebooks from GitHub only.
        """
        match = _GITHUB.fullmatch(url)
        if match is None:
            raise ValueError(f"repository must look like https://github.com/OWNER/NAME, got {url!r}")
        return cls(*match.groups())

    @property
    def url(self) -> str:
        """The page of the repository."""
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def site(self) -> str:
        """Where GitHub Pages shows the book."""
        return f"https://{self.owner}.github.io/{self.name}"

    def colab(self, chapter: str) -> str:
        """The address that opens `chapters/<chapter>.ipynb` in Colab."""
        return f"https://colab.research.google.com/github/{self.owner}/{self.name}/blob/main/chapters/{chapter}.ipynb"


def configured(root: Path = ROOT) -> Repository:
    """The repository that `_config.yml` names.

    Raises:
        ValueError: if it names none.
    """
    match = _URL.search((root / "_config.yml").read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{root / '_config.yml'} must hold repository: url: https://github.com/OWNER/NAME")
    return Repository.parse(match.group(1).strip("\"'"))
