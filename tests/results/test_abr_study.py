"""The shipped studies of the conditional models: complete, consistent, and about the recipes as they are now."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hvae_ref import results
from hvae_ref.abr.data import FACTOR_NAMES, STATIC_NAMES
from hvae_ref.cli import recipes

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import abr_study

SEEDS = {"models": 3, "changes": 3, "hierarchy": 3}


@pytest.fixture(scope="module", params=list(abr_study.SETTINGS))
def part(request):
    return request.param


@pytest.fixture(scope="module")
def study(part):
    return results.load(f"abr_{part}")


@pytest.fixture(scope="module")
def models():
    return results.load("abr_models")


@pytest.fixture(scope="module")
def changes():
    return results.load("abr_changes")


def rows(study, label):
    return {row[label]: row for row in study["summary"]}


def test_every_run_is_there_once_for_each_seed(study, part):
    label = abr_study.LABELS[part][0]
    found = [(run[label], run["seed"]) for run in study["runs"]]
    wanted = {(task.labels[label], seed) for task in abr_study.tasks(part) for seed in range(SEEDS[part])}
    assert len(found) == len(set(found)) and set(found) == wanted


def test_the_study_is_about_the_recipes_as_they_are(study, part):
    assert study["settings"] == abr_study.SETTINGS[part]
    label = abr_study.LABELS[part][0]
    for task in abr_study.tasks(part):
        model = recipes.build(recipes.load(task.recipe, (*task.overrides, *abr_study.QUIET))).model
        count = sum(p.numel() for p in model.parameters())
        assert {run["parameters"] for run in study["runs"] if run[label] == task.labels[label]} == {count}


def test_the_summary_is_mean_and_spread_of_the_runs(study, part):
    """By NumPy, and not by the function that wrote it."""
    label = abr_study.LABELS[part][0]
    assert {row[label] for row in study["summary"]} == {run[label] for run in study["runs"]}
    for row in study["summary"]:
        own = [run for run in study["runs"] if run[label] == row[label]]
        assert row["seeds"] == len(own) == SEEDS[part]
        pairs = [
            (row["neg_elbo"], [run["neg_elbo"] for run in own]),
            (row["mean_response"]["model"], [run["mean_response"]["model"] for run in own]),
        ]
        if "generation" in row:
            errors = [run["generation"]["latency"]["error"] for run in own]
            pairs.append((row["generation"]["latency"]["error"], errors))
        for found, values in pairs:
            spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
            assert found == pytest.approx([np.mean(values), spread])


def test_bounds_are_in_order(study):
    for run in study["runs"]:
        assert run["iwae64"] < run["neg_elbo"] and all(kl >= 0 for kl in run["kl"].values())


def test_both_models_have_the_same_budget(models):
    counts = {run["model"]: run["parameters"] for run in models["runs"]}
    assert counts["CVAE"] == pytest.approx(counts["HierarchicalCVAE"], rel=0.02)


def test_generated_waves_lie_within_twice_the_spread_between_trials(models):
    for run in models["runs"]:
        for kind in ("generation", "noisy_generation"):
            for one in run[kind].values():
                assert one["low"] <= one["error"] <= one["high"] < 2 * one["spread"]
                assert one["floor"] < one["error"]
                each = [error for error in one["each"] if error is not None]
                assert len(one["each"]) == abr_study.CONDITIONS and len(each) == one["conditions"]
                assert sum(each) / len(each) == pytest.approx(one["error"], abs=1e-4)


def test_the_paired_tests_follow_from_the_runs(models):
    assert len(models["paired"]) == 4
    for name, test in models["paired"].items():
        kind, measure = name.split(", ")
        errors = {model: [] for model in abr_study.MODELS}
        for run in models["runs"]:
            errors[run["model"]].append(np.array(run[kind][measure]["each"], dtype=float))
        first, second = (np.mean(errors[model], axis=0) for model in abr_study.MODELS)
        differences = (first - second)[np.isfinite(first - second)]
        assert test["difference"] == pytest.approx(differences.mean()) and test["cases"] == len(differences) > 50
        assert test["low"] <= test["difference"] <= test["high"]


def test_intervals_of_the_samples_hold_about_what_they_promise(models):
    for run in models["runs"]:
        for nominal, observed in run["coverage"]["samples"].items():
            assert observed == pytest.approx(float(nominal), abs=0.15)


def test_shares_of_a_swap_add_up(study):
    for run in study["runs"]:
        for shares in run.get("swap", {}).values():
            assert sum(share for name, share in shares.items() if name != "spread") == pytest.approx(1)


def test_probes_are_of_every_factor_from_every_latent(changes):
    for run in changes["runs"]:
        floors = run["probe"]["floor"]
        assert set(floors) == {"z_global", "z_local", "both"}
        for code in floors:
            assert list(run["probe"][code]) == [*STATIC_NAMES, *FACTOR_NAMES]
            assert all(r2 <= 1 for r2 in run["probe"][code].values())


def test_weights_of_the_kl_move_what_the_latents_hold(changes):
    found = rows(changes, "change")
    for level in ("global", "local"):
        less, more = found[f"{level} KL × 0.1"], found[f"{level} KL × 4"]
        assert less["kl"][f"z_{level}"][0] > found["as shipped"]["kl"][f"z_{level}"][0]
        assert more["kl"][f"z_{level}"][0] < less["kl"][f"z_{level}"][0]
