"""What levels say about each other: −log p of unseen features under densities that condition on different things.

Mixtures at each position alone, given the coarser level, given the finer level, and on a graph over space and levels;
the same crops, reduction, components and passes over the data. Values are nats of a position in whitened coordinates,
on crops of a picture's right half, of which fitting saw nothing. `image` is −log p of all levels of a crop together:
each of the four is a normalised density of them, so these can be compared. A run that is recorded is not repeated.

    python benchmarks/feature_density.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from feature_crops import (
    BACKBONE,
    COMPONENTS,
    CONDITIONS,
    DIMS,
    FIT_CROPS,
    FITTING,
    HELD_CROPS,
    SIZE,
    features_of,
    fitted_density,
    fitting_parts,
    squares,
)
from torch import Tensor

from hvae_ref.features import FeatureDensity, FeaturePyramid, Reduction
from hvae_ref.features.data.textures import TEXTURES, crops
from hvae_ref.results import mean_and_sd
from hvae_ref.results.record import FOLDER, Record, command_line

PICTURES = (*TEXTURES, "immunohistochemistry")
TEST_CROPS, SEEDS = 32, 3
# Small batches: the graph, all of whose levels share their messages, needs more steps than the chain.
LONGER = FITTING | {"epochs": 15, "batch_size": 4}
KEY = ("picture", "given", "seed")


def surprise(density: FeatureDensity, features: dict[str, Tensor]) -> dict[str, float]:
    """Mean −log p of a position at each level, and of all positions of an image together."""
    sums, images = dict.fromkeys(DIMS, 0.0), len(features["level1"])
    batches = ({level: f[at : at + 8] for level, f in features.items()} for at in range(0, images, 8))
    for maps in density.stream(batches):
        for level, log_p in maps.items():
            sums[level] -= log_p.double().sum().item()
    positions = {level: images * features[level].shape[2:].numel() for level in DIMS}
    each = {level: round(sums[level] / positions[level], 4) for level in DIMS}
    return {**each, "image": round(sum(sums.values()) / images, 2)}


def gains(runs: list[dict]) -> list[dict]:
    """Nats of an image that conditioning saves against mixtures alone: mean and spread over seeds, by picture."""
    alone = {(run["picture"], run["seed"]): run["image"] for run in runs if run["given"] == "none"}
    rows = []
    for picture, given in dict.fromkeys((run["picture"], run["given"]) for run in runs if run["given"] != "none"):
        own = [run for run in runs if (run["picture"], run["given"]) == (picture, given)]
        mean, spread = mean_and_sd(alone[picture, run["seed"]] - run["image"] for run in own)
        rows.append(
            {"picture": picture, "given": given, "nats": round(mean, 2), "sd": round(spread, 2), "seeds": len(own)}
        )
    return rows


def main() -> None:
    """Fit every kind of density to every picture, over seeds, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--given", nargs="*", choices=CONDITIONS, default=CONDITIONS)
    parser.add_argument("--out", type=Path, default=FOLDER / "feature_density.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {
        "backbone": f"{BACKBONE}, ImageNet weights",
        "crops": f"{SIZE}×{SIZE}: {FIT_CROPS} for fitting, {HELD_CROPS} for early stopping, {TEST_CROPS} for the test",
        "dims": DIMS,
        "components": COMPONENTS,
        "fitting": LONGER,
    }
    record = Record(options.out, KEY, command_line("benchmarks/feature_density.py"), settings)
    pyramid = FeaturePyramid(BACKBONE)
    for seed in range(options.seeds):
        for picture in PICTURES:
            missing = [given for given in options.given if not record.has(picture=picture, given=given, seed=seed)]
            if not missing:
                continue
            upper, lower = fitting_parts(picture)
            raw = features_of(pyramid, squares(upper, FIT_CROPS, 1000 + seed))
            reduction = Reduction(DIMS, whiten=True).fit(raw)
            fit = reduction.transform(raw)
            held = reduction.transform(features_of(pyramid, squares(lower, HELD_CROPS, 2000 + seed)))
            unseen = reduction.transform(features_of(pyramid, crops(picture, SIZE, TEST_CROPS, 6000 + seed, "test")))
            for given in missing:
                measured = surprise(fitted_density(given, fit, held, seed, LONGER), unseen)
                record.add(picture=picture, given=given, seed=seed, **measured)
                print(picture, given, seed, measured, flush=True)
    record.save(gains=gains(record.runs))


if __name__ == "__main__":
    main()
