"""What the pages compute: exercises, errata, results, times, cards, the logo."""

import json

import pytest
import yaml
from ladders_site import logo
from ladders_site.cards import chapter_cards
from ladders_site.chapters import headings, slugify
from ladders_site.errata import errata_table, read_errata
from ladders_site.exercises import exercise_index, exercise_kinds, recognising_exercises
from ladders_site.generate import GENERATORS, fill, has_placeholder
from ladders_site.headline import headline
from ladders_site.markdown import code, escape, table
from ladders_site.project import Project
from ladders_site.results import results_tables, runs_table, spread
from ladders_site.times import execution_times

ERRATUM = {
    "id": "O5",
    "wrong": "so",
    "right": "not so",
    "met_in": "here",
    "chapter": 2,
    "tests": ["tests/test_a.py::test_b"],
}
EXERCISE_2_1 = '''
wrong = Misconceptions("2.2")

@wrong("O5", section="2.3")
def _halved(x):
    """why"""

EXERCISE = Exercise(id="2.1", title="One sample", kind="derive", misconceptions=wrong)
'''
EXERCISE_2_2 = """
wrong = Misconceptions("2.2")
wrong.value("O5", 0.8, "why")
EXERCISE = Exercise(id="2.2", title="Another", kind="implement", misconceptions=wrong)
"""


@pytest.fixture
def small(tmp_path):
    """A repository with one chapter, two exercises and one erratum."""
    (tmp_path / "_config.yml").write_text("repository: {url: 'https://github.com/o/n/', branch: main}\n")
    cells = [
        {"cell_type": "markdown", "source": ["# 2 · Two levels\n", "\n", "> a quote\n\nWhat does it add?\n"]},
        {"cell_type": "code", "source": ["# Exercise 2.9 · in code is none"], "outputs": []},
        {"cell_type": "markdown", "source": ["### Exercise 2.1 · One `sample`\n", "```\n# fenced\n```\n"]},
        {"cell_type": "markdown", "source": ["### Exercise 2.2 · Another"]},
    ]
    notebook = {"cells": cells, "metadata": {"hvae_ref": {"seconds": 41.4}}, "nbformat": 4, "nbformat_minor": 5}
    write(tmp_path / "chapters" / "02_two.ipynb", json.dumps(notebook))
    write(tmp_path / "hvae_ref" / "exercises" / "ch02" / "ex1_one.py", EXERCISE_2_1)
    write(tmp_path / "hvae_ref" / "exercises" / "ch02" / "ex2_another.py", EXERCISE_2_2)
    write(tmp_path / "tests" / "test_a.py", "import x\n\n\ndef test_b():\n    pass\n")
    write(tmp_path / "book" / "_data" / "errata.yml", yaml.safe_dump({"Objectives": [ERRATUM]}))
    return Project(tmp_path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_exercises_are_listed_with_kind_and_place(small):
    text = exercise_index(small)
    assert "| 2.1 | [One `sample`](/chapters/02_two.ipynb#exercise-21--one-sample) | derive |" in text
    assert "## 2 · Two levels" in text and "2.9" not in text
    assert exercise_kinds(small.root) == {"2.1": "derive", "2.2": "implement"}


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("Exercise 2.3 · Title", "exercise-23--title"),
        ("A `code_name` here", "a-code_name-here"),
        ("$x$ and y", "and-y"),
    ],
)
def test_slugs_are_those_of_myst(heading, slug):
    assert slugify(heading) == slug


def test_headings_in_fences_are_none():
    assert headings("# A\n```\n# B\n```\n## C ##\n") == [(1, "A"), (2, "C")]


def test_errata_link_to_chapter_exercises_and_tests(small):
    text = errata_table(small)
    assert "https://github.com/o/n/blob/main/tests/test_a.py#L4" in text
    assert "[chapter 2](/chapters/02_two.ipynb)" in text
    assert "[exercise 2.1]" in text and "[exercise 2.2]" in text
    assert recognising_exercises(small.root) == {"O5": ["2.1", "2.2"]}


@pytest.mark.parametrize("test", ["tests/test_a.py::test_gone", "tests/test_none.py::test_b"])
def test_a_dead_link_to_a_test_is_an_error(small, test):
    write(small.root / "book" / "_data" / "errata.yml", yaml.safe_dump({"Objectives": [{**ERRATUM, "tests": [test]}]}))
    with pytest.raises(LookupError, match=test.split("::")[0]):
        errata_table(small)


def test_errata_with_wrong_fields_or_repeated_ids_are_refused(small):
    path = small.root / "book" / "_data" / "errata.yml"
    write(path, yaml.safe_dump({"Objectives": [ERRATUM, ERRATUM]}))
    with pytest.raises(ValueError, match="O5"):
        read_errata(small.root)
    write(path, yaml.safe_dump({"Objectives": [{**ERRATUM, "test": []}]}))
    with pytest.raises(ValueError, match="fields"):
        read_errata(small.root)


def test_the_errata_of_the_book_are_complete_and_their_tests_exist(project):
    ids = [erratum.id for group in read_errata(project.root).values() for erratum in group]
    last = {"O": 15, "S": 10, "F": 8, "V": 10, "C": 14, "D": 8}
    assert ids == [f"{group}{n}" for group, count in last.items() for n in range(1, count + 1)]
    assert errata_table(project)


def test_every_erratum_is_proved_by_a_test_but_for_claims_and_a_name(project):
    """S4 is measured in chapter 3, S5 is about unproved claims, S6 is about what an abbreviation stands for."""
    unproved = {erratum.id for group in read_errata(project.root).values() for erratum in group if not erratum.tests}
    assert unproved == {"S4", "S5", "S6"}


