"""Google docstrings as Markdown: plain text stays plain text, whatever signs its formulas use."""

from __future__ import annotations

import inspect
import re

from .markdown import escape

SECTIONS = (
    "Args",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Reference",
    "References",
    "Example",
    "Examples",
    "Note",
)
HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):\s*(.*)$")
ITEM = re.compile(r"^(\*{0,2}[\w.]+(?:\s*\([^)]*\))?(?:,\s*\*{0,2}\w+)*):\s+(.*)$", re.DOTALL)
# Kept as markup: code in backticks, mathematics in a role, addresses, words in *emphasis* or **bold**.
KEPT = re.compile(
    r"(:math:`[^`]+`|``[^`]+``|`[^`]+`|https?://[^\s<>]+[^\s<>.,;:!?)\]]"
    r"|(?<![^\s(])\*{1,2}[^\W\d][\w -]*\*{1,2}(?![^\s.,;:!?)]))"
)


def render(docstring: str) -> str:
    """Turn one docstring into Markdown."""
    return "\n\n".join(_blocks(inspect.cleandoc(docstring)))


def summary(docstring: str | None) -> str:
    """Answer the first sentence or line of a docstring as Markdown, on one line."""
    if not docstring:
        return ""
    return inline(" ".join(inspect.cleandoc(docstring).split("\n\n")[0].split()))


def inline(text: str) -> str:
    """Escape a text but for its code, its mathematics and its addresses."""
    parts = KEPT.split(text)
    return "".join(_kept(part) if index % 2 else escape(part) for index, part in enumerate(parts))


def _kept(part: str) -> str:
    if part.startswith(":math:"):
        return f"${part[7:-1]}$"
    if part.startswith("http"):
        return f"<{part}>"
    return part


def _blocks(text: str) -> list[str]:
    """Cut a docstring into paragraphs, examples, displays and sections; answer each as Markdown."""
    lines, blocks, index = text.split("\n"), [], 0
    while index < len(lines):
        line = lines[index]
        heading = HEADING.match(line)
        if not line.strip():
            index += 1
        elif heading:
            body, index = _take(lines, index + 1, lambda text: not text.strip() or text.startswith(" "))
            body = [heading[2], *body] if heading[2] else body
            blocks.append(_section(heading[1], inspect.cleandoc("\n" + "\n".join(body))))
        elif line.startswith(">>>"):
            body, index = _take(lines, index, lambda text: bool(text.strip()))
            blocks.append(_fence("\n".join(body), "pycon"))
        elif line.startswith("  "):
            body, index = _take(lines, index, lambda text: not text.strip() or text.startswith(" "))
            blocks.append(_fence(inspect.cleandoc("\n" + "\n".join(body)), "text"))
        else:
            body, index = _take(lines, index, lambda text: bool(text.strip()) and not HEADING.match(text))
            blocks.append(inline(" ".join(part.strip() for part in body)))
    return blocks


def _take(lines: list[str], start: int, belongs) -> tuple[list[str], int]:  # noqa: ANN001 (a predicate on a line)
    end = start + 1 if start < len(lines) and belongs(lines[start]) else start
    while start < end < len(lines) and belongs(lines[end]):
        end += 1
    return lines[start:end], end


def _fence(body: str, language: str) -> str:
    return f"```{language}\n{body.rstrip()}\n```"


def _section(name: str, body: str) -> str:
    """Write one section: a list where it names things, a paragraph where it speaks."""
    title = f"**{name}**"
    if name in ("Example", "Examples"):
        return f"{title}\n\n" + "\n\n".join(_blocks(body))
    if name not in ("Args", "Attributes", "Raises"):
        return f"{title}: {inline(' '.join(body.split()))}"
    items = []
    for entry in _entries(body):
        match = ITEM.match(entry)
        items.append(f"- `{match[1]}`: {inline(match[2])}" if match else f"- {inline(entry)}")
    return f"{title}\n\n" + "\n".join(items)


def _entries(body: str) -> list[str]:
    """Join the continuation lines of a list of `name: text` entries."""
    entries: list[str] = []
    for line in body.split("\n"):
        if line.startswith(" ") and entries:
            entries[-1] += " " + line.strip()
        elif line.strip():
            entries.append(line.strip())
    return entries
