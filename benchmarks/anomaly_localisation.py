"""Finding a patch of one texture in another: densities of features beside what else works on the same features.

Every method is fitted on crops of the left half of a texture and sees pixels of no other picture. Patches have the mean
and the standard deviation of what they cover. `foreign` = the texture itself is a control: a seam, and a pattern that
is out of step, is all there is to find.

What is open (which levels are summed, how wide a filter smooths the maps) is chosen on rows of the left half that were
held out from fitting, with patches of pictures that the test does not use: anomaly_choice.json. The test takes the
right halves: anomaly_localisation.json. A run that is recorded is not repeated.

    python benchmarks/anomaly_localisation.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from feature_crops import (
    BACKBONE,
    COMPONENTS,
    DIMS,
    FIT_CROPS,
    FITTING,
    HELD_CROPS,
    HELD_SHARE,
    SIZE,
    features_of,
    fitted_density,
    fitting_parts,
    squares,
)
from sklearn.metrics import roc_auc_score
from torch import Tensor

from hvae_ref.features import (
    AnomalyScore,
    FeatureDensity,
    FeaturePyramid,
    NearestNeighbour,
    PositionGaussian,
    Reduction,
    image_aurocs,
    local_contrast,
    pixel_auroc,
)
from hvae_ref.features.data.foreign_patches import SIDES, paste
from hvae_ref.features.data.textures import TEXTURES, crops, pasted
from hvae_ref.features.pyramid.pca_residual import leading_components, residual_log_prob
from hvae_ref.results import mean_and_sd
from hvae_ref.results.record import FOLDER, Record, command_line

ENLARGE = 2
ALL = {"level1": 24, "level2": 40, "level3": 112, "level4": 128}
CHOOSING_WITH = ("camera", "chelsea", "coins", "immunohistochemistry", "page")
NAMES = tuple(DIMS)
LEVELS = {"1–4": NAMES, "1–3": NAMES[:3], "2–4": NAMES[1:], "2–3": NAMES[1:3], "3–4": NAMES[2:], "4": NAMES[3:]}
SMOOTHING = (0, 4)
MAIN = "mixtures"
DENSITIES = {MAIN: "none", "mixtures given the coarser level": "coarser"}
LEADING = "mixtures, leading directions alone"
TRIVIAL = "brightness and contrast"
METHODS = (MAIN, LEADING, "one Gaussian", "Gaussian per position", "nearest neighbour", TRIVIAL, *list(DENSITIES)[1:])
SHARES = {"small": (0.0, 0.03), "middle": (0.03, 0.08), "large": (0.08, 1.0)}
MISSED = 0.9
TEST_IMAGES, CHOICE_IMAGES, SEEDS = 16, 6, 3
SETTINGS = {
    "backbone": f"{BACKBONE}, ImageNet weights",
    "crops": f"{SIZE}×{SIZE}, enlarged {ENLARGE} times; {FIT_CROPS} to fit, {HELD_CROPS} for early stopping, m and d",
    "held out": f"the lowest {HELD_SHARE:.0%} of the rows of the left half",
    "directions": f"{ALL}, whitened; mixtures on the first {DIMS}, the rest as independent Gaussians",
    "components": COMPONENTS,
    "fitting": FITTING,
    "patch": f"axes {SIDES[0]:.3g} to {SIDES[1]:.3g} of the side; mean and spread of what it covers",
}

Maps = Mapping[str, Tensor]
Surprise = Callable[[Tensor, Maps], dict[str, Tensor]]


def of_density(density: FeatureDensity, complete: bool) -> Surprise:
    """−log p at every level, of the leading directions alone or of all of them."""

    def surprise(images: Tensor, u: Maps) -> dict[str, Tensor]:
        few = leading_components(u, DIMS)
        batches = ({level: f[at : at + 8] for level, f in few.items()} for at in range(0, len(images), 8))
        parts = list(density.stream(batches))
        maps = {level: -torch.cat([part[level] for part in parts]) for level in DIMS}
        rest = residual_log_prob(u, DIMS)
        return {level: m - rest[level] for level, m in maps.items()} if complete else maps

    return surprise


def of_baseline(baseline: PositionGaussian | NearestNeighbour, levels: tuple[str, ...]) -> Surprise:
    """The distance that a baseline answers for the levels' vectors side by side."""
    return lambda images, u: {"vectors": baseline.surprise({level: u[level] for level in levels})}


