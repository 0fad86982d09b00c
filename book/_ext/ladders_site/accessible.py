"""Mends what the theme writes and a screen reader stumbles over. It works on finished pages, as `light` does."""

from __future__ import annotations

import re

SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
LINES = (
    ("<dl>", '<span class="sig-lines">'),
    ("</dl>", "</span>"),
    ("<dd>", '<span class="sig-line">'),
    ("</dd>", "</span>"),
)
PLAIN = (
    # Their names are what stands in them.
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    # No list, since its entries are none; and the role of an entry is deprecated.
    ('<div role="list" class="citation-list">', '<div class="citation-list">'),
    (' role="doc-biblioentry"', ""),
    ('<th class="head"></th>', '<td class="head"></td>'),
    ('<th class="head"><p></p></th>', '<td class="head"></td>'),
    (
        '<div id="pst-primary-sidebar" class=',
        '<div id="pst-primary-sidebar" role="region" aria-label="The book" class=',
    ),
)
FIELD = re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"')
FOLD = re.compile(
    r'(<a class="[^"]*reference internal[^"]*" href="[^"]*">((?:(?!</a>).)*)</a><details[^>]*>)<summary>', re.DOTALL
)


def accessible(page: str) -> str:
    """A page with names for what can be pressed, and no list that is none.

    >>> accessible('<a class="reference internal" href="x">The <b>models</b></a><details><summary>')
    '<a class="reference internal" href="x">The <b>models</b></a><details><summary aria-label="Pages of: The models">'
    """
    for before, after in PLAIN:
        page = page.replace(before, after)
    page = FIELD.sub(r"\1", page)
    page = FOLD.sub(lambda found: f'{found[1]}<summary aria-label="Pages of: {_text(found[2])}">', page)
    return SIGNATURE.sub(lambda found: _lines(found.group()), page)


def _lines(signature: str) -> str:
    """A signature of several lines: Sphinx writes a list of definitions without anything that is defined."""
    for before, after in LINES:
        signature = signature.replace(before, after)
    return signature


def _text(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", markup).replace('"', "&quot;").split())
