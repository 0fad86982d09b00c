"""Execution times of the chapters, as measured when their committed outputs were made."""

from __future__ import annotations

from .chapters import read_chapters
from .project import Project


def execution_times(project: Project) -> str:
    """Write a Markdown table of chapter, code cells and seconds, from `metadata.hvae_ref` of each notebook."""
    rows = ["| chapter | code cells | measured time |", "|---|---:|---:|"]
    total, complete = 0.0, True
    for chapter in read_chapters(project.root):
        seconds = chapter.seconds
        complete = complete and seconds is not None
        total += seconds or 0.0
        shown = "not measured" if seconds is None else f"{seconds:.0f} s"
        rows.append(f"| [{chapter.title}](/chapters/{chapter.path.name}) | {chapter.code_cells} | {shown} |")
    if total and complete:
        rows.append(f"| **all** | | **{total:.0f} s** |")
    return "\n".join(rows)
