"""The package's architecture: imports only ever point down, models don't know training and training no model."""

import ast
from pathlib import Path

import pytest

from tools.repository import ROOT

PACKAGE = ROOT / "hvae_ref"
FLOORS = (
    {"distributions", "nets", "elbo", "data", "results", "spelling"},
    {"conditional", "conditional_linear_gaussian", "flows", "objectives", "features", "evaluation", "viz"},
    {"models", "training"},
    {"recipes", "exercises"},
    {"__main__", "commands", "launch"},
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to: `models` for hvae_ref/models/vae.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(path: Path, source: str) -> set[str]:
    """The parts of hvae_ref that a file imports, at its top or inside a function."""
    modules = set()
    package = ["hvae_ref", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            modules |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    names = {module.split(".")[1] for module in modules if module.startswith("hvae_ref.")}
    return names & FLOOR.keys()


def wrong_imports(path: Path, source: str) -> list[str]:
    mine = part_of(path)
    return [
        f"{path.relative_to(ROOT)} (floor {FLOOR[mine]}) imports {other} (floor {FLOOR[other]})"
        for other in sorted(imported_parts(path, source) - {mine})
        if FLOOR[other] > FLOOR[mine] or {mine, other} == {"models", "training"}
    ]


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_file_stands_on_a_floor_and_imports_point_down(path):
    assert part_of(path) in FLOOR, f"{path} is on no floor: add it to CONTRIBUTING.md and FLOORS"
    assert wrong_imports(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("models/vae.py", "from hvae_ref.training import fit"),
        ("training/loop.py", "from hvae_ref import models"),
        ("elbo.py", "from .conditional import ConditionalNormal"),
        ("distributions/merge.py", "from ..evaluation import nll"),
        ("nets.py", "def f():\n    import hvae_ref.models.vae"),
    ],
)
def test_an_import_that_points_up_is_found(file, line):
    assert len(wrong_imports(PACKAGE / file, line)) == 1


def test_nothing_is_moved_to_cuda_by_name():
    calls = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
                calls.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert calls == [], "the device is accelerate's to choose"


def test_no_two_parts_import_each_other():
    edges = {(part_of(path), other) for path in FILES for other in imported_parts(path, path.read_text())}
    assert {(a, b) for a, b in edges if a < b and (b, a) in edges} == set()
