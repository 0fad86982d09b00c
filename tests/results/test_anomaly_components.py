"""The shipped study of equal numbers of components: complete, and what chapter 7 says of it follows from its runs."""

import sys
from pathlib import Path

import pytest

from hvae_ref import results
from hvae_ref.features.data.textures import TEXTURES
from hvae_ref.results import mean_and_sd

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import anomaly_components as study


@pytest.fixture(scope="module")
def runs() -> list[dict]:
    return results.load("anomaly_components")["runs"]


def test_every_run_is_there_once(runs):
    found = [(run["texture"], run["foreign"], run["components"], run["seed"]) for run in runs]
    wanted = {
        (texture, other, name, seed)
        for texture in TEXTURES
        for other in TEXTURES
        if other != texture
        for name in study.SETS
        for seed in range(study.SEEDS)
    }
    assert len(found) == len(wanted) and set(found) == wanted


@pytest.mark.parametrize("name", ["next", "random", "last"])
def test_sets_of_components_are_as_many_as_are_kept_and_none_of_them(name):
    for level, count in study.DIMS.items():
        numbers = study.chosen(name, level, seed=0)
        assert len(numbers) == len(numbers.unique()) == count
        assert count <= numbers.min() and numbers.max() < study.ALL[level]


@pytest.mark.parametrize("name", ["next", "random", "last"])
def test_as_many_components_from_elsewhere_find_the_patches_better_in_every_seed(runs, name):
    def area(components: str, seed: int) -> float:
        some = [run["auroc"] for run in runs if (run["components"], run["seed"]) == (components, seed)]
        return mean_and_sd(some)[0]

    assert all(area(name, seed) > area("leading", seed) + 0.05 for seed in range(study.SEEDS))
