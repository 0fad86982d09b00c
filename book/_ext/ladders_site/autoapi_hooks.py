"""What the book tells sphinx-autoapi: order and paths of names, readable annotations, links to sources."""

from __future__ import annotations

import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import desc, pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.domains.python import ObjectEntry, PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import find_pending_xref_condition, make_refnode, nested_parse_with_titles

from .docstrings import readable
from .project import Project
from .reference import Sources, readable_type

AFTER_AUTOAPI = 600
BEFORE_NAPOLEON = 400


class Reference(SphinxDirective):
    """`.. reference:: hvae_ref.models` is replaced by all that is public there; `:exported:` leaves out the rest."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"exported": lambda argument: True}

    def run(self) -> list[nodes.Node]:
        """Parse the directives of sphinx-autoapi for the packages that are named."""
        packages = self.arguments[0].split()
        try:
            lines = list(sources_of(self.env).directives(*packages, exported="exported" in self.options))
        except LookupError as error:
            raise self.error(str(error)) from error
        container = nodes.Element()
        container.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=self.env.docname), container)
        for entry in container.findall(desc):
            entry["support_smartquotes"] = False
            for text in [text for text in entry.findall(nodes.Text) if text.startswith(" -- ")]:
                text.parent.replace(text, nodes.Text(text.replace(" -- ", " – ", 1)))
            # The page's contents name classes and functions; a method is found under its class.
            if entry["objtype"] in ("method", "property", "attribute"):
                entry["no-contents-entry"] = True
        return container.children


def connect(app: Sphinx, project: Project) -> None:
    """Connect to a Sphinx application that loads sphinx-autoapi."""

    def configure(app: Sphinx, config: Config) -> None:
        config.version = config.release = project.version
        # autoapi follows base classes by their modules' names; it reads files, and imports nothing.
        sys.path.append(str(project.root))

        def resolve(domain: str, info: dict[str, str]) -> str | None:
            return source_link(sources_of(app.env), project, f"{info['module']}.{info['fullname']}")

        config.linkcode_resolve = resolve

    app.add_directive("reference", Reference)
    app.connect("config-inited", configure)
    app.connect("autoapi-skip-member", show_the_command_line)
    app.connect("autodoc-process-docstring", make_readable, priority=BEFORE_NAPOLEON)
    app.connect("builder-inited", tidy_objects, priority=AFTER_AUTOAPI)
    app.connect("doctree-read", adopt_nodes)
    app.connect("env-updated", add_aliases)
    app.connect("missing-reference", find_by_last_name)


def show_the_command_line(app: Sphinx, what: str, name: str, found: object, skip: bool, options: object) -> bool | None:
    """`hvae_ref.__main__` is no special method."""
    return False if what == "module" and name.endswith(".__main__") else None


def make_readable(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """Keep the formulas of a docstring as they are."""
    lines[:] = readable(lines, what)


def tidy_objects(app: Sphinx) -> None:
    """Shorten what autoapi found: annotations to what one reads, inherited members to a line and a link."""
    sources = sources_of(app.env)
    for found in {id(found): found for found in [*sources.modules.values(), *sources.objects.values()]}.values():
        if "args" in found.obj:
            found.obj["args"] = [
                argument._replace(annotation=readable_type(argument.annotation)) for argument in found.obj["args"]
            ]
        for attribute in ("args", "return_annotation", "annotation"):
            if isinstance(found.__dict__.get(attribute), str):
                setattr(found, attribute, readable_type(getattr(found, attribute)))
        if found.type in ("class", "exception"):
            found.bases = [f"~{base}" for base in found.bases if base != "abc.ABC"]
        if found.inherited and found.docstring:
            owner = sources.definition(found.id).rpartition(".")[0]
            if owner in sources.paths:
                summary = found.docstring.strip().split("\n\n")[0]
                found.docstring = f"{summary} *Inherited from* :py:obj:`~{sources.paths[owner]}`.\n"


def adopt_nodes(app: Sphinx, doctree: nodes.document) -> None:
    """Give every node its page as its document.

    What MyST parses as reStructuredText remembers a document of its own, and Sphinx would store with each page all that
    it knows of the site: ten seconds and 70 MB.
    """
    for node in doctree.findall():
        if node.document is not doctree:
            node.document = doctree


def add_aliases(app: Sphinx, env: BuildEnvironment) -> None:
    """Make every object known under all paths that it can be imported by, for links from here and from elsewhere."""
    domain = _python_domain(env)
    for name in sources_of(env).names.values():
        inside = [f"{name.path}.{member}" for member in sources_of(env).members(name.path)]
        for path in [name.path, *inside]:
            entry = domain.objects.get(path)
            for alias in name.aliases if entry else ():
                other = ObjectEntry(entry.docname, entry.node_id, entry.objtype, aliased=True)
                domain.objects.setdefault(alias + path.removeprefix(name.path), other)


def find_by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.reference | None:
    """Find `TopDownVAE` and `TopDownVAE.elbo` wherever they stand, if only one thing is called so."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or target.islower() and "_" not in target and "." not in target:
        return None  # a word such as `choose` is an argument's name far more often than a function's
    domain = _python_domain(env)
    if not hasattr(app, "reference_last_names"):
        app.reference_last_names = _last_names(domain)
    found = [(target, domain.objects[target])] if target in domain.objects else app.reference_last_names.get(target, [])
    if len(found) != 1:
        return None
    path, entry = found[0]
    short = find_pending_xref_condition(node, "resolved")
    content = short.children if short is not None else text
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, path)


def _last_names(domain: PythonDomain) -> dict[str, list[tuple[str, ObjectEntry]]]:
    """What `Name` and `Class.name` may mean."""
    found: dict[str, list[tuple[str, ObjectEntry]]] = {}
    for path, entry in domain.objects.items():
        if not entry.aliased:
            length = 2 if entry.objtype in ("method", "property", "attribute") else 1
            found.setdefault(".".join(path.split(".")[-length:]), []).append((path, entry))
    return found


def _python_domain(env: BuildEnvironment) -> PythonDomain:
    domain = env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    return domain


def source_link(sources: Sources, project: Project, path: str) -> str | None:
    """Answer the address of an object's first line in the repository."""
    source = sources.definition(path)
    if source not in sources.objects:
        return None
    line = sources.objects[source].obj.get("from_line_no")
    return project.blob(Path(sources.module(source).obj["relative_path"]).as_posix(), line)


def sources_of(env: BuildEnvironment) -> Sources:
    """What sphinx-autoapi has read, gathered once a build."""
    if not hasattr(env.app, "reference_sources"):
        env.app.reference_sources = Sources(env.autoapi_all_objects, env.autoapi_objects)
    return env.app.reference_sources
