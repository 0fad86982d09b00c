"""The package's architecture: imports only ever point down, topics know the core and never each other, no circle."""

import ast
from pathlib import Path

import pytest

from tools.imports import Package
from tools.repository import ROOT

FOLDER = ROOT / "hvae_ref"
PACKAGE = Package(FOLDER)
# Subjects with data, models, measures and figures of their own, above the core.
TOPICS = ("abr", "features", "vq", "diffusion", "adversarial", "sequences")
# A topic that is plainly built on another one: {"above": {"below"}}.
BUILT_ON: dict[str, set[str]] = {}
FLOORS = (
    {"errors", "elbo", "distributions", "data", "results"},
    {"nn", "flows", "objectives"},
    {"models", "training", "evaluation", "viz"},
    set(TOPICS),
    {"exercises"},
    {"cli", "__main__"},
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
# On the floor of the models, who may know whom: measures and figures take any model that has the methods.
NEIGHBOURS = {"models": set(), "evaluation": set(), "training": {"evaluation"}, "viz": {"evaluation"}}
LONGEST = 250  # lines of a file
MOST_FILES = 20  # Python files of a folder


def part_of(module: str) -> str:
    """The part of the package that a module belongs to: `models` for hvae_ref.models.vae, "" for hvae_ref itself."""
    return ".".join(module.split(".")[1:2])


def allowed(mine: str, other: str) -> bool:
    """Whether a part may import another one."""
    if FLOOR[mine] != FLOOR[other]:
        return FLOOR[mine] > FLOOR[other]
    if mine in NEIGHBOURS:
        return other in NEIGHBOURS[mine]
    return mine not in TOPICS or other in BUILT_ON.get(mine, set())


def wrong_imports(module: str, imported: set[str]) -> list[str]:
    mine = part_of(module)
    return [
        f"{module} (floor {FLOOR[mine]}) imports {other} (floor {FLOOR.get(other)})"
        for other in sorted({part_of(name) for name in imported} - {mine, ""})
        if other not in FLOOR or not allowed(mine, other)
    ]


def imported_by(module: str, source: str) -> set[str]:
    """The modules that a source imports, were it the one of `module`."""
    package = Package(FOLDER)
    package.modules.setdefault(module, FOLDER / "elbo.py")
    package.tree = lambda name: ast.parse(source) if name == module else Package.tree(package, name)
    return package.imported(module)


MODULES = [module for module in PACKAGE.modules if module != "hvae_ref"]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_on_a_floor_and_imports_point_down(module):
    assert part_of(module) in FLOOR, f"{module} is on no floor: add it to CONTRIBUTING.md and FLOORS"
    assert wrong_imports(module, PACKAGE.imported(module)) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("hvae_ref.models.vae", "from hvae_ref.training import fit"),
        ("hvae_ref.models.vae", "from hvae_ref.evaluation import evaluate"),
        ("hvae_ref.evaluation.swap", "from hvae_ref import models"),
        ("hvae_ref.viz.graphs", "from hvae_ref.models.vae import VAE"),
        ("hvae_ref.training.loop", "from hvae_ref import models"),
        ("hvae_ref.elbo", "from .nn.heads import ConditionalNormal"),
        ("hvae_ref.elbo", "from hvae_ref import viz"),
        ("hvae_ref.distributions.gaussian_kl", "from ..flows import planar"),
        ("hvae_ref.nn.layers", "def f():\n    import hvae_ref.models.vae"),
        ("hvae_ref.abr.models.response_cvae", "from hvae_ref.features import Reduction"),
        ("hvae_ref.features.bundle", "from ..abr.data import generate"),
        ("hvae_ref.features.bundle", "from hvae_ref.exercises import check"),
        ("hvae_ref.exercises.ch07.auroc", "from hvae_ref.cli import recipes"),
        ("hvae_ref.data.loading", "if True:\n    from hvae_ref.nn import layers"),
    ],
)
def test_an_import_that_points_up_or_to_a_stranger_is_found(module, line):
    assert len(wrong_imports(module, imported_by(module, line))) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("hvae_ref.training.loop", "from hvae_ref.evaluation import quiet"),
        ("hvae_ref.features.bundle", "from hvae_ref import viz"),
        ("hvae_ref.exercises.ch06.lag", "import hvae_ref.abr.data"),
        ("hvae_ref.__main__", "from hvae_ref.cli import recipes"),
        ("hvae_ref.elbo", "from torch import nn"),
    ],
)
def test_an_import_that_points_down_is_not(module, line):
    assert wrong_imports(module, imported_by(module, line)) == []


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, however long the way round: sorted, each circle's modules once."""

    def reached(start: str) -> set[str]:
        found, waiting = set(), [start]
        while waiting:
            new = edges.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    around = {module: reached(module) for module in edges}
    found = {frozenset(b for b in around[a] if a in around.get(b, ())) for a in edges if a in around[a]}
    return sorted(map(sorted, found))


def test_no_circle_of_imports():
    assert circles({module: PACKAGE.imported(module, on_import=True) for module in PACKAGE.modules}) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_two_parts_import_each_other():
    edges = {(part_of(module), part_of(other)) for module in MODULES for other in PACKAGE.imported(module)}
    assert {(a, b) for a, b in edges if a < b and (b, a) in edges} == set()


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_is_too_long_to_be_read_at_once():
    long = {path.relative_to(FOLDER).as_posix() for path in PACKAGE.modules.values() if lines(path) > LONGEST}
    assert long == set(), f"more than {LONGEST} lines"


def test_no_folder_holds_too_many_files():
    counts = {folder: len(list(folder.glob("*.py"))) for folder in {path.parent for path in PACKAGE.modules.values()}}
    assert {str(folder): count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_room_holds_a_quarter_of_the_house():
    """A room is a part of the package; each chapter of the exercises is one of its own, as is their engine."""
    sizes: dict[str, int] = {}
    for module, path in PACKAGE.modules.items():
        parts = module.split(".")[1:]
        room = "/".join(parts[:2] if parts[:1] == ["exercises"] else parts[:1])
        sizes[room] = sizes.get(room, 0) + lines(path)
    assert {room: size for room, size in sizes.items() if 4 * size >= sum(sizes.values())} == {}


def test_nothing_is_moved_to_cuda_by_name():
    calls = []
    for module in MODULES:
        for node in ast.walk(PACKAGE.tree(module)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
                calls.append(f"{module}:{node.lineno}")
    assert calls == [], "the device is accelerate's to choose"
