"""Tables and source listings, as HTML, Markdown and text."""

import ast
import inspect
from html.parser import HTMLParser

import numpy as np
import pytest

from hvae_ref import elbo, viz
from hvae_ref.models.two_level_vae import TwoLevelVAE

ROWS = [
    {"model": "one <level>", "nll": [97.0, 99.0], "active": 12, "note": None},
    {"model": "ladder", "nll": np.array([91.0, 92.0]), "active": 9, "kl": -0.5},
    {"model": "two", "nll": 95.123, "active": 9},
]
COLUMNS = {"model": "model", "nll": "−log p(x)", "active": "active", "kl": "KL"}


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.styles = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.styles.append((tag, dict(attributes).get("style", "")))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1], data))


def test_cells_and_best():
    table = viz.results_table(ROWS, COLUMNS, caption="2 seeds", best={"nll": "min", "active": "max"})
    assert table.cells[0] == ("one <level>", "98.00 ± 1.41", "12", "–")
    assert table.cells[1] == ("ladder", "91.50 ± 0.71", "9", "−0.50")
    assert table.cells[2][1] == "95.12"
    assert table.best == {(1, 1), (0, 2)}
    assert table.numeric == (False, True, True, True)


def test_html_holds_every_cell_escaped_and_closed():
    table = viz.results_table(ROWS, COLUMNS, caption="2 seeds & more", best={"nll": "min"})
    parsed = Cells(table._repr_html_())
    assert parsed.open == []
    assert [text for tag, text in parsed.texts if tag == "td"] == [cell for row in table.cells for cell in row]
    assert [text for tag, text in parsed.texts if tag == "th"] == list(COLUMNS.values())
    assert ("caption", "2 seeds & more") in parsed.texts
    bold = [style for tag, style in parsed.styles if tag == "td" and "font-weight:bold" in style]
    assert len(bold) == 1


def test_html_takes_its_colours_from_the_page():
    html = viz.results_table(ROWS, COLUMNS)._repr_html_()
    assert "#" not in html and "rgb" not in html and "color:inherit" in html


def test_text_is_aligned():
    lines = repr(viz.results_table(ROWS, COLUMNS, caption="C", best={"nll": "min"})).splitlines()
    assert lines[0] == "C" and "91.50 ± 0.71*" in lines[4]
    assert lines[3].index("98.00") == lines[4].index("91.50")


def test_default_columns_are_the_first_row_s_keys():
    assert viz.results_table([{"a": 1, "b": "x"}]).header == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "rows: expected at least one row"),
        ((ROWS, ["mdel"]), "columns: expected keys among .*got mdel"),
        ((ROWS, ["model", "nll"], "", 2, {"nll": "lowest"}), "expected 'min' or 'max', got 'lowest'"),
        ((ROWS, ["model"], "", 2, {"nnl": "min"}), "best: expected keys among"),
    ],
)
def test_bad_tables(arguments, message):
    with pytest.raises(ValueError, match=message):
        viz.results_table(*arguments)


def test_show_is_the_installed_source():
    shown = viz.show(TwoLevelVAE.elbo)
    assert shown.name == "TwoLevelVAE.elbo" and shown.module == "hvae_ref.models.two_level_vae"
    whole = inspect.getsource(inspect.getmodule(TwoLevelVAE))
    assert all(line.strip() in whole for line in shown.code.splitlines())
    assert shown.code.startswith("def elbo(self") and '"""' in shown.code
    assert repr(shown) == shown.code
    assert f"```python\n{shown.code}\n```" in shown._repr_markdown_()


@pytest.mark.parametrize("obj", [TwoLevelVAE.elbo, TwoLevelVAE, TwoLevelVAE.sample, elbo.Elbo, elbo])
def test_show_without_docstrings_is_the_same_program(obj):
    full, bare = viz.show(obj), viz.show(obj, docstring=False)
    assert len(bare.code) < len(full.code)

    def stripped(code):
        tree = ast.parse(code)
        for node in ast.walk(tree):
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
            if isinstance(node, kinds) and ast.get_docstring(node) is not None and len(node.body) > 1:
                node.body = node.body[1:]
        return ast.dump(tree)

    assert stripped(full.code) == ast.dump(ast.parse(bare.code))


def test_show_keeps_a_body_that_is_only_a_docstring():
    def idea():
        """Nothing else."""

    assert '"""Nothing else."""' in viz.show(idea, docstring=False).code


def test_show_of_a_property_and_of_a_bound_method():
    assert viz.show(elbo.Elbo.value).code.startswith("@property\ndef value(self)")
    model = TwoLevelVAE.dense(4, (2, 1), hidden=(4,))
    assert viz.show(model.elbo).code == viz.show(TwoLevelVAE.elbo).code


@pytest.mark.parametrize("obj", [3, len])
def test_show_of_what_has_no_source(obj):
    with pytest.raises(ValueError, match="obj: expected a function, method, class or module"):
        viz.show(obj)


def test_digits_of_each_column():
    rows = [{"kl": [1.0, 2.0], "elbo": -3.14159, "r2": 0.5}]
    (cells,) = viz.results_table(rows, digits={"kl": 1, "elbo": 3}).cells
    assert cells == ("1.5 ± 0.7", "−3.142", "0.50")
    with pytest.raises(ValueError, match="digits: expected keys among elbo, kl, r2, got ELBO"):
        viz.results_table(rows, digits={"ELBO": 1})
