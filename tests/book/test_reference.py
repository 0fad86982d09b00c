"""The reference: every public name has its place, its description and its link; the exercises' answers have none."""

import ast
import re
import zlib
from html import unescape

import pytest
from ladders_site.docstrings import escape, readable
from ladders_site.reference import Sources, readable_type

IMPORTANT = [
    "hvae_ref.elbo.Elbo",
    "hvae_ref.elbo.Elbo.value",
    "hvae_ref.elbo.analytic_kl_or_sample",
    "hvae_ref.models.LatentVariableModel.log_weight",
    "hvae_ref.models.TopDownVAE",
    "hvae_ref.models.TopDownVAE.elbo",
    "hvae_ref.models.TopDownVAE.log_weight",
    "hvae_ref.models.TopDownVAE.sample",
    "hvae_ref.models.VAE.sample",
    "hvae_ref.models.vae.VAE",
    "hvae_ref.models.vae.VAE.reconstruct",
    "hvae_ref.distributions.VonMisesFisher",
    "hvae_ref.distributions.VonMisesFisher.rsample",
    "hvae_ref.flows.InverseAutoregressiveFlow",
    "hvae_ref.objectives.NegativeElbo",
    "hvae_ref.training.fit",
    "hvae_ref.training.History",
    "hvae_ref.evaluation.evaluate",
    "hvae_ref.data.load",
    "hvae_ref.results.load",
    "hvae_ref.abr.ResponseCVAE.sample",
    "hvae_ref.abr.data.generate",
    "hvae_ref.features.SpatialGraphDensity",
    "hvae_ref.exercises.check",
    "hvae_ref.cli.recipes.load",
    "hvae_ref.viz.kl_bars",
]


@pytest.fixture(scope="module")
def inventory(site):
    """Where each name of `objects.inv` stands: page and anchor."""
    *header, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    assert b"# Project: hvae_ref" in header
    places = {}
    for line in zlib.decompress(packed).decode().splitlines():
        name, kind, _, place, _ = re.match(r"(.+?)\s+(\S+)\s+(-?\d+)\s+(\S*)\s+(.*)", line).groups()
        if kind.startswith("py:"):
            page, _, anchor = place.partition("#")
            places[name] = (page, anchor.replace("$", name))
    return places


@pytest.fixture(scope="module")
def descriptions(pages):
    """What is said of each name, as plain text, by page and anchor."""
    found = {}
    entry = re.compile(r'<dt class="sig[^>]*\bid="([\w.]+)">.*?</dt>\s*<dd>(.*?)</dd>', re.DOTALL)
    for name, page in pages.items():
        if name.startswith("book/api/"):
            text = page.path.read_text(encoding="utf-8")
            # The parameters of a long signature are a list of their own.
            text = re.sub(r"<dl>\s*(<dd>.*?</dd>\s*)+</dl>", "", text, flags=re.DOTALL)
            for anchor, html in entry.findall(text):
                found[name, anchor] = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    return found


