"""The chapters as committed: outputs that belong to their code, and the rules every chapter keeps."""

import copy
import json

import pytest

from tools import chapters

CHAPTERS = chapters.paths()


def test_there_are_chapters():
    assert CHAPTERS


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_outputs_are_what_the_code_prints_today(path):
    assert chapters.staleness(path) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_rules(path):
    assert chapters.problems(path) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_takes_less_than_ninety_seconds(path):
    assert 0 < chapters.read(path)["metadata"]["hvae_ref"]["seconds"] < 90


def test_all_chapters_take_less_than_twelve_minutes():
    assert sum(chapters.read(path)["metadata"]["hvae_ref"]["seconds"] for path in CHAPTERS) < 12 * 60


@pytest.fixture
def package(tmp_path):
    """A package of which the chapter uses `elbo`, and that knows more; tests/project/test_imports.py has the rules."""
    folder = tmp_path / "hvae_ref"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('__version__ = "0.0.0"\n')
    (folder / "elbo.py").write_text("value = 1\n")
    (folder / "other.py").write_text("value = 2\n")
    return folder


CODE = "from hvae_ref.elbo import value\nplot(value)"


def a_chapter():
    """A chapter that keeps every rule, as JSON."""
    link = chapters.configured().colab("01_a")
    image = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}, "metadata": {}}
    described = {"mystnb": {"image": {"alt": "a curve"}, "figure": {"caption": "It falls."}}}
    set_up = {"source": chapters.TEMPLATE.read_text(), "metadata": dict(chapters.FOLDED)}
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": f"[Open in Colab]({link})"},
        {"cell_type": "code", "id": "b", **set_up, "outputs": []},
        {
            "cell_type": "code",
            "id": "c",
            "metadata": described | {"tags": ["idea"]},
            "source": CODE,
            "outputs": [image],
        },
    ]
    for number, cell in enumerate(cells[1:], 1):
        cell["execution_count"] = number
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def write(tmp_path, package):
    """Write a notebook as 01_a.ipynb, stamped as fresh unless told not to."""

    def written(notebook, stamped=True):
        path = tmp_path / "01_a.ipynb"
        path.write_text(json.dumps(notebook))
        if stamped:
            path.write_text(json.dumps({**notebook, "metadata": {"hvae_ref": chapters.stamp(path, package)}}))
        return path

    return written


def test_a_chapter_just_run_is_fresh_and_keeps_the_rules(write, package):
    path = write(a_chapter())
    assert chapters.staleness(path, package) == []
    assert chapters.problems(path) == []


def test_a_change_of_what_it_uses_makes_outputs_stale_and_is_named(write, package):
    path = write(a_chapter())
    (package / "elbo.py").write_text("value = 3\n")
    (reason,) = chapters.staleness(path, package)
    assert "01_a.ipynb: elbo changed since it was run: make notebooks CHAPTERS=" in reason


@pytest.mark.parametrize(
    ("name", "text"), [("other.py", "value = 3\n"), ("elbo.py", '"""The ELBO."""\nvalue = (1)  # one\n')]
)
def test_a_change_of_what_it_does_not_use_or_of_comments_leaves_them_fresh(write, package, name, text):
    path = write(a_chapter())
    (package / name).write_text(text)
    assert chapters.staleness(path, package) == []


def test_of_many_changes_some_are_named(write, package):
    names = [f"part{number}" for number in range(5)]
    for name in names:
        (package / f"{name}.py").write_text("x = 1\n")
    notebook = a_chapter()
    notebook["cells"][2]["source"] = f"from hvae_ref import {', '.join(names)}\nplot({', '.join(names)})"
    path = write(notebook)
    for name in names:
        (package / f"{name}.py").write_text("x = 2\n")
    (reason,) = chapters.staleness(path, package)
    assert "part0, part1, part2 and 2 more of hvae_ref changed since it was run" in reason


def test_caches_do_not_make_outputs_stale(write, package):
    path = write(a_chapter())
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "elbo.cpython-311.pyc").write_bytes(b"\0")
    assert chapters.staleness(path, package) == []


