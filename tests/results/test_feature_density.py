"""The shipped study of feature densities: what conditioning saves follows from its runs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref import results
from hvae_ref.features import HierarchicalLatentDensity

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import feature_density as study


@pytest.fixture(scope="module")
def table() -> dict:
    return results.load("feature_density")


def test_every_density_met_every_picture(table: dict) -> None:
    seeds = {run["seed"] for run in table["runs"]}
    cells = {(run["picture"], run["given"], run["seed"]) for run in table["runs"]}
    assert cells == {(p, g, s) for p in study.PICTURES for g in study.CONDITIONS for s in seeds} and len(seeds) >= 3


def test_gains_are_what_the_runs_cost_less_than_mixtures_alone(table: dict) -> None:
    """By NumPy, and not by the function that wrote them."""
    image = {(run["picture"], run["given"], run["seed"]): run["image"] for run in table["runs"]}
    for row in table["gains"]:
        saved = [
            image[row["picture"], "none", seed] - cost
            for (picture, given, seed), cost in image.items()
            if (picture, given) == (row["picture"], row["given"])
        ]
        assert [row["nats"], row["sd"]] == pytest.approx([np.mean(saved), np.std(saved, ddof=1)], abs=0.006)
    assert len(table["gains"]) == len(study.PICTURES) * (len(study.CONDITIONS) - 1)


def test_the_image_is_the_sum_over_positions(table: dict) -> None:
    positions = {level: (study.SIZE // stride) ** 2 for level, stride in zip(study.DIMS, (4, 8, 16, 32), strict=True)}
    for run in table["runs"]:
        assert run["image"] == pytest.approx(sum(positions[level] * run[level] for level in study.DIMS), abs=0.5)


def test_levels_that_stand_first_are_the_mixtures_alone(table: dict) -> None:
    alone = {(run["picture"], run["seed"]): run for run in table["runs"] if run["given"] == "none"}
    for run in table["runs"]:
        first = {"coarser": "level4", "finer": "level1"}.get(run["given"])
        if first:
            assert run[first] == pytest.approx(alone[run["picture"], run["seed"]][first], abs=1e-3)


def test_conditioning_lowers_what_unseen_textures_cost(table: dict) -> None:
    for row in table["gains"]:
        if row["picture"] in study.TEXTURES:
            # The chain at every seed by far; the graph on average, and by no more than its spread on grass.
            assert row["nats"] > (1 if row["given"] == "graph" else 2) * row["sd"] > 0, row


def test_surprise_is_the_mean_of_minus_log_p(monkeypatch) -> None:
    torch.manual_seed(0)
    density = HierarchicalLatentDensity(study.DIMS, 2)
    features = {level: torch.randn(10, dim, 8 >> at, 8 >> at) for at, (level, dim) in enumerate(study.DIMS.items())}
    with torch.no_grad():
        maps = density.log_prob(features)
    measured = study.surprise(density, features)
    for level, log_p in maps.items():
        assert measured[level] == pytest.approx(-log_p.mean().item(), abs=1e-3)
    total = -torch.stack([log_p.sum((1, 2)) for log_p in maps.values()]).sum(0).mean().item()
    assert measured["image"] == pytest.approx(total, abs=0.1)
