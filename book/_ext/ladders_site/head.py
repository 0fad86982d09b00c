"""What other sites and search engines read of a page: its description and its picture."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from .project import Project

LENGTH = 200
CARD = "_static/live/digits-top-down.png"


def describe(app: Sphinx, project: Project) -> None:
    """Add a description and a social preview to every page."""
    address = app.config.html_baseurl.rstrip("/")

    def add(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
        text = html.escape(description(doctree) if doctree else app.config.html_title, quote=True)
        title = html.escape(re.sub(r"<[^>]+>", "", context.get("title", "")) or app.config.html_title, quote=True)
        root = f"{address}/" if address else context["pathto"]("", 1)
        context["metatags"] = context.get("metatags", "") + "\n".join(
            [
                f'<meta name="description" content="{text}"/>',
                f'<meta property="og:title" content="{title}"/>',
                f'<meta property="og:description" content="{text}"/>',
                '<meta property="og:type" content="article"/>',
                f'<meta property="og:site_name" content="{html.escape(app.config.html_title, quote=True)}"/>',
                f'<meta property="og:image" content="{root}{CARD}"/>',
                '<meta name="twitter:card" content="summary_large_image"/>',
            ]
        )

    app.connect("html-page-context", add)


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page that is a sentence, at most `LENGTH` characters."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 60 and not isinstance(paragraph.parent, (nodes.list_item, nodes.entry)):
            return text if len(text) <= LENGTH else f"{text[: LENGTH - 1].rsplit(' ', 1)[0]}…"
    return doctree.get("title", "")
