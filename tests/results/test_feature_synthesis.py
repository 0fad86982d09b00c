"""The shipped study of synthesis: what its table claims, and that the shipped bundle is what it was measured on."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref import results
from hvae_ref.features import shipped
from hvae_ref.features.bundle import SHIPPED
from hvae_ref.features.decoder.decoder_fit import decode

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import feature_synthesis


@pytest.fixture(scope="module")
def study() -> dict:
    return results.load("feature_synthesis")


@pytest.fixture(scope="module")
def rows(study) -> dict:
    return {row["levels"]: row for row in study["summary"]}


def test_the_summary_follows_from_the_runs_of_three_seeds(study, rows) -> None:
    """By NumPy, and not by the function that wrote it."""
    for row in study["summary"]:
        for name in ("psnr", "ssim"):
            values = [run[name] for run in study["runs"] if run["levels"] == row["levels"]]
            assert row[name] == pytest.approx([np.mean(values), np.std(values, ddof=1)]) and len(values) == 3
    assert rows.keys() == feature_synthesis.SETS.keys() and {row["seeds"] for row in rows.values()} == {3}


def test_more_levels_tell_more_and_every_set_beats_the_mean_image(study, rows) -> None:
    psnr = {name: row["psnr"][0] for name, row in rows.items()}
    floor = study["floors"]["mean image"]["psnr"]
    assert all(value > floor + 1 for value in psnr.values())
    assert psnr["all"] > psnr["without the finest"] > psnr["coarse only"] > psnr["level4"] - 0.1
    assert psnr["all"] > psnr["fine only"] + 1
    ssim = {name: row["ssim"][0] for name, row in rows.items()}
    # The finest level alone has the edges, and the coarse ones the colours.
    assert ssim["all"] > ssim["fine only"] > ssim["coarse only"]


def test_a_region_changes_in_its_place_alone(study) -> None:
    for density in study["regions"].values():
        for levels, found in density.items():
            change = found["mean_change"]
            assert found["largest_change_beyond"] == change["beyond"] == 0 and found["features_outside_same"], levels
            assert change["inside"] > 2 * change["margin"] > 0, levels
            assert min(found["pixels"].values()) > 0


def test_the_shipped_bundle_is_small_and_does_what_the_table_says(study, rows) -> None:
    assert SHIPPED.stat().st_size < 3e6
    bundle = shipped()
    assert bundle.about["settings"]["fit"] == study["settings"]["fit"]
    assert sorted(bundle.densities) == sorted(study["samples"]) == sorted(feature_synthesis.DENSITIES)
    images = feature_synthesis.images_of("test", study["settings"]["test_crops"], study["settings"]["size"])
    chosen = torch.arange(0, len(images), 4)
    features = bundle.features(images[chosen])
    # Half precision, and a quarter of the crops: near the mean of seed 0 over all of them.
    (whole,) = [run for run in study["runs"] if run["levels"] == "all" and run["seed"] == 0]
    found = feature_synthesis.psnr(decode(bundle.decoder, features), images[chosen]).mean().item()
    assert found == pytest.approx(whole["psnr"], abs=0.7)
    (nll,) = bundle.densities["pictures"].stream([features])
    for level, log_p in nll.items():
        assert -log_p.mean().item() == pytest.approx(study["samples"]["pictures"]["nll"]["real"][level], abs=2.5)
