"""Recipes in JSON: they say the same as in TOML, survive a round trip, and nothing in them is passed over."""

import json
import os
import re

import pytest

from hvae_ref.cli import recipes
from hvae_ref.cli.recipes import Recipe, RecipeError, build, load
from hvae_ref.cli.recipes.files import read_file


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.fixture
def content():
    return load("abr-hierarchical").to_dict()


@pytest.mark.parametrize("name", recipes.names())
def test_what_is_saved_is_read_back_equal(name, tmp_path):
    recipe = load(name)
    recipe.save(tmp_path / "run.json")
    assert load(str(tmp_path / "run.json")) == recipe


@pytest.mark.parametrize("name", ["abr-hierarchical", "abr-cvae", "smoke"])
def test_json_to_model_to_json_is_the_identity(name, tmp_path):
    load(name).save(tmp_path / "before.json")
    run = build(load(str(tmp_path / "before.json")))
    run.recipe.save(tmp_path / "after.json")
    assert (tmp_path / "after.json").read_bytes() == (tmp_path / "before.json").read_bytes()
    again = build(load(str(tmp_path / "after.json")))
    assert again.objective == run.objective and again.config == run.config and again.bound == run.bound
    assert [tuple(p.shape) for p in again.model.parameters()] == [tuple(p.shape) for p in run.model.parameters()]


def test_tuples_and_numbers_made_in_python_survive(tmp_path):
    recipe = Recipe("mine", model={"name": "VAE", "latent_dims": (2,), "hidden": (8, 4)}, data={"name": "digits"})
    recipe.save(tmp_path / "mine.json")
    assert load(str(tmp_path / "mine.json")) == recipe
    assert recipe.model["hidden"] == [8, 4]


def test_overrides_apply_to_json(tmp_path, content):
    recipe = load(write(tmp_path / "run.json", content), ["training.epochs=3", "objective.weights.peak=0.0"])
    assert recipe.training["epochs"] == 3 and build(recipe).objective.weights["peak"] == 0.0


def test_the_name_is_the_files_where_it_is_left_out(tmp_path, content):
    del content["name"], content["description"]
    assert load(write(tmp_path / "mine.json", content)).name == "mine"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trainin": {}}, "unknown table 'trainin'; did you mean 'training'?"),
        ({"training": {"epoch": 3}}, "training.epoch: unknown key; did you mean 'epochs'?"),
        ({"training": {"epochs": "3"}}, "training.epochs: expected a whole number, got '3'"),
        ({"training": [3]}, "training: expected a table, got [3]"),
        ({"model": {"name": "HierarchicalCVEA"}}, "did you mean 'HierarchicalResponseCVAE'?"),
        (
            {"model": {"name": "HierarchicalResponseCVAE", "use_fillm": True}},
            "model.use_fillm: unknown key; did you mean 'use_",
        ),
        (
            {"model": {"name": "HierarchicalResponseCVAE", "use_film": 1}},
            "model.use_film: expected true or false, got 1",
        ),
        ({"description": 3}, "description: expected text, got 3"),
    ],
)
def test_a_mistake_is_told_with_the_right_key(tmp_path, content, change, told):
    with pytest.raises(RecipeError, match=re.escape(told)):
        load(write(tmp_path / "run.json", content | change))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n  "model": {"name": "VAE",}\n}', r"Illegal trailing comma.*|Expecting property name.*\(at line 2, column"),
        ('{"model": ', r"Expecting value \(at line 1, column 11\)"),
        ("", r"Expecting value \(at line 1, column 1\)"),
        ("[1, 2]", "expected an object with the tables of a recipe, got list"),
        ('{"training": {"epochs": 1, "epochs": 2}}', "the key 'epochs' stands twice in one table"),
        ('{"model": {}, "model": {}}', "the key 'model' stands twice"),
        ('{"training": {"learning_rate": NaN}}', "NaN is no number that JSON knows"),
        ('{"training": {"learning_rate": Infinity}}', "Infinity is no number"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_json_is_told_with_file_and_place(tmp_path, text, told):
    with pytest.raises(RecipeError, match=rf"run\.json: .*({told})"):
        load(write(tmp_path / "run.json", text))


def test_what_is_no_text_is_told_with_its_file(tmp_path):
    (tmp_path / "run.json").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(RecipeError, match=r"run\.json: .*utf-8"):
        load(str(tmp_path / "run.json"))
    with pytest.raises(RecipeError, match=r"other\.json: no such file"):
        load(str(tmp_path / "other.json"))


def test_toml_refuses_keys_that_stand_twice_as_well(tmp_path):
    (tmp_path / "run.toml").write_text("[training]\nepochs = 1\nepochs = 2\n")
    with pytest.raises(RecipeError, match=r"run\.toml: .*line 3"):
        load(str(tmp_path / "run.toml"))


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    recipe, path = load("smoke"), tmp_path / "run.json"
    recipe.save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        load("abr-cvae").save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize(("name", "told"), [("run.toml", "ending in .json"), ("no/run.json", "an existing folder")])
def test_where_a_recipe_cannot_be_saved(tmp_path, name, told):
    with pytest.raises(RecipeError, match=f"expected .*{told}"):
        load("smoke").save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_what_json_has_no_words_for_is_refused(tmp_path):
    recipe = load("smoke", ["objective.beta.end=inf"])
    with pytest.raises(RecipeError, match="cannot be written as JSON"):
        recipe.save(tmp_path / "run.json")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [["CVAE"], {}, None, 3])
def test_names_that_are_no_text(content, name):
    for table in ("model", "objective"):
        with pytest.raises(RecipeError, match=rf"{table}\.name: unknown"):
            Recipe.from_dict(content | {table: content[table] | {"name": name}})
    weights = content["objective"]["weights"] | {"static": {"schedule": name}}
    with pytest.raises(RecipeError, match=r"objective\.weights\.static\.schedule: unknown"):
        Recipe.from_dict(content | {"objective": content["objective"] | {"weights": weights}})


@pytest.mark.parametrize(("name", "content"), [("a.json", '{"a": {"b": 1}}'), ("a.toml", "[a]\nb = 1\n")])
def test_a_byte_order_mark_is_no_part_of_a_recipe(name, content, tmp_path):
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    assert read_file(tmp_path / name) == {"a": {"b": 1}}
