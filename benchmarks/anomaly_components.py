"""Which principal components find a patch: their number, or their place among the others?

`anomaly_localisation` compares 8 to 16 leading components a level with the 16 to 112 that a reduction leaves out. Here
every set has as many components as the reduction keeps, and the same density, independent Gaussians of whitened
components: the leading ones, those that come next, random ones of those left out, and the last ones. Beside them stand
all that are left out, and all there are. Crops have their own size; areas are over every other pixel.

A run that is recorded is not repeated: anomaly_components.json.

    python benchmarks/anomaly_components.py
"""

from __future__ import annotations

import argparse

import torch
from anomaly_localisation import ALL, NAMES
from feature_crops import BACKBONE, DIMS, SIZE, features_of, fitting_parts, squares
from sklearn.metrics import roc_auc_score
from torch import Tensor

from hvae_ref.features import AnomalyScore, FeaturePyramid, Reduction
from hvae_ref.features.data.textures import TEXTURES, pasted
from hvae_ref.results.record import FOLDER, Record, command_line

SEEDS = 3
FIT_CROPS, HELD_CROPS, TEST_IMAGES = 64, 16, 16
SETS = ("leading", "next", "random", "last", "all left out", "all")
SETTINGS = {
    "backbone": f"{BACKBONE}, ImageNet weights",
    "crops": f"{SIZE}×{SIZE}; {FIT_CROPS} to fit, {HELD_CROPS} for m and d",
    "directions": f"{ALL}, whitened, as independent Gaussians; sets of {DIMS}, but for the last two",
    "images a pair": TEST_IMAGES,
}


def chosen(name: str, level: str, seed: int) -> Tensor:
    """Numbers of the components of a set, counted from the one of largest variance."""
    whole, count = ALL[level], DIMS[level]
    if name == "random":
        generator = torch.Generator().manual_seed(seed)
        return count + torch.randperm(whole - count, generator=generator)[:count]
    first, last = {
        "leading": (0, count),
        "next": (count, 2 * count),
        "last": (whole - count, whole),
        "all left out": (count, whole),
        "all": (0, whole),
    }[name]
    return torch.arange(first, last)


def surprise(u: dict[str, Tensor], name: str, seed: int) -> dict[str, Tensor]:
    """−log p of a set of components at every level and position, but for a constant."""
    return {level: 0.5 * u[level][:, chosen(name, level, seed)].square().sum(1) for level in NAMES}


def areas(normal: dict[str, Tensor], seen: dict[str, Tensor], masks: Tensor) -> dict[str, float]:
    """Pixel AUROC of each level, and of their standardised sum (`auroc`)."""
    scores = AnomalyScore(normal, (SIZE, SIZE))(seen)
    truth = masks[:, ::2, ::2].flatten().numpy()
    found = {name: round(float(roc_auc_score(truth, s[:, ::2, ::2].flatten())), 4) for name, s in scores.items()}
    return {"auroc": found.pop("combined"), **found}


def main() -> None:
    """Fit, test, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    pyramid = FeaturePyramid(BACKBONE)
    key = ("texture", "foreign", "components", "seed")
    record = Record(FOLDER / "anomaly_components.json", key, command_line("benchmarks/anomaly_components.py"), SETTINGS)
    for seed in range(seeds):
        for texture in TEXTURES:
            others = [other for other in TEXTURES if other != texture]
            cells = [dict(zip(key, (texture, other, name, seed), strict=True)) for name in SETS for other in others]
            if all(record.has(**cell) for cell in cells):
                continue
            upper, lower = fitting_parts(texture)
            fit = features_of(pyramid, squares(upper, FIT_CROPS, 1000 + seed))
            reduction = Reduction(ALL, whiten=True).fit(fit)
            held = reduction.transform(features_of(pyramid, squares(lower, HELD_CROPS, 2000 + seed)))
            for other in others:
                images, masks = pasted(texture, other, SIZE, TEST_IMAGES, 6000 + seed, "test")
                u = reduction.transform(features_of(pyramid, images[:, :1]))
                for name in SETS:
                    found = areas(surprise(held, name, seed), surprise(u, name, seed), masks)
                    record.add(texture=texture, foreign=other, components=name, seed=seed, **found)
            print(texture, seed, *(run["auroc"] for run in record.runs[-len(SETS) :]), flush=True)


if __name__ == "__main__":
    main()
