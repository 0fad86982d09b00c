"""The result of a check, for a terminal, a notebook and a page, in light and dark colours."""

from __future__ import annotations

import html
import re
import textwrap
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "not attempted"]

# The word and the mark have the meaning; the colour, legible on white and on black, repeats it.
_LOOK: dict[str, tuple[str, str, str]] = {
    "passed": ("✓", "passed", "#2e9e5b"),
    "failed": ("✗", "not right yet", "#d9534f"),
    "not attempted": ("○", "not attempted yet", "#808a96"),
}


@dataclass(frozen=True)
class Verdict:
    """The result of checking one answer.

    Attributes:
        status: ``"passed"``, ``"failed"`` or ``"not attempted"``.
        exercise: Id of the exercise, such as ``"2.3"``.
        title: Its title.
        message: What the check has to say, as plain text (`` `code` `` in back quotes).
        misconception: Id of the pitfall that the answer matches, such as ``"O5"``, or None.
        difference: Kind of difference from the right answer, such as ``"sign"`` or ``"shape"``, or None.
        section: Heading of the section to read again, or None.
        link: Address of that section in the online book, or None.
        facts: The smallest failing input, what was expected and what came back, as pairs of name and text.
    """

    status: Status
    exercise: str
    title: str
    message: str
    misconception: str | None = None
    difference: str | None = None
    section: str | None = None
    link: str | None = None
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "passed"

    @property
    def heading(self) -> str:
        """One line: the mark, the exercise and the status."""
        mark, word, _ = _LOOK[self.status]
        return f"{mark} Exercise {self.exercise} · {self.title}: {word}"

    def __bool__(self) -> bool:
        """True where the answer is right, so that ``assert check(...)`` works."""
        return self.passed

    def __str__(self) -> str:
        """The verdict for a terminal."""
        lines = [self.heading, *_wrapped(self.message.replace("`", ""))]
        width = max((len(name) for name, _ in self.facts), default=0)
        lines += [f"  {name:<{width}}  {text}" for name, text in self.facts]
        if self.section:
            lines += _wrapped(f"Read again: {self.section}" + (f" <{self.link}>" if self.link else ""))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The verdict as HTML: text in the page's own colour beside a coloured line."""
        colour = _LOOK[self.status][2]
        parts = [f"<p style='margin:0 0 .3em;font-weight:bold'>{html.escape(self.heading)}</p>"]
        parts += [f"<p style='margin:.3em 0'>{_inline(part)}</p>" for part in self.message.split("\n") if part]
        if self.facts:
            rows = "".join(
                f"<tr><th scope='row' style='{_CELL};font-weight:bold'>{html.escape(name)}</th>"
                f"<td style='{_CELL}'><code style='{_CODE}'>{html.escape(text)}</code></td></tr>"
                for name, text in self.facts
            )
            parts.append(
                f"<div style='overflow-x:auto'><table style='border-collapse:collapse;margin:.4em 0;"
                f"background:transparent;color:inherit'><tbody>{rows}</tbody></table></div>"
            )
        if self.section:
            name = html.escape(self.section)
            if self.link:
                address = html.escape(self.link, quote=True)
                name = f"<a href='{address}' style='color:inherit;text-decoration:underline'>{name}</a>"
            parts.append(f"<p style='margin:.3em 0'>Read again: {name}</p>")
        return (
            f"<div role='status' class='hvae-verdict' style='border-left:.35em solid {colour};padding:.5em .9em;"
            f"margin:.3em 0;background:{colour}1f;color:inherit;max-width:46em;line-height:1.45'>"
            f"{''.join(parts)}</div>"
        )


_CELL = "text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border:0;background:transparent;color:inherit"
_CODE = "background:transparent;color:inherit;white-space:pre-wrap;border:0;padding:0"


def _wrapped(text: str) -> list[str]:
    lines: list[str] = []
    for part in text.split("\n"):
        lines += textwrap.wrap(part, width=96, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
    return lines


def _inline(text: str) -> str:
    """Escape, and turn back quotes into code."""
    return re.sub(r"`([^`]+)`", rf"<code style='{_CODE}'>\1</code>", html.escape(text))
