"""The shipped study of the digits: it keeps its promises, and it is about the recipes as they are now."""

import sys
from pathlib import Path

import pytest

from hvae_ref import recipes, results

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import digits_study


@pytest.fixture(scope="module")
def study() -> dict:
    return results.load("digits_study")


@pytest.mark.parametrize(("recipe", "below"), [("digits-top-down", 90.0), ("digits-top-down-categorical", 92.4)])
def test_the_recipes_reach_their_goal_with_both_levels_in_use(study: dict, recipe: str, below: float) -> None:
    row = study["headline"][recipe]
    assert row["seeds"] == 5
    assert row["iwae512"][0] < below
    assert min(mean for mean, _ in row["kl"].values()) > 2.0


def test_every_run_is_there_once_for_each_seed(study: dict) -> None:
    found = [(run["recipe"], run["variant"], run["seed"]) for run in study["runs"]]
    wanted = {
        (task.recipe, task.variant, seed)
        for part in digits_study.PARTS
        for task in digits_study.tasks(part)
        for seed in range(5)
    }
    assert len(found) == len(set(found)) and set(found) == wanted


def test_bounds_are_in_order_and_add_up(study: dict) -> None:
    for run in study["runs"]:
        assert run["iwae512"] < run["neg_elbo"]
        assert run["distortion"] + sum(run["kl"].values()) == pytest.approx(run["neg_elbo"], abs=1e-3)
        assert set(run["kl"]) == set(run["active_units"])


def test_the_summary_follows_from_the_runs(study: dict) -> None:
    again = digits_study.summary(study["runs"])
    assert len(again) == len(study["summary"])
    for row, shipped in zip(again, study["summary"], strict=True):
        assert (row["recipe"], row["variant"]) == (shipped["recipe"], shipped["variant"])
        assert list(row["iwae512"]) == pytest.approx(shipped["iwae512"])
    for recipe in digits_study.RECIPES:
        key = (recipe, digits_study.AS_SHIPPED)
        shipped = [row for row in study["summary"] if (row["recipe"], row["variant"]) == key]
        assert [study["headline"][recipe]] == shipped


def test_without_the_residual_path_the_top_level_dies(study: dict) -> None:
    rows = {(row["recipe"], row["variant"]): row for row in study["summary"]}
    assert rows["digits-top-down", digits_study.NO_RESIDUAL]["kl"]["z2"][0] < 0.5
    assert rows["digits-top-down", "plain"]["kl"]["z2"][0] > 2.0


def test_the_study_is_about_the_recipes_as_they_are(study: dict) -> None:
    assert study["settings"] == digits_study.SETTINGS
    sizes = {(run["recipe"], run["parameters"]) for run in study["runs"] if run["variant"] in digits_study.VARIANTS}
    for recipe, parameters in sizes:
        run = recipes.build(recipes.load(recipe))
        assert sum(p.numel() for p in run.model.parameters()) == parameters
        assert run.config.epochs == 15 and run.config.batch_size == 100
        assert run.recipe.data == {"name": "digits", "deformed_copies": 19}
        assert run.objective.free_bits.nats == 3.0 and run.objective.beta.fraction == 0.3
