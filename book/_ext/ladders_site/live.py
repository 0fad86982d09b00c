"""Live figures on the site: their scripts come from the package, and only pages with such a figure load them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

FIGURE = re.compile(r'<figure [^>]*\bclass="live"')
WEB = Path("hvae_ref", "viz", "live", "web")
"""Where the package keeps them; `book/_static/live` holds stored data and pictures alone."""


def connect(app: Sphinx, root: Path) -> None:
    """Copy the scripts to `_static/live`, and load the first of them on pages that have a figure."""

    def copy(app: Sphinx) -> None:
        if app.builder.format == "html":
            shutil.copytree(root / WEB, Path(app.outdir, "_static", "live"), dirs_exist_ok=True)

    def load(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
        if FIGURE.search(context.get("body", "")):
            app.add_css_file("live/live.css", priority=901)
            app.add_js_file("live/figure.js", loading_method="defer")

    app.connect("builder-inited", copy)
    app.connect("html-page-context", load)