def method(name: str, texture: Texture, seed: int, levels: tuple[str, ...]) -> Surprise:
    """Fit one method to a texture: surprise maps of (images, whitened features)."""
    if name in DENSITIES or name == LEADING:
        kind = DENSITIES.get(name, DENSITIES[MAIN])
        if kind not in texture.densities:
            few = leading_components(texture.fit, DIMS), leading_components(texture.held, DIMS)
            texture.densities[kind] = fitted_density(kind, *few, seed)
        return of_density(texture.densities[kind], complete=name != LEADING)
    if name == TRIVIAL:
        plain = PositionGaussian(shared=True).fit({"window": local_contrast(texture.fit_images)})
        return lambda images, u: {"window": plain.surprise({"window": local_contrast(images)})}
    baseline: PositionGaussian | NearestNeighbour = NearestNeighbour(1000, seed)
    if name != "nearest neighbour":
        baseline = PositionGaussian(shared=name == "one Gaussian")
    return of_baseline(baseline.fit({level: texture.fit[level] for level in levels}), levels)


def areas(normal: Maps, seen: Maps, masks: Tensor, levels: tuple[str, ...], smoothing: int) -> dict[str, Any]:
    """Area of the sum over `levels` with its interval, and those of each level and of single images."""
    scores = AnomalyScore(normal, (SIZE, SIZE), smoothing)(seen)
    several = len(normal) > 1
    combined = torch.stack([scores[level] for level in levels]).sum(0) if several else scores["combined"]
    area = pixel_auroc(combined, masks)
    truth = masks.flatten().numpy()
    alone = {level: round(roc_auc_score(truth, scores[level].flatten()), 4) for level in normal} if several else {}
    ends = {"auroc": round(area.value, 4), "low": round(area.low, 4), "high": round(area.high, 4)}
    single = [round(a, 3) for a in image_aurocs(combined, masks).tolist()]
    return {
        **ends,
        **alone,
        "image_areas": single,
        "patch_shares": [round(m, 4) for m in masks.float().mean((1, 2)).tolist()],
    }


class Texture:
    """Fitting and held-out crops of a texture, their reduction, and what is made of any other images."""

    def __init__(self, pyramid: FeaturePyramid, name: str, seed: int) -> None:
        self.pyramid = pyramid
        upper, self.lower = fitting_parts(name)
        self.fit_images = squares(upper, FIT_CROPS, 1000 + seed)
        self.held_images = squares(self.lower, HELD_CROPS, 2000 + seed)
        raw = features_of(pyramid, self.fit_images, ENLARGE)
        self.reduction = Reduction(ALL, whiten=True).fit(raw)
        self.fit = self.reduction.transform(raw)
        self.held = self.reduced(self.held_images)
        self.densities: dict[str, FeatureDensity] = {}

    def reduced(self, images: Tensor) -> dict[str, Tensor]:
        """Whitened features of images."""
        return self.reduction.transform(features_of(self.pyramid, images, ENLARGE))


def choose(pyramid: FeaturePyramid, record: Record) -> tuple[str, int]:
    """Measure every choice on held-out rows of the left halves; the levels and the filter that serve `MAIN` best."""
    for name in TEXTURES:
        if all(record.has(texture=name, levels=v, smoothing=s) for v in LEVELS for s in SMOOTHING):
            continue
        texture = Texture(pyramid, name, 0)
        pairs = []
        for at, other in enumerate(CHOOSING_WITH):
            inside = crops(other, SIZE, CHOICE_IMAGES, 3000 + at, "train").mean(1, keepdim=True)
            pairs.append(paste(squares(texture.lower, CHOICE_IMAGES, 4000 + at), inside, 5000 + at))
        images, masks = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        surprise = method(MAIN, texture, 0, NAMES)
        normal, maps = surprise(texture.held_images, texture.held), surprise(images, texture.reduced(images))
        for smoothing in SMOOTHING:
            scores = AnomalyScore(normal, (SIZE, SIZE), smoothing)(maps)
            for levels, some in LEVELS.items():
                if not record.has(texture=name, levels=levels, smoothing=smoothing):
                    combined = torch.stack([scores[level] for level in some]).sum(0)
                    area = round(roc_auc_score(masks.flatten().numpy(), combined.flatten()), 4)
                    record.add(texture=name, levels=levels, smoothing=smoothing, auroc=area)
                    print(name, levels, smoothing, area, flush=True)
    return chosen(record.runs)


