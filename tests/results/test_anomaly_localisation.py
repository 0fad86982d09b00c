"""The shipped study of anomalies: the choice came before the test, and the claims follow from its runs."""

import sys
from pathlib import Path

import pytest
import torch

from hvae_ref import results
from hvae_ref.features.data.textures import TEXTURES
from hvae_ref.results import mean_and_sd

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import anomaly_localisation as study


@pytest.fixture(scope="module")
def choice() -> dict:
    return results.load("anomaly_choice")


@pytest.fixture(scope="module")
def table() -> dict:
    return results.load("anomaly_localisation")


def mean_area(table: dict, method: str, control: bool = False, **key: str) -> float:
    """Mean area over the runs of a method, with patches of other textures or of the texture itself."""
    runs = [run for run in table["runs"] if run["method"] == method and (run["texture"] == run["foreign"]) == control]
    return mean_and_sd(run["auroc"] for run in runs if all(run[name] == value for name, value in key.items()))[0]


def test_what_was_open_was_chosen_without_the_pictures_of_the_test(choice: dict, table: dict) -> None:
    assert not set(choice["settings"]["patches of"]) & set(TEXTURES)
    cells = {(run["texture"], run["levels"], run["smoothing"]) for run in choice["runs"]}
    assert cells == {(t, v, s) for t in TEXTURES for v in study.LEVELS for s in study.SMOOTHING}
    settings = table["settings"]
    assert (settings["levels"], settings["smoothing"]) == study.chosen(choice["runs"])
    assert all(choice["settings"][name] == settings[name] for name in study.SETTINGS)


def test_every_method_met_every_pair(table: dict) -> None:
    seeds = {run["seed"] for run in table["runs"]}
    cells = {(run["texture"], run["foreign"], run["method"], run["seed"]) for run in table["runs"]}
    assert cells == {(t, f, m, s) for t in TEXTURES for f in TEXTURES for m in study.METHODS for s in seeds}
    assert seeds == set(range(len(seeds))) and len(seeds) >= 3
    for run in table["runs"]:
        assert 0 <= run["low"] <= run["auroc"] <= run["high"] <= 1
        assert len(run["image_areas"]) == len(run["patch_shares"]) == study.TEST_IMAGES


def test_patches_of_other_textures_are_found(table: dict) -> None:
    assert mean_area(table, study.MAIN) > 0.95
    for texture in TEXTURES:
        assert mean_area(table, study.MAIN, texture=texture) > 0.94
        # What varies most among normal crops is not where a patch shows.
        assert mean_area(table, study.LEADING, texture=texture) < mean_area(table, study.MAIN, texture=texture) - 0.01
        # Neither brightness nor contrast would have done.
        assert mean_area(table, study.TRIVIAL, texture=texture) < mean_area(table, study.MAIN, texture=texture) - 0.1


def test_a_single_gaussian_of_all_directions_does_as_well(table: dict) -> None:
    for method in ("one Gaussian", "Gaussian per position", "nearest neighbour", *study.DENSITIES):
        assert mean_area(table, method) == pytest.approx(mean_area(table, study.MAIN), abs=0.02)


def test_a_seam_alone_gives_nothing_away_where_no_pattern_gets_out_of_step(table: dict) -> None:
    assert 0.3 < mean_area(table, study.MAIN, control=True, texture="grass") < 0.65
    assert mean_area(table, study.MAIN, control=True, texture="brick") > 0.85


def test_the_best_place_of_chosen_wins() -> None:
    rows = [("a", "1–4", 0, 0.9), ("b", "1–4", 0, 0.5), ("a", "2–3", 4, 0.8), ("b", "2–3", 4, 0.7)]
    runs = [dict(zip(("texture", "levels", "smoothing", "auroc"), row, strict=True)) for row in rows]
    assert study.chosen(runs) == ("2–3", 4)


def test_misses_are_counted_by_pair_and_size(table: dict) -> None:
    assert study.misses(table["runs"]) == table["misses"]
    run = {"texture": "brick", "foreign": "grass", "method": study.MAIN}
    runs = [run | {"image_areas": [0.5, 1.0, 0.95], "patch_shares": [0.01, 0.02, 0.2]}, run | {"method": "other"}]
    small, large = study.misses(runs)
    assert (small["patch"], small["images"], small["mean_area"], small["missed"]) == ("small", 2, 0.75, 1)
    assert (large["patch"], large["images"], large["missed"]) == ("large", 1, 0)


def test_areas_are_those_of_the_sum_and_of_each_level() -> None:
    torch.manual_seed(0)
    masks = torch.zeros(4, study.SIZE, study.SIZE, dtype=torch.bool)
    masks[:, :64, :32] = True
    normal = {"level1": torch.randn(4, 32, 32), "level2": torch.randn(4, 16, 16)}
    seen = {"level1": torch.randn(4, 32, 32), "level2": torch.randn(4, 16, 16)}
    seen["level2"][:, :8, :4] += 9
    found = study.areas(normal, seen, masks, ("level1", "level2"), 0)
    assert found["level1"] == pytest.approx(0.5, abs=0.05) and found["level2"] > 0.97
    assert found["level1"] < found["auroc"] < found["level2"] and found["low"] <= found["auroc"] <= found["high"]
    assert study.areas(normal, seen, masks, ("level2",), 0)["auroc"] == found["level2"]
    assert found["patch_shares"] == [0.125] * 4 and len(found["image_areas"]) == 4
