"""What the book adds to Sphinx."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from . import autoapi_hooks, links, live
from .cells import ReadableCells
from .generate import fill, has_placeholder
from .head import describe
from .light import lighten
from .places import write_places
from .project import Project


class EquationsAsWritten(SphinxPostTransform):
    r"""Hands display mathematics to MathJax as the author wrote it.

    Sphinx wraps equations of several lines into `split`, in which `\tag` is an error; Colab and GitHub, where the same
    notebook is read, do not.
    """

    default_priority = 700
    formats = ("html",)

    def run(self) -> None:
        """Turn every display equation of the page into a verbatim one."""
        for node in self.document.findall(nodes.math_block):
            if not node.get("nowrap") and not node.get("number"):
                text = node.astext()
                node.children = [nodes.Text(f"\\[{text}\\]")]
                node["nowrap"] = True


class BadgesAsText(SphinxTransform):
    """Writes out what a badge from elsewhere says, so that a page needs no picture from the network."""

    default_priority = 400

    def apply(self) -> None:
        """Replace every remote picture that is a link by its text."""
        for image in list(self.document.findall(nodes.image)):
            if image["uri"].startswith(("http://", "https://")) and isinstance(image.parent, nodes.reference):
                image.parent["classes"].append("badge-link")
                image.replace_self(nodes.Text(image.get("alt") or image.parent.get("refuri", "")))


def register(app: Sphinx, root: Path) -> None:
    """Connect the extension to a Sphinx application whose sources lie in `root`."""
    project = Project(root)

    def fill_page(app: Sphinx, docname: str, source: list[str]) -> None:
        if docname.startswith("book/") and has_placeholder(source[0]):
            try:
                source[0] = fill(source[0], project)
            except (LookupError, ValueError, FileNotFoundError) as error:
                raise ExtensionError(f"{docname}: {error}") from error

    def reread_filled_pages(
        app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
    ) -> list[str]:
        """Computed pages depend on files all over the repository: read them again in every build."""
        pages = (name for name in env.found_docs if name.startswith("book/"))
        return [name for name in pages if has_placeholder(Path(env.doc2path(name)).read_text(encoding="utf-8"))]

    def add_vendored_files(app: Sphinx, config: Config) -> None:
        config.html_static_path = [*config.html_static_path, "book/_vendor"]

    def leave_out_thebe(app: Sphinx) -> None:
        """Jupyter Book loads Thebe on every page, whose script is an error where it stands twice, and unused here."""
        for listeners in app.events.listeners.values():
            for listener in [one for one in listeners if one.handler.__module__ == "sphinx_thebe"]:
                app.disconnect(listener.id)

    def finish(app: Sphinx, exception: Exception | None) -> None:
        if exception is None and app.builder.format == "html":
            lighten(Path(app.outdir))
            write_places(Path(app.outdir))

    autoapi_hooks.connect(app, project)
    links.connect(app, project)
    live.connect(app, root)
    describe(app, project)
    app.connect("builder-inited", leave_out_thebe)
    app.connect("config-inited", add_vendored_files)
    app.connect("env-get-outdated", reread_filled_pages)
    app.connect("source-read", fill_page)
    app.add_transform(BadgesAsText)
    app.add_transform(ReadableCells)
    app.add_post_transform(EquationsAsWritten)
    # After the theme, which writes its colours of programs when the build is finished.
    app.connect("build-finished", finish, priority=950)
    app.add_css_file("custom.css", priority=900)
    app.add_css_file("reading.css", priority=901)
    app.add_js_file("mathjax/config.js", priority=400, defer="defer")
    app.add_js_file("reader.js", priority=450, defer="defer")
    app.add_js_file("progress.js", priority=450, defer="defer")