def packages(root):
    """Every package with an `__all__`, and what that holds."""
    for path in sorted((root / "hvae_ref").rglob("__init__.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                yield ".".join(path.parent.relative_to(root).parts), ast.literal_eval(node.value)


def public(path):
    """Public functions and classes of a source file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return [name for name in names if not name.startswith("_")]


def is_inside_the_exercises(path):
    return re.search(r"hvae_ref/exercises/(engine|ch\d\d)/", path.as_posix())


def test_important_names_can_be_linked_to_inherited_ones_too(inventory):
    assert [name for name in IMPORTANT if name not in inventory] == []


def test_every_exported_name_is_described(root, inventory, descriptions):
    exported = [f"{package}.{name}" for package, names in packages(root) for name in names]
    assert len(exported) > 150
    assert [name for name in exported if name not in inventory] == []
    assert [name for name in exported if len(descriptions.get(inventory[name], "")) < 12] == []


def test_every_public_function_and_class_has_its_entry(root, inventory):
    missing = [
        f"{module}.{name}"
        for path in sorted((root / "hvae_ref").rglob("*.py"))
        if not is_inside_the_exercises(path)
        for module in [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")]
        for name in public(path)
        if f"{module}.{name}" not in inventory
    ]
    assert missing == []


def test_no_answer_to_an_exercise_is_in_the_site(root, pages, inventory):
    """Chapters fold their solutions away; nothing else shows what the exercises' files hold."""
    inside = re.compile(r"exercises\.(ch\d\d|engine)\b")
    assert [name for name in inventory if inside.search(name) and ".engine." not in name] == []
    answers = {
        line.strip()
        for path in sorted((root / "hvae_ref" / "exercises").glob("ch[0-9][0-9]/*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if len(line.strip()) > 30 and not line.startswith(("from ", "import "))
    }
    assert len(answers) > 300
    for name, page in pages.items():
        if not name.startswith("chapters/"):
            text = unescape(re.sub(r"<[^>]+>", "", page.path.read_text(encoding="utf-8")))
            assert {answer for answer in answers if answer in text} == set(), name


def test_every_page_of_the_reference_is_reached_from_every_page(root, pages):
    written = {f"book/api/{path.stem}.html" for path in (root / "book" / "api").glob("*.md")}
    assert len(written) > 10 and written <= set(pages)
    linked = {attributes.get("href", "").partition("#")[0] for attributes in pages["book/intro.html"].all("a")}
    assert {name.removeprefix("book/") for name in written} <= linked


def test_sources_are_linked_by_line(root, pages, project):
    text = pages["book/api/models.html"].path.read_text(encoding="utf-8")
    line = next(
        node.lineno
        for node in ast.parse((root / "hvae_ref/models/vae.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "VAE"
    )
    assert project.blob("hvae_ref/models/vae.py", line) in text


def test_the_reference_imports_neither_torch_nor_the_package(root):
    """The book's environment has no torch, and its extension asks for none."""
    for path in (root / "book" / "_ext").rglob("*.py"):
        assert not re.search(
            r"^\s*(?:import|from) (?:torch|hvae_ref)\b", path.read_text(encoding="utf-8"), re.MULTILINE
        )


# What docstrings become -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ELBO = E_q[log p(x|z_1)] * 2 ~ $x$", r"ELBO = E_q[log p(x\|z_1)] \* 2 ~ $x$"),
        ("q_ infers, p_z `log_sigma`", r"q\_ infers, p_z `log_sigma`"),
        ("``a | b`` *and* **no value** | c", r"``a | b`` *and* **no value** \| c"),
        ("x*y and a * b", r"x\*y and a \* b"),
        ("0 … `block`².", r"0 … `block`\ ²."),
        ("see https://arxiv.org/abs/1312.6114_.", "see https://arxiv.org/abs/1312.6114_."),
        (r":math:`\mu_1`", r":math:`\mu_1`"),
        ("    dim: D.", r"    dim: \D."),
        ("    *rest: more | less.", r"    *rest: more \| less."),
    ],
)  # fmt: skip
def test_plain_text_stays_plain_and_markup_markup(text, shown):
    assert escape(text) == shown


def test_displays_are_code_examples_stay_and_returns_have_no_type():
    lines = ["Do it.", "", "  a = b*c", "", "Returns:", "    (B,): nats | bits.", "", ">>> f(a*b)", "2"]
    assert readable(lines) == [
        "Do it.",
        "",
        "::",
        "",
        "  a = b*c",
        "",
        "Returns:",
        r"    : (B,): nats \| bits.",
        "",
        ">>> f(a*b)",
        "2",
    ]


def test_tables_of_markdown_stay_tables():
    assert readable(["| a | b |", "|---|--:|", "| `x|y` | p*q |"]) == [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - a",
        "     - b",
        "   * - `x|y`",
        r"     - p\*q",
    ]


def test_what_a_constant_is_said_to_be_is_no_type():
    assert readable(["How it is taken: at once."], "data") == [": How it is taken: at once."]


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ("jaxtyping.Float[torch.Tensor, n batch]", '~jaxtyping.Float[~torch.Tensor, "n batch"]'),
        ("typing.Callable[[int], torch.nn.Module] | None", "~typing.Callable[[int], nn.Module] | None"),
        ("torch.device", "torch.device"),
        (None, None),
    ],
)  # fmt: skip
def test_annotations_are_shown_as_they_are_written(found, written):
    assert readable_type(found) == written


class Found:
    """An object as sphinx-autoapi has it."""

    def __init__(self, id, type="function", children=(), all=None, display=True, docstring="What it is.", **obj):
        self.id, self.name, self.type, self.display, self.all = id, id.rpartition(".")[2], type, display, all
        self.children, self.docstring, self.obj = list(children), docstring, obj
        self.imported, self.inherited, self.constructor = "original_path" in obj, False, None
        self.annotation = obj.get("annotation")


@pytest.fixture
def shapes(tmp_path):
    """A package that exports one of a module's two names, and a function called as its module."""
    path = tmp_path / "point.py"
    path.write_text(
        "@dataclass\nclass Point:\n    x: float\n    y: list = field(default_factory=list)\n    k: ClassVar[int]\n"
    )
    fields = [Found(f"p.point.Point.{name}", "attribute", annotation="float") for name in "x"]
    point = Found("p.point.Point", "class", children=fields, from_line_no=2)
    modules = [
        Found("p", "package", [Found("p.Point", "class", original_path="p.point.Point")], all=["Point", "area"]),
        Found("p.point", "module", [point, Found("p.point.move", from_line_no=9)], file_path=str(path)),
        Found("p.area", "module", [Found("p.area.area", from_line_no=1)]),
    ]
    objects = {module.id: module for module in modules}
    return Sources({**objects, **{child.id: child for module in modules for child in module.children}}, objects)


def test_a_name_stands_under_its_shortest_path_and_keeps_the_others(shapes):
    assert {name.definition: (name.path, name.aliases) for name in shapes.names.values()} == {
        "p.point.Point": ("p.Point", ("p.point.Point",)),
        "p.point.move": ("p.point.move", ()),
        "p.area.area": ("p.area", ("p.area.area",)),
    }


def test_exported_names_come_first_and_may_stand_alone(shapes):
    written = list(shapes.directives("p"))
    assert written.index(".. autoapiclass:: p.Point(x: float, y: list = ...)") < written.index("p.point")
    assert ".. autoapifunction:: p.point.move" in written
    assert ".. autoapifunction:: p.point.move" not in list(shapes.directives("p", exported=True))


def test_a_package_that_does_not_exist_is_an_error(shapes):
    with pytest.raises(LookupError, match="p.nowhere"):
        list(shapes.directives("p", "p.nowhere"))
