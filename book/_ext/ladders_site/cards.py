"""Cards that lead from the front page into the chapters."""

from __future__ import annotations

import re

from .chapters import read_chapters
from .project import Project

SYMBOL = re.compile(r"\$([A-Za-z])(?:_(\w))?\$")


def chapter_cards(project: Project) -> str:
    """Write one card a chapter: its title, its first sentence or two, and the ways in."""
    cards = []
    for chapter in read_chapters(project.root):
        path = f"chapters/{chapter.path.stem}"
        times = f" · {chapter.seconds:.0f} s on two cores" if chapter.seconds else ""
        count = len(chapter.exercises())
        footer = f"{count} exercise{'s' * (count != 1)}{times} · [open in Colab]({project.colab(f'{path}.ipynb')})"
        cards.append(
            f":::{{grid-item-card}} {chapter.title}\n:link: /{path}\n:link-type: doc\n:class-card: chapter-card\n\n"
            f"{without_formulas(chapter.lead)}\n\n{{.card-meta}}\n{footer}\n:::"
        )
    if not cards:
        return ""
    return "::::{grid} 1 1 2 3\n:gutter: 3\n\n" + "\n\n".join(cards) + "\n::::"


def without_formulas(text: str) -> str:
    """Single symbols, $x$ and $z_2$, as italics with an index: a page of cards then needs no engine for formulas.

    >>> without_formulas("from $z_2$ to $x$")
    'from *z*<sub>2</sub> to *x*'
    """
    return SYMBOL.sub(lambda found: f"*{found[1]}*" + (f"<sub>{found[2]}</sub>" if found[2] else ""), text)
