"""Docstrings made fit for reStructuredText: what is written as plain text is shown as plain text.

A docstring of the package says `E_q[log p(x|z_1)] * 2` and means it. Lines are changed before napoleon reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

# Kept as markup: code in backticks with the role before it, addresses, words in *emphasis* or **bold**.
KEPT = re.compile(
    r"(``[^`]+``|(?::[\w:]+:)?`[^`]+`|https?://[^\s<>]+"
    r"|(?<![^\s(])\*{1,2}[^\W\d_][\w -]*\*{1,2}(?![^\s.,;:!?)]))"
)
# What reStructuredText would read as emphasis, substitution, escape or reference.
SPECIAL = re.compile(r"[*|\\]|(?<=\w)_+(?!\w)")
JOINT = re.compile(r"(?<=[^\s\0])\0(?=[^\s\0])")
# A line, or what an argument is said to be, that begins as an enumeration would: "D." or "(n) values".
ITEM = re.compile(r"^(\s*(?:\w+: )?)([A-Za-z]\.|\([A-Za-z]\))((?:\s.*)?)$")
BETWEEN_CELLS = re.compile(r"\|(?=(?:[^`]*`[^`]*`)*[^`]*$)")
RULE = re.compile(r"^\s*\|[-:| ]+\|$")
SECTION = re.compile(r"^([A-Z][a-z]+):$")
ARGUMENT = re.compile(r"^(\s+\*{1,2}\w+(?:, \*{0,2}\w+)*)(:.*)$")


def readable(lines: list[str], what: str = "function") -> list[str]:
    """Escape what would be taken for markup, turn indented displays into code and Markdown's tables into lists of rows.

    Args:
        lines: of one docstring, without the indentation that all of them share.
        what: the kind of object that it describes, as autodoc calls it.
    """
    section, answer = "", []
    for empty, block in groupby(lines, key=lambda line: not line.strip()):
        block = list(block)
        if empty:
            answer += block
        elif not section and all(line.startswith("  ") for line in block) and not _is_example(block[0]):
            answer += ["::", "", *block]
        elif len(block) > 1 and RULE.match(block[1]):
            answer += _list_table(block)
        else:
            section = section if block[0].startswith(" ") else ""
            for line, part in _with_sections(block, section):
                answer.append(line)
                section = part
    # napoleon takes what stands before a colon for a type, here and under Returns; types are in the signatures.
    return [f": {answer[0]}", *answer[1:]] if what in ("attribute", "data", "property") else answer


def _list_table(rows: list[str]) -> list[str]:
    """Write a Markdown table as reStructuredText's list-table, whose cells may be of any length."""
    indent = " " * (len(rows[0]) - len(rows[0].lstrip()))
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [rows[0], *rows[2:]]:
        first, *others = (escape(cell.strip()) for cell in BETWEEN_CELLS.split(row.strip().strip("|")))
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return [indent + line for line in lines]


def _with_sections(block: list[str], section: str) -> Iterator[tuple[str, str]]:
    """Escape one paragraph; yield each line with the section that it belongs to."""
    example = opens = False
    for line in block:
        example = example or _is_example(line)
        if heading := SECTION.match(line):
            section, opens = heading[1], heading[1] in ("Returns", "Yields")
            yield line, section
        elif opens:
            opens = False
            yield f"    : {escape(line.strip())}", section
        else:
            yield line if example else escape(line), section


def escape(text: str) -> str:
    """Escape a line of plain text but for its code, its addresses and its emphasis."""
    if argument := ARGUMENT.match(text):
        return argument[1] + escape(argument[2])
    if item := ITEM.match(text):
        return rf"{item[1]}\{item[2]}{escape(item[3])}"
    # The empty escape on both sides lets markup stand inside a word, as in `block`².
    parts = KEPT.split(text)
    escaped = (f"\0{part}\0" if odd % 2 else SPECIAL.sub(r"\\\g<0>", part) for odd, part in enumerate(parts))
    return JOINT.sub(r"\\ ", "".join(escaped)).replace("\0", "")


def _is_example(line: str) -> bool:
    return line.lstrip().startswith(">>>")
