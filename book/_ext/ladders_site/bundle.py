"""One style sheet for a page, and no script before the page: what a slow line has to bring before anything is seen."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

SHEET = re.compile(r'\s*<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="((?:\.\./)*)_static/([^"?]+\.css)[^"]*"[^>]*>')
SCRIPT = re.compile(r'<script (?![^>]*\b(?:defer|async)\b)([^>]*\bsrc="[^"]*_static/[^"]+"[^>]*></script>)')
OPTIONS = re.compile(r'<script src="[^"]*_static/documentation_options\.js[^"]*"></script>')
PRELOAD = re.compile(r'\s*<link rel="preload" as="script"[^>]*>')
IMPORT = re.compile(r"""@import\s+(?:url\()?["']([^"']+)["']\)?\s*;""")
ADDRESS = re.compile(r"""url\((["']?)(?!data:|https?:|/|#)([^"')]+)\1\)""")


class Bundle:
    """Rewrites pages and keeps what they share.

    Args:
        static: the folder `_static` of the finished site.
    """

    def __init__(self, static: Path) -> None:
        self.static = static.resolve()
        self.options = (static / "documentation_options.js").read_text(encoding="utf-8").strip()
        self.used: set[Path] = set()
        self._made: dict[tuple[str, ...], str] = {}

    def page(self, text: str) -> str:
        """A page with one sheet, its scripts deferred, and the options that inline scripts read in it."""
        sheets = list(SHEET.finditer(text))
        if sheets:
            root = sheets[0][1]
            name = self._sheet(tuple(dict.fromkeys(sheet[2] for sheet in sheets)))
            head = f'\n  <link rel="stylesheet" href="{root}_static/{name}" />'
            for sheet in reversed(sheets):
                text = text[: sheet.start()] + (head if sheet is sheets[0] else "") + text[sheet.end() :]
        text = OPTIONS.sub(lambda _: f"<script>{self.options}</script>", PRELOAD.sub("", text))
        return SCRIPT.sub(r"<script defer \1", text)

    def _sheet(self, names: tuple[str, ...]) -> str:
        if names not in self._made:
            parts = []
            for name in names:
                path = self.static / name
                parts.append(f"/* {name} */\n{self._read(path)}")
            content = "\n".join(parts)
            bundle = f"styles/site-{hashlib.sha256(content.encode()).hexdigest()[:12]}.css"
            (self.static / bundle).write_text(content, encoding="utf-8")
            self._made[names] = bundle
        return self._made[names]

    def _read(self, path: Path) -> str:
        """A sheet with what it imports in the places of its imports."""
        self.used.add(path)
        text = path.read_text(encoding="utf-8")
        text = IMPORT.sub(lambda found: self._read((path.parent / found[1]).resolve()), text)
        return moved(text, path.parent.relative_to(self.static))


def moved(style: str, folder: Path) -> str:
    """A style sheet of `_static/<folder>` as it reads in `_static/styles`.

    >>> moved("a { background: url(plus.png) }", Path("."))
    'a { background: url(../plus.png) }'
    """
    if folder.as_posix() == "styles":
        return style
    up = "../" if folder == Path(".") else f"../{folder.as_posix()}/"
    return ADDRESS.sub(lambda found: f"url({found[1]}{up}{found[2]}{found[1]})", style)