def chosen(runs: list[dict[str, Any]]) -> tuple[str, int]:
    """Levels and filter with the highest mean over textures."""
    means: dict[tuple[str, int], float] = {}
    for levels, smoothing in dict.fromkeys((run["levels"], run["smoothing"]) for run in runs):
        own = [run["auroc"] for run in runs if (run["levels"], run["smoothing"]) == (levels, smoothing)]
        means[levels, smoothing] = mean_and_sd(own)[0]
    return max(means, key=means.__getitem__)


def test(
    pyramid: FeaturePyramid, record: Record, levels: tuple[str, ...], smoothing: int, seed: int, name: str
) -> None:
    """Measure every method on the right half of one texture, for one seed."""
    others = (*(texture for texture in TEXTURES if texture != name), name)
    cells = [{"texture": name, "foreign": other, "method": kind, "seed": seed} for kind in METHODS for other in others]
    if all(record.has(**cell) for cell in cells):
        return
    texture = Texture(pyramid, name, seed)
    seen = {}
    for other in others:
        images, masks = pasted(name, other, SIZE, TEST_IMAGES, 6000 + seed, "test")
        # Grey: its three channels are one.
        seen[other] = images[:, :1], masks, texture.reduced(images[:, :1])
    for kind in METHODS:
        missing = [cell for cell in cells if cell["method"] == kind and not record.has(**cell)]
        if not missing:
            continue
        surprise = method(kind, texture, seed, levels)
        normal = surprise(texture.held_images, texture.held)
        for cell in missing:
            images, masks, u = seen[cell["foreign"]]
            record.add(**cell, **areas(normal, surprise(images, u), masks, levels, smoothing))
            print(*cell.values(), record.runs[-1]["auroc"], flush=True)


def misses(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where `MAIN` fails: areas of single images by pair and by size of the patch, and how many lie below `MISSED`."""
    rows = []
    for texture, foreign in dict.fromkeys((run["texture"], run["foreign"]) for run in runs):
        own = [run for run in runs if (run["texture"], run["foreign"], run["method"]) == (texture, foreign, MAIN)]
        single = [pair for run in own for pair in zip(run["image_areas"], run["patch_shares"], strict=True)]
        for size, (least, most) in SHARES.items():
            found = [area for area, share in single if least <= share < most]
            if found:
                missed = sum(area < MISSED for area in found)
                mean = round(mean_and_sd(found)[0], 3)
                row = {"texture": texture, "foreign": foreign, "patch": size, "images": len(found)}
                rows.append({**row, "mean_area": mean, "missed": missed})
    return rows


def main() -> None:
    """Choose, then test, and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--textures", nargs="*", choices=TEXTURES, default=TEXTURES, help="to test these alone")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the two tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pyramid = FeaturePyramid(BACKBONE)
    script = "benchmarks/anomaly_localisation.py"
    choice = {**SETTINGS, "patches of": CHOOSING_WITH, "images of each": CHOICE_IMAGES, "method": MAIN}
    levels, smoothing = choose(
        pyramid,
        Record(options.out / "anomaly_choice.json", ("texture", "levels", "smoothing"), f"python {script}", choice),
    )
    settings = {**SETTINGS, "images a pair": TEST_IMAGES, "levels": levels, "smoothing": smoothing}
    key = ("texture", "foreign", "method", "seed")
    record = Record(options.out / "anomaly_localisation.json", key, command_line(script), settings)
    for seed in range(options.seeds):
        for name in options.textures:
            test(pyramid, record, LEVELS[levels], smoothing, seed, name)
    record.save(misses=misses(record.runs))


if __name__ == "__main__":
    main()
