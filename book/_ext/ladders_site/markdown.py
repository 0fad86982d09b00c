"""Small helpers for writing Markdown that says what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# What Markdown (with dollar mathematics and link recognition) would read as markup.
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#$|~])")


def escape(text: str) -> str:
    """Escape a plain text so that Markdown shows it as it is."""
    return SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """Show a text as inline code, also where it holds backticks; pipes are escaped for tables."""
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """Write a Markdown table; `align` holds one of `l`, `r`, `c` a column."""
    marks = {"l": ":---", "r": "---:", "c": ":---:"}
    lines = [header, [marks[letter] for letter in (align or "l" * len(header))], *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("\n", " ") for cell in line) + " |" for line in lines)
