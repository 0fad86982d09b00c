"""The book's own Sphinx extension: computed parts of pages, local MathJax, equations as the chapters write them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__version__ = "1.0"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx; the imports are here so that the rest of the package needs no Sphinx."""
    from .sphinx_hooks import register

    # A build makes millions of nodes and hardly any garbage: looking for it less often saves a quarter of the time.
    gc.set_threshold(500_000, 50, 100)
    register(app, Path(app.srcdir))
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