def test_every_mistake_that_exercises_recognise_is_on_the_page(project):
    ids = {erratum.id for group in read_errata(project.root).values() for erratum in group}
    assert set(recognising_exercises(project.root)) <= ids


def test_seeds_become_mean_and_spread():
    runs = [
        {"model": "one level", "seed": seed, "iwae": 90.0 + seed, "kl": {"z1": 5}, "gpu": False} for seed in range(3)
    ]
    text = runs_table(
        [*runs, {"model": "two levels", "seed": 0, "iwae": 89.0, "kl": {"z1": 2, "z2": 3.25}, "gpu": False}]
    )
    header, _, first, second = text.splitlines()
    assert header == "| model | gpu | runs | iwae | kl z1 | kl z2 |"
    assert first == "| one level | no | 3 | 91.00 ± 1.00 | 5 |  |"
    assert second == "| two levels | no | 1 | 89 | 2 | 3.25 |"


def test_numbers_before_the_seed_tell_runs_apart():
    runs = [{"depth": depth, "seed": seed, "elbo": -depth, "curve": [1, 2]} for depth in (1, 2) for seed in (0, 1)]
    assert runs_table(runs).splitlines()[2:] == ["| 1 | 2 | -1 |", "| 2 | 2 | -2 |"]


@pytest.mark.parametrize(
    ("values", "text"), [([], ""), ([1e-5], "1e-05"), ([722000], "722,000"), ([1, 3], "2.00 ± 1.41")]
)
def test_spread(values, text):
    assert spread(values) == text


def test_results_say_what_made_them_or_are_refused(small):
    path = small.root / "hvae_ref" / "results" / "digits_models.json"
    made = {"command": "python run.py", "date": "2026-11-21", "machine": "2 cores", "versions": {"torch": "2.13"}}
    made["settings"] = {"latent_dims": {"depth": [64, 32]}, "batch": 128}
    write(path, json.dumps({**made, "runs": [{"model": "vae", "seed": 0, "elbo": -96.4}]}))
    text = results_tables(small)
    for part in (
        "### Digits models",
        "`python run.py`",
        "2026-11-21",
        "2 cores",
        "torch 2.13",
        "| vae | -96.40 |",
        "depth 64, 32",
    ):
        assert part in text
    write(path, json.dumps({"runs": []}))
    with pytest.raises(ValueError, match="command"):
        results_tables(small)


def test_times_and_cards(small):
    assert "| [2 · Two levels](/chapters/02_two.ipynb) | 1 | 41 s |" in execution_times(small)
    card = chapter_cards(small)
    assert "What does it add?" in card and "2 exercises · 41 s" in card
    assert "https://colab.research.google.com/github/o/n/blob/main/chapters/02_two.ipynb" in card


def test_placeholders_are_filled_and_unknown_ones_are_errors(small):
    page = "# Times\n\n<!-- generate: execution-times -->\n"
    assert has_placeholder(page) and "41 s" in fill(page, small) and "generate:" not in fill(page, small)
    with pytest.raises(ValueError, match="nothing-like-it"):
        fill("<!-- generate: nothing-like-it -->", small)


def test_every_placeholder_of_the_book_is_known_and_every_generator_is_used(project):
    used = {
        name
        for name in GENERATORS
        for page in (project.root / "book").rglob("*.md")
        if f"generate: {name} " in page.read_text()
    }
    assert used == set(GENERATORS)
    for page in (project.root / "book").rglob("*.md"):
        assert "generate:" not in fill(page.read_text(encoding="utf-8"), project), page.name


def test_markdown_helpers():
    assert escape("a|b_c") == r"a\|b\_c"
    assert code("a`b") == "`` a`b ``"
    assert table(["a", "b"], [["1", "2\n3"]], "lr") == "| a | b |\n| :--- | ---: |\n| 1 | 2 3 |"


def test_the_logo_is_what_its_code_draws(project):
    static = project.root / "book" / "_static"
    assert (static / "logo.svg").read_text(encoding="utf-8") == logo.render(4)
    assert (static / "favicon.svg").read_text(encoding="utf-8") == logo.render(3)


def test_each_level_of_the_logo_is_a_density_with_twice_the_bumps():
    for level in range(4):
        heights = [logo.density(level, -1 + step / 2000) for step in range(4001)]
        peaks = sum(a < b > c for a, b, c in zip(heights, heights[1:], heights[2:], strict=False))
        assert peaks == 2**level


def test_the_headline_is_computed_from_the_study(tmp_path):
    run = {"recipe": "digits-top-down", "variant": "warm-up + free bits", "kl": {"z2": 5.0, "z1": 2.0}}
    runs = [run | {"neg_elbo": value, "iwae512": value - 3} for value in (84.0, 86.0)]
    flat = {
        "recipe": "digits-vae",
        "variant": "warm-up + free bits",
        "neg_elbo": 90.0,
        "iwae512": 88.0,
        "kl": {"z1": 9.0},
    }
    path = tmp_path / "hvae_ref" / "results" / "digits_study_long.json"
    write(path, json.dumps({"runs": [*runs, flat]}))
    text = headline(Project(tmp_path))
    assert "**85.00 ± 1.41** nats over 2 seeds" in text and "KL(z2) = 5," in text and "ends at 90." in text
    write(path, json.dumps({"runs": runs}))
    with pytest.raises(ValueError, match="digits-vae"):
        headline(Project(tmp_path))
