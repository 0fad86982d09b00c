"""What tools/imports.py and tools/freshness.py read from the text of a package: on a small package, and on ours."""

import ast
import textwrap

import pytest

from tools import chapters, freshness
from tools.imports import Package, code_digest, strings
from tools.repository import ROOT

FILES = {
    "__init__.py": '"""A package."""\n__version__ = "1"\n',
    "elbo.py": 'def bits(x):\n    """Bits."""\n    return 2 * x\n',
    "viz/__init__.py": """
        from toy.viz.bars import bars
        from toy.viz.spheres import spheres
        from toy.viz.source import show
        __all__ = ["bars", "show", "spheres"]
        """,
    "viz/bars.py": "from toy.viz import style\n\n\ndef bars():\n    return style.LOOK\n",
    "viz/spheres.py": "from toy.data import loading\n\n\ndef spheres():\n    return loading.load\n",
    "viz/style.py": "LOOK = 1  # a comment\n",
    "viz/source.py": "def show(obj):\n    return obj\n",
    "models/__init__.py": "from .vae import VAE\nfrom .flat import Flat\n",
    "models/base.py": "class Base:\n    def elbo(self):\n        return 1\n",
    "models/vae.py": "from toy.models.base import Base\n\n\nclass VAE(Base):\n    x = 1\n",
    "models/flat.py": "class Flat:\n    pass\n",
    "topic/__init__.py": "from toy.topic.model import Own\n",
    "topic/model.py": "class Own:\n    pass\n",
    "data/__init__.py": "from toy.data.loading import load\n",
    "data/loading.py": "def load(name):\n    return name\n",
    "results/__init__.py": "from toy.results.record import load\n",
    "results/record.py": "def load(name):\n    return name + '.json'\n",
    "results/digits.json": "{}",
    "results/sphere_a.json": "{}",
    "results/sphere_b.json": "{}",
    "recipes/__init__.py": "from toy.recipes.build import build, names\n",
    "recipes/build.py": """
        MODELS = {"Own": "toy.topic:Own", "VAE": "toy.models:VAE", "Flat": "toy.models.flat:Flat"}


        def build(name):
            return MODELS[name]


        def names():
            return ()
        """,
    "recipes/plain.toml": '[model]\nname = "VAE"\n',
    "recipes/special.toml": '[model]\nname = "Own"\n',
    "exercises/__init__.py": """
        from toy.exercises.engine import registry as _registry
        from toy.exercises.engine.quiz import quiz


        def check(number):
            return _registry.get(number)
        """,
    "exercises/engine/__init__.py": "",
    "exercises/engine/registry.py": "def get(number):\n    return number\n",
    "exercises/engine/quiz.py": "def quiz(number):\n    return 'questions.json'\n",
    "exercises/ch01/__init__.py": "from toy.exercises.ch01.one import ONE\n",
    "exercises/ch01/one.py": "from toy.elbo import bits\nONE = bits(1)\n",
    "exercises/ch01/questions.json": "[]",
    "exercises/ch02/__init__.py": "TWO = 2\n",
    "exercises/ch02/questions.json": "[]",
}


@pytest.fixture
def toy(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return tmp_path / "toy"


def depends(toy, *cells, chapter=1):
    return freshness.dependencies([textwrap.dedent(cell) for cell in cells], chapter, Package(toy))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from toy import viz\nviz.bars()", {"viz.bars", "viz.style"}),
        ("from toy.viz import bars\nbars()", {"viz.bars", "viz.style"}),
        ("import toy.viz as v\nv.bars", {"viz.bars", "viz.style"}),
        ("import toy.viz\ntoy.viz.bars()", {"viz.bars", "viz.style"}),
        ("from toy.viz.bars import bars as b\nx = [b]", {"viz.bars", "viz.style"}),
        ("from toy import viz\nviz.spheres()", {"viz.spheres", "data.loading"}),
        ("from toy import viz\nviz.style.LOOK", {"viz.style"}),
        ("from toy.models import VAE\nVAE().elbo()", {"models.vae", "models.base"}),
        ("from toy.models import VAE, Flat\nVAE()", {"models.vae", "models.base"}),
        ("def stub():\n    from toy.models import Flat\n    return Flat", {"models.flat"}),
        ("import toy\nprint(toy.__version__)", {"toy"}),
        ("%matplotlib inline\n!ls\nfrom toy.elbo import bits\nbits(1)", {"elbo"}),
        ("import torch", set()),
    ],
)
def test_the_modules_that_hold_what_is_used(toy, code, expected):
    assert set(depends(toy, code)) == expected


def test_a_package_used_as_a_whole_is_all_that_it_exports(toy):
    code = "from toy import viz\ngetattr(viz, 'bars')"
    assert {"viz", "viz.bars", "viz.spheres", "viz.source"} <= set(depends(toy, code))


