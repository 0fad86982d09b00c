"""How the site shows a chapter's code cells: without the marks and verdicts that only a running notebook needs."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform

MARK = re.compile(r"^# NBVAL_\w+[ \t]*\n", re.MULTILINE)
TITLE = re.compile(r"\A# @title (.+)\n+")
IDLE = ("not attempted yet", "class='hvae-progress'")
"""Parts of outputs that say only that nobody has worked in this copy of the chapter."""


class ReadableCells(SphinxTransform):
    """Titles for folded cells; no marks of the test runner, no verdict on a stub, no count of nothing."""

    default_priority = 650

    def apply(self) -> None:
        """Tidy every code cell of the page."""
        cells = [node for node in self.document.findall(nodes.container) if node.get("nb_element") == "cell_code"]
        for number, cell in enumerate(cells):
            self._tidy(cell, first=number == 0)

    def _tidy(self, cell: nodes.container, first: bool) -> None:
        for source in list(cell.findall(nodes.literal_block)):
            if source.parent.get("nb_element") == "cell_code_source":
                text = MARK.sub("", source.astext())
                if title := TITLE.match(text):
                    cell["prompt_show"], cell["prompt_hide"] = f"Show code: {title[1]}", f"Hide code: {title[1]}"
                    text = text[title.end() :]
                if text != source.astext():
                    source.rawsource = text
                    source.children = [nodes.Text(text)]
        for output in list(cell.findall(nodes.container)):
            if output.get("nb_element") == "cell_code_output" and (first or _idle(output)):
                output.parent.remove(output)


def _idle(output: nodes.container) -> bool:
    texts = [raw.astext() for raw in output.findall(nodes.raw)]
    return bool(texts) and any(words in text for text in texts for words in IDLE)