def test_changed_code_makes_outputs_stale_and_changed_prose_does_not(write, package):
    path = write(a_chapter())
    notebook = json.loads(path.read_text())
    prose, code = copy.deepcopy(notebook), copy.deepcopy(notebook)
    prose["cells"][0]["source"] += " and read on"
    code["cells"][2]["source"] = CODE.replace("value)", "2 * value)")
    assert chapters.staleness(write(prose, stamped=False), package) == []
    (reason,) = chapters.staleness(write(code, stamped=False), package)
    assert "its code has changed" in reason


def test_a_chapter_run_out_of_order_is_stale(write, package):
    notebook = a_chapter()
    notebook["cells"][2]["execution_count"] = 7
    (reason,) = chapters.staleness(write(notebook), package)
    assert "execution counts" in reason


def breaks(words, change):
    return pytest.param(words, change, id=words)


@pytest.mark.parametrize(
    ("words", "change"),
    [
        breaks("the first cell must be Markdown with a link", lambda cells: cells[0].update(source="# Title")),
        breaks("the first code cell is not", lambda cells: cells[1].update(source="import torch")),
        breaks("first_cell.py, folded", lambda cells: cells[1].update(metadata={})),
        breaks("cells need ids", lambda cells: cells[2].update(id="b")),
        breaks("a MyST directive", lambda cells: cells[0].update(source=cells[0]["source"] + "\n```{note}\nx\n```")),
        breaks("a MyST role", lambda cells: cells[0].update(source=cells[0]["source"] + "\n{cite}`kingma2014`")),
        breaks("a MyST label", lambda cells: cells[0].update(source=cells[0]["source"] + "\n\n(a-label)=\n## A")),
        breaks("a figure without alt text", lambda cells: cells[2]["metadata"]["mystnb"].pop("image")),
        breaks("a figure without a caption", lambda cells: cells[2]["metadata"]["mystnb"].pop("figure")),
        breaks(
            "expected one tag of idea, plumbing, exercise; got none", lambda cells: cells[2]["metadata"].pop("tags")
        ),
        breaks("got exercise, idea", lambda cells: cells[2]["metadata"].update(tags=["idea", "exercise"])),
        breaks("plumbing, and nothing else", lambda cells: cells[2]["metadata"].update(tags=["plumbing"])),
        breaks("plumbing, and nothing else", lambda cells: cells[2]["metadata"].update(cellView="form")),
        breaks("an idea of 21 lines; at most 20", lambda cells: cells[2].update(source="\n".join(["x = 1"] * 21))),
        breaks("a line of 89 characters; at most 88", lambda cells: cells[2].update(source=f"x = {'1' * 85}")),
        breaks(
            "its output is an error",
            lambda cells: cells[1].update(
                outputs=[{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]
            ),
        ),
        breaks(
            "it writes to stderr",
            lambda cells: cells[1].update(outputs=[{"output_type": "stream", "name": "stderr", "text": ["a warning"]}]),
        ),
        breaks(
            "it shows a widget",
            lambda cells: cells[1].update(
                outputs=[{"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}}}]
            ),
        ),
        breaks(
            "its output shows an object's address",
            lambda cells: cells[1].update(
                outputs=[{"output_type": "stream", "name": "stdout", "text": ["<hvae_ref.VAE object at 0x7f3a>"]}]
            ),
        ),
    ],
)
def test_a_broken_rule_is_named(write, words, change):
    notebook = a_chapter()
    change(notebook["cells"])
    first, *others = chapters.problems(write(notebook))
    # A first cell that is not the template, or not folded, is no plumbing either.
    assert words in first and all("plumbing" in other for other in others)


def test_code_in_markdown_is_no_myst(write):
    notebook = a_chapter()
    notebook["cells"][0]["source"] += "\n```python\nf'{x}'\n```\nwith `{z}` and `fixed={z}` for $\\frac{a}{b}$"
    assert chapters.problems(write(notebook)) == []