def test_files_count_by_name_where_their_reader_is_used(toy):
    load = "from toy import results\nresults.load({})"
    assert {name for name in depends(toy, load.format("'digits'")) if "/" in name} == {"results/digits.json"}
    both = {name for name in depends(toy, load.format("'sphere_' + kind")) if "/" in name}
    assert both == {"results/sphere_a.json", "results/sphere_b.json"}
    assert both == {name for name in depends(toy, load.format("f'sphere_{kind}'")) if "/" in name}
    assert "results/digits.json" not in depends(toy, "print('digits')")


def test_a_recipe_brings_the_model_that_it_names_and_no_other(toy):
    code = "from toy import recipes\nrecipes.build('{}')"
    plain, special = depends(toy, code.format("plain")), depends(toy, code.format("special"))
    assert set(plain) == {"recipes.build", "recipes/plain.toml", "models.vae", "models.base"}
    assert set(special) == {"recipes.build", "recipes/special.toml", "topic.model"}


def test_exercises_are_the_chapter_s_own(toy):
    code = "from toy.exercises import check, quiz\ncheck('1.1'), quiz(1)"
    engine = {"exercises", "exercises.engine.registry", "exercises.engine.quiz"}
    first = {"exercises.ch01", "exercises.ch01.one", "elbo", "exercises/ch01/questions.json"}
    assert set(depends(toy, code, chapter=1)) == engine | first
    assert set(depends(toy, code, chapter=2)) == engine | {"exercises.ch02", "exercises/ch02/questions.json"}


def changed(toy, code, file, text):
    before = depends(toy, code)
    path = toy / file
    path.write_text(path.read_text().replace(*text))
    return freshness.changes(before, depends(toy, code))


@pytest.mark.parametrize("text", [("# a comment", "# another"), ("LOOK = 1", '"""Looks."""\n\nLOOK =  1')])
def test_comments_layout_and_docstrings_change_nothing(toy, text):
    assert changed(toy, "from toy import viz\nviz.bars()", "viz/style.py", text) == []


def test_code_changes_and_the_module_is_named(toy):
    assert changed(toy, "from toy import viz\nviz.bars()", "viz/style.py", ("LOOK = 1", "LOOK = 2")) == ["viz.style"]
    assert changed(toy, "from toy import viz\nviz.bars()", "viz/spheres.py", ("spheres", "balls")) == []


@pytest.mark.parametrize(
    "code",
    [
        "from toy.viz import show\nfrom toy.models import VAE\nshow(VAE.elbo)",
        "from toy import models, viz\nviz.show(models.VAE)",
        "from toy.viz import show\nfrom toy.models import VAE, Flat\nfor x in (VAE.elbo, Flat):\n    print(show(x))",
    ],
)
def test_of_what_is_shown_the_text_counts_and_that_of_its_base_classes(toy, code):
    assert changed(toy, code, "models/vae.py", ("x = 1", "x = 1  # now with a comment")) == ["models.vae"]
    assert changed(toy, code, "models/base.py", ("return 1", "return  1")) == ["models.base"]
    assert changed(toy, code, "viz/source.py", ("obj):", "obj):  # any")) == []


def test_a_cell_that_is_no_python_is_named():
    with pytest.raises(ValueError, match="a code cell is no Python .*: 'x = = 1'"):
        freshness.code_of(["x = 1", "x = = 1"])


def test_texts_and_digests_pass_over_docstrings():
    plain, told = ast.parse('def f():\n    return "a"'), ast.parse('"""M."""\ndef f():\n    """D."""\n    return ("a")')
    assert strings(told) == strings(plain) == {"a"}
    assert code_digest(told) == code_digest(plain) != code_digest(ast.parse('def f():\n    return "b"'))


def test_our_chapters_depend_on_what_they_use():
    stamps = {int(path.name[:2]): set(chapters.stamp(path)["modules"]) for path in chapters.paths()}
    assert {"models.two_level_vae", "results/two_level_objectives.json", "exercises/ch02/questions.json"} <= stamps[2]
    assert {"cli/recipes/digits-top-down.toml", "models.top_down_vae"} <= stamps[3]
    assert {"abr.data.splits", "cli/recipes/abr-hierarchical.toml"} <= stamps[6]
    assert {"features/bundles/pictures.safetensors", "features.density.hierarchical_density"} <= stamps[7]
    for number, names in stamps.items():
        assert number == 6 or not any(name.startswith("abr.") for name in names), number
        assert number == 7 or not any(name.startswith("features") for name in names), number
        assert not any(f"ch{other:02}" in name for name in names for other in stamps.keys() - {number})
        known = {module.removeprefix("hvae_ref.") for module in Package(ROOT / "hvae_ref").modules}
        assert all(name in known or (ROOT / "hvae_ref" / name).is_file() for name in names)
