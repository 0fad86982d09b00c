"""The shipped comparison of samplers on the sphere: what it claims, and that the claims follow from its runs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref import results

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import vmf_sampling
from vmf_samplers import installed

OURS = "hvae_ref"


@pytest.fixture(scope="module")
def study() -> dict:
    return results.load("vmf_sampling")


def rows_of(study: dict, table: str, sampler: str) -> list[dict]:
    return [row for row in study[table] if row["sampler"] == sampler]


def test_the_summary_follows_from_the_runs(study: dict) -> None:
    """By NumPy, and not by the function that wrote it."""
    for row in study["summary"]:
        key = [row[name] for name in ("sampler", "dim", "concentration")]
        own = [run for run in study["runs"] if [run[name] for name in ("sampler", "dim", "concentration")] == key]
        assert row["draws_a_second"] == np.median([run["draws_a_second"] for run in own])
    assert len(study["summary"]) == len({(run["sampler"], run["dim"], run["concentration"]) for run in study["runs"]})
    assert {(row["dim"], row["concentration"]) for row in rows_of(study, "summary", OURS)} == set(vmf_sampling.SPEED)


def test_exact_draws_cost_at_most_twice_what_power_spherical_ones_do(study: dict) -> None:
    for row in rows_of(study, "summary", OURS):
        assert row["draws_a_second_ratio"] > 0.5, row
        assert row["draws_a_second"] > 1e6 or row["dim"] > 50, row


def test_our_draws_and_gradients_are_those_of_the_von_mises_fisher(study: dict) -> None:
    rows = rows_of(study, "laws", OURS)
    assert {(row["dim"], row["concentration"]) for row in rows} == set(vmf_sampling.LAW)
    for row in rows:
        # 1.95 / √n is passed by chance once in a thousand.
        assert row["ks_distance"] < 1.95 / study["settings"]["draws_for_the_law"] ** 0.5
        assert abs(row["gradient"] - row["exact_gradient"]) < 4 * row["gradient_standard_error"]


def test_the_same_measures_see_what_is_wrong_with_others(study: dict) -> None:
    wrong = {(row["dim"], row["concentration"]): row for row in rows_of(study, "laws", "s-vae-pytorch")}
    assert wrong[200, 12.0]["ks_distance"] > 0.9 and wrong[200, 12.0]["mean_cosine"] < -0.5
    uncorrected = wrong[5, 2.0]
    assert uncorrected["exact_gradient"] - uncorrected["gradient"] > 50 * uncorrected["gradient_standard_error"]
    assert all(row["ks_distance"] > 0.01 for row in rows_of(study, "laws", "power_spherical"))


def test_the_measurement_of_today_agrees_with_the_shipped_one(study: dict, monkeypatch) -> None:
    monkeypatch.setattr(vmf_sampling, "DRAWS", 20_000)
    ours = installed()[0][0]
    assert ours.name == OURS
    measured = vmf_sampling.law(ours, 50, 20.0)
    (shipped,) = [row for row in rows_of(study, "laws", OURS) if row["dim"] == 50]
    assert measured["ks_distance"] < 1.95 / 20_000**0.5
    for exact in ("exact_mean_cosine", "exact_gradient"):
        assert measured[exact] == pytest.approx(shipped[exact], rel=1e-9)
    assert measured["gradient"] == pytest.approx(shipped["gradient"], abs=5 * measured["gradient_standard_error"])


def test_speed_is_draws_a_second_and_milliseconds_of_a_batch(monkeypatch) -> None:
    seconds = iter([0.001, 0.004])
    monkeypatch.setattr(vmf_sampling, "seconds_a_call", lambda call, at_least: call() is not None and next(seconds))
    torch.manual_seed(0)
    measured = vmf_sampling.speed(installed()[0][0], 10, 100.0, 0.1)
    assert measured == {"draws_a_second": pytest.approx(1_024_000), "forward_backward_ms": pytest.approx(4.0)}
