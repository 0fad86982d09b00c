"""The shipped studies of the digits: they keep their promises, and are about the recipes as they are now."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hvae_ref import results
from hvae_ref.cli import recipes

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import digits_study
from digits_study import BUDGETS, NO_RESIDUAL, Budget


@pytest.fixture(scope="module", params=list(BUDGETS))
def budget(request: pytest.FixtureRequest) -> Budget:
    return BUDGETS[request.param]


@pytest.fixture(scope="module")
def study(budget: Budget) -> dict:
    return results.load(budget.file)


@pytest.mark.parametrize(("recipe", "below"), [("digits-top-down", 90.0), ("digits-top-down-categorical", 92.4)])
def test_the_recipes_reach_their_goal_with_both_levels_in_use(study: dict, recipe: str, below: float) -> None:
    row = study["headline"][recipe]
    assert row["seeds"] == 5
    assert row["iwae512"][0] < below
    assert min(mean for mean, _ in row["kl"].values()) > 2.0
    assert row["processor_seconds"][0] < 60


def test_every_run_is_there_once_for_each_seed(study: dict, budget: Budget) -> None:
    found = [(run["recipe"], run["variant"], run["seed"]) for run in study["runs"]]
    wanted = {
        (task.recipe, task.variant, seed)
        for part in digits_study.PARTS
        for task in digits_study.tasks(part, budget)
        for seed in range(5)
    }
    assert len(found) == len(set(found)) and set(found) == wanted


def test_bounds_are_in_order_and_add_up(study: dict) -> None:
    for run in study["runs"]:
        assert run["iwae512"] < run["neg_elbo"]
        assert run["distortion"] + sum(run["kl"].values()) == pytest.approx(run["neg_elbo"], abs=1e-3)
        assert set(run["kl"]) == set(run["active_units"])


def test_the_summary_is_mean_and_spread_of_the_runs(study: dict, budget: Budget) -> None:
    """By NumPy, and not by the function that wrote it."""
    groups: dict[tuple, list[dict]] = {}
    for run in study["runs"]:
        groups.setdefault((run["recipe"], run["variant"]), []).append(run)
    assert groups.keys() == {(row["recipe"], row["variant"]) for row in study["summary"]}
    for row in study["summary"]:
        own = groups[row["recipe"], row["variant"]]
        assert row["seeds"] == len(own)
        for name in ("neg_elbo", "iwae512"):
            values = [run[name] for run in own]
            assert row[name] == pytest.approx([np.mean(values), np.std(values, ddof=1)])
        for level, found in row["kl"].items():
            assert found[0] == pytest.approx(np.mean([run["kl"][level] for run in own]))
    for recipe in digits_study.RECIPES:
        key = (recipe, budget.recipe_variant)
        shipped = [row for row in study["summary"] if (row["recipe"], row["variant"]) == key]
        assert [study["headline"][recipe]] == shipped


def test_the_residual_path_is_worth_nats(study: dict) -> None:
    rows = {(row["recipe"], row["variant"]): row for row in study["summary"]}
    without, with_path = rows["digits-top-down", NO_RESIDUAL], rows["digits-top-down", "plain"]
    assert without["iwae512"][0] > with_path["iwae512"][0] + 2 * (without["iwae512"][1] + with_path["iwae512"][1])


def test_the_study_is_about_the_recipes_as_they_are(study: dict, budget: Budget) -> None:
    assert study["settings"] == budget.settings
    shipped = {(run["recipe"], run["parameters"]) for run in study["runs"] if run["variant"] != NO_RESIDUAL}
    assert {recipe for recipe, _ in shipped} == {*digits_study.MODELS, *digits_study.RECIPES}
    for recipe, parameters in shipped:
        run = recipes.build(recipes.load(recipe))
        assert sum(p.numel() for p in run.model.parameters()) == parameters
        assert run.config.epochs == 15 and run.config.batch_size == 100
        assert run.recipe.data == {"name": "digits", "deformed_copies": 19}
        assert run.objective.free_bits.nats == 3.0 and run.objective.beta.fraction == 0.3
