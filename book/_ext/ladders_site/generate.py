"""Fills the places of the pages that are computed: `<!-- generate: exercise-index -->` becomes Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from .cards import chapter_cards
from .errata import errata_table
from .exercises import exercise_index
from .headline import headline
from .project import Project
from .results import benchmark_tables, results_tables
from .times import execution_times

PLACEHOLDER = re.compile(r"^<!-- generate: ([\w-]+)((?: [\w.]+)*) -->$", re.MULTILINE)

GENERATORS: dict[str, Callable[..., str]] = {
    "benchmarks": benchmark_tables,
    "chapter-cards": chapter_cards,
    "errata-table": errata_table,
    "execution-times": execution_times,
    "exercise-index": exercise_index,
    "headline": headline,
    "results": results_tables,
}


def has_placeholder(text: str) -> bool:
    """Tell whether a page has anything to be filled in."""
    return PLACEHOLDER.search(text) is not None


def fill(text: str, project: Project) -> str:
    """Replace every placeholder of a page by what its generator writes.

    Raises:
        ValueError: where a placeholder names no generator.
    """

    def replacement(match: re.Match[str]) -> str:
        name, arguments = match[1], match[2].split()
        if name not in GENERATORS:
            raise ValueError(f"generate: expected one of {', '.join(sorted(GENERATORS))}, got {name!r}")
        return GENERATORS[name](project, *arguments)

    return PLACEHOLDER.sub(replacement, text)
