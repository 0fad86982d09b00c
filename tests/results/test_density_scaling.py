"""The shipped measurement of cost: linear in positions, and an image in under a second."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from hvae_ref import results

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import density_scaling as study


@pytest.fixture(scope="module")
def table() -> dict:
    return results.load("density_scaling")


def rows_of(table: dict, density: str) -> list[dict]:
    rows = [run for run in table["runs"] if run["density"] == density]
    assert [run["pixels"] for run in rows] == [f"{size}×{size}" for size in study.SIZES]
    assert all(after["positions"] == 4 * before["positions"] for before, after in pairwise(rows))
    return rows


@pytest.mark.parametrize("density", study.DENSITIES)
def test_time_and_memory_grow_no_faster_than_positions(table: dict, density: str) -> None:
    # Four times the positions may cost four times as much, and some for the clock; quadratic growth would be sixteen.
    for before, after in pairwise(rows_of(table, density)):
        assert after["milliseconds"] < 6 * before["milliseconds"]
        assert after["peak_mib_with_gradients"] < 6 * before["peak_mib_with_gradients"]


@pytest.mark.parametrize("density", study.DENSITIES)
def test_without_gradients_large_maps_need_less_memory(table: dict, density: str) -> None:
    row = rows_of(table, density)[-1]
    assert 0 < row["peak_mib"] < row["peak_mib_with_gradients"] / 1.5


def test_an_image_takes_less_than_a_second(table: dict) -> None:
    assert {row["density"] for row in table["pipeline"]} == set(study.DENSITIES)
    for row in table["pipeline"]:
        assert 0 < row["maps"] < row["seconds"] < 1
        assert row["seconds"] == pytest.approx(row["pyramid"] + row["reduction"] + row["maps"], abs=1e-3)


def test_maps_have_the_sizes_of_a_pyramid() -> None:
    shapes = {level: tuple(f.shape) for level, f in study.features(128).items()}
    assert shapes == {
        "level1": (1, 8, 32, 32),
        "level2": (1, 12, 16, 16),
        "level3": (1, 16, 8, 8),
        "level4": (1, 16, 4, 4),
    }


def test_the_fastest_of_several_is_taken_and_the_first_does_not_count(monkeypatch) -> None:
    """By a clock that each computation of the maps moves: 9 seconds the first time, then 3, 1 and 2."""
    clock, takes = [0.0], iter([9.0, 3.0, 1.0, 2.0])

    class Density:
        def log_prob(self, maps: dict) -> dict:
            clock[0] += next(takes)
            return maps

    monkeypatch.setattr(study, "DENSITIES", {"any": Density})
    monkeypatch.setattr(study, "REPEATS", 3)
    monkeypatch.setattr(study.time, "process_time", lambda: clock[0])
    assert study.seconds("any", 64) == 1.0
    assert next(takes, None) is None
