"""What each level of a feature pyramid tells about the pixels, and what a fitted density makes of them.

A decoder is trained on crops from the left halves of eleven pictures and textures, and tested on crops from the right
halves: PSNR and SSIM for sets of levels, beside two floors. Then the decoder of seed 0: how far a region that is drawn
anew changes the image inside, around and beyond it, and whether what is drawn from a density, decoded, gives back the
features it was drawn with. `--ship` also writes the decoder, the reduction and the densities into the package.

    python benchmarks/feature_synthesis.py --ship
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hvae_ref.evaluation.image_quality import psnr, ssim
from hvae_ref.features import FeatureDensity, HierarchicalLatentDensity, SpatialGraphDensity, fit_density
from hvae_ref.features.bundle import SHIPPED, FeatureBundle, save_bundle
from hvae_ref.features.data.textures import TEXTURES, crops
from hvae_ref.features.decoder.decoder_fit import decode, fit_decoder
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.features.decoder.synthesis import synthesize
from hvae_ref.features.pyramid.feature_pyramid import FeaturePyramid
from hvae_ref.features.pyramid.reduction import Reduction
from hvae_ref.results.record import FOLDER, Record, command_line, mean_and_sd, provenance
from hvae_ref.training import History

BACKBONE = "efficientnet_lite0"
DIMS = {"level1": 8, "level2": 12, "level3": 16, "level4": 16}
PICTURES = (
    *TEXTURES, "astronaut", "camera", "chelsea", "coffee", "coins", "immunohistochemistry", "retina", "rocket",
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "backbone": BACKBONE,
    "dims": DIMS,
    "pictures": PICTURES,
    "size": 128,
    "train_crops": 64,
    "test_crops": 8,
    "decoder": {"width": 32},
    "fit": {"steps": 1000, "batch_size": 8, "learning_rate": 6e-3, "edges": 1.0},
    "components": {
        "pictures": {"level1": 8, "level2": 8, "level3": 8, "level4": 8},
        # A coarse map has few positions, and crops of one texture repeat each other's.
        "texture": {"level1": 8, "level2": 8, "level3": 4, "level4": 2},
    },
    "density_fit": {"epochs": 12, "batch_size": 16, "positions": 256},
    "region": {"size": 192, "from": 64, "to": 128, "draws": 2},
}
SETS = {
    "all": ("level1", "level2", "level3", "level4"),
    "without the finest": ("level2", "level3", "level4"),
    "coarse only": ("level3", "level4"),
    "fine only": ("level1",),
    "level2": ("level2",),
    "level3": ("level3",),
    "level4": ("level4",),
    "without the coarsest": ("level1", "level2", "level3"),
}
DENSITIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "pictures": ("chain", PICTURES),
    "brick": ("chain", ("brick",)),
    "brick, graph": ("graph", ("brick",)),
}
"""Name -> which density, fitted to the crops of which pictures."""
KINDS: dict[str, type[FeatureDensity]] = {"chain": HierarchicalLatentDensity, "graph": SpatialGraphDensity}
WORKSHOP = Path("runs/feature_synthesis")
"""Fitted parts are kept here, so that a study cut short goes on where it was."""


def images_of(part: str, count: int, size: int, pictures: tuple[str, ...] = PICTURES) -> Tensor:
    """Crops of all pictures in a row, in colour: (pictures · count, 3, size, size)."""
    return torch.cat([crops(name, size, count, 0, part).expand(-1, 3, -1, -1) for name in pictures])


def kept(path: Path, part: nn.Module, fit: Callable[[], object]) -> float | None:
    """Read a part's weights where they are kept, else fit and keep them; processor seconds of the fit, or None."""
    if path.exists():
        part.load_state_dict(torch.load(path, weights_only=True))
        return None
    begun = time.process_time()
    fit()
    seconds = time.process_time() - begun
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(part.state_dict(), path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)
    return seconds


def fitting(images: int) -> dict[str, Any]:
    """Arguments of `fit_decoder` for so many images; the settings count steps."""
    plan = dict(SETTINGS["fit"])
    return plan | {"epochs": round(plan.pop("steps") * plan["batch_size"] / images)}


def quality(decoded: Tensor, images: Tensor) -> dict[str, float]:
    """Mean PSNR in dB and SSIM over the crops, also of textures and of pictures alone."""
    values = {"psnr": psnr(decoded, images), "ssim": ssim(decoded, images)}
    textures = len(TEXTURES) * len(images) // len(PICTURES)
    parts = {"": slice(None), "_textures": slice(textures), "_pictures": slice(textures, None)}
    return {f"{name}{part}": v[rows].mean().item() for name, v in values.items() for part, rows in parts.items()}


def floors(train: Tensor, test: Tensor) -> dict[str, dict[str, float]]:
    """What one gets without any feature: the mean training image, and each test crop's own mean colour."""
    mean, colour = train.mean(0, keepdim=True), test.mean((2, 3), keepdim=True)
    return {
        "mean image": quality(mean.expand_as(test), test),
        "own mean colour": quality(colour.expand_as(test).contiguous(), test),
    }


def region_study(
    decoder: FeatureDecoder, density: FeatureDensity, features: Mapping[str, Tensor], levels: tuple[str, ...]
) -> dict[str, Any]:
    """Change of the pixels when the features of `levels` in the middle are drawn anew, and the others stay."""
    plan = SETTINGS["region"]
    size = (plan["size"],) * 2
    region = torch.zeros(size, dtype=torch.bool)
    region[plan["from"] : plan["to"], plan["from"] : plan["to"]] = True
    stay = tuple(level for level in decoder.levels if level not in levels)
    before = decode(decoder, features, size)
    changes: dict[str, list[float]] = {"inside": [], "margin": [], "beyond": []}
    largest_beyond, same = 0.0, True
    for draw in range(plan["draws"]):
        made = synthesize(decoder, features, region=region, levels=stay, density=density, seed=draw)
        change = (made.images - before).abs()
        places = {"inside": region, "margin": made.may_differ & ~region, "beyond": ~(made.may_differ | region)}
        for name, mask in places.items():
            changes[name].append(change[..., mask].mean().item())
        largest_beyond = max(largest_beyond, change[..., places["beyond"]].max().item())
        for level, mask in made.replaced.items():
            same &= torch.equal(made.features[level][..., ~mask], features[level][..., ~mask])
    return {
        "mean_change": {name: statistics.fmean(values) for name, values in changes.items()},
        "largest_change_beyond": largest_beyond,
        "features_outside_same": same,
        "pixels": {name: int(mask.sum()) for name, mask in places.items()},
        "margin_pixels": (int(made.may_differ.any(0).sum()) - (plan["to"] - plan["from"])) // 2,
    }


def returned(bundle: FeatureBundle, features: Mapping[str, Tensor]) -> dict[str, float]:
    """Share of the variance of features that an encoding of their decoded images gives back, for each level."""
    again = bundle.features(decode(bundle.decoder, features))
    return {
        level: 1 - ((again[level] - f).square().mean() / (f - f.mean((0, 2, 3), keepdim=True)).square().mean()).item()
        for level, f in features.items()
    }


def sample_study(bundle: FeatureBundle, density: FeatureDensity, real: Mapping[str, Tensor]) -> dict[str, Any]:
    """−log p a position of real features, of samples, and of both after a decoding and another encoding."""
    size = tuple(edge * bundle.decoder.strides["level1"] for edge in real["level1"].shape[2:])
    drawn = synthesize(bundle.decoder, density=density, size=size, n=len(real["level1"])).features

    def nll(features: Mapping[str, Tensor]) -> dict[str, float]:
        (maps,) = density.stream([features])
        return {level: -log_p.mean().item() for level, log_p in maps.items()}

    again = {name: bundle.features(decode(bundle.decoder, f)) for name, f in {"real": real, "drawn": drawn}.items()}
    return {
        "nll": {"real": nll(real), "drawn": nll(drawn)} | {f"{name}, decoded": nll(f) for name, f in again.items()},
        "returned": {"real": returned(bundle, real), "drawn": returned(bundle, drawn)},
    }


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds for each set of levels."""
    rows = []
    for name in dict.fromkeys(run["levels"] for run in runs):
        group = [run for run in runs if run["levels"] == name]
        fields = [field for field in group[0] if field.startswith(("psnr", "ssim"))]
        row = {field: mean_and_sd(run[field] for run in group) for field in fields}
        rows.append({"levels": name, "seeds": len(group)} | row)
    return rows


def main() -> None:
    """Fit what is missing, measure, and write the table after every step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="decoders")
    parser.add_argument("--ship", action="store_true", help=f"write {SHIPPED.name} into the package")
    parser.add_argument("--out", type=Path, default=FOLDER / "feature_synthesis.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    command = command_line("benchmarks/feature_synthesis.py")
    record = Record(options.out, ("levels", "seed"), command, SETTINGS)
    pyramid = FeaturePyramid(BACKBONE)
    train = images_of("train", SETTINGS["train_crops"], SETTINGS["size"])
    test = images_of("test", SETTINGS["test_crops"], SETTINGS["size"])
    reduction = Reduction(DIMS, whiten=True).fit(pyramid.stream(train))
    bundle = FeatureBundle(BACKBONE, reduction, FeatureDecoder(DIMS, **SETTINGS["decoder"]))
    train_features, test_features = bundle.features(train), bundle.features(test)
    record.save(floors=floors(train, test), explained_ratio=reduction.explained_ratio)
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        decoder = FeatureDecoder(DIMS, **SETTINGS["decoder"])
        path = WORKSHOP / f"decoder-{seed}.pt"
        seconds = kept(path, decoder, lambda d=decoder, s=seed: _report(fit_decoder(
            d, train_features, train, (test_features, test), seed=s, **fitting(len(train))
        )))  # fmt: skip
        if seconds is not None:
            seen = record.content.get("processor_seconds", {})
            record.save(processor_seconds=seen | {f"decoder {seed}": round(seconds, 1)})
        for name, levels in SETS.items():
            if not record.has(levels=name, seed=seed):
                decoded = decode(decoder, {level: test_features[level] for level in levels}, (SETTINGS["size"],) * 2)
                record.add(levels=name, seed=seed, **quality(decoded, test))
        if seed == 0:
            bundle.decoder = decoder
    parameters = sum(p.numel() for p in bundle.decoder.parameters())
    record.save(summary=summary(record.runs), decoder_parameters=parameters)
    _densities(bundle, train_features, test_features, record)
    if options.ship:
        bundle.about = provenance(command) | {"settings": SETTINGS}
        save_bundle(SHIPPED, bundle)
        print(f"{SHIPPED}: {SHIPPED.stat().st_size / 1e6:.2f} MB")


def _densities(bundle: FeatureBundle, train: Mapping[str, Tensor], test: Mapping[str, Tensor], record: Record) -> None:
    """Fit every density, and measure what its draws decode to and how they change a region."""
    plan = SETTINGS["region"]
    for name, (kind, pictures) in DENSITIES.items():
        torch.manual_seed(0)
        density = KINDS[kind](DIMS, SETTINGS["components"]["texture" if len(pictures) == 1 else "pictures"])
        rows, held_out = (
            torch.cat([torch.arange(n * count, (n + 1) * count) for n in map(PICTURES.index, pictures)])
            for count in (SETTINGS["train_crops"], SETTINGS["test_crops"])
        )
        path = WORKSHOP / f"{name.replace(', ', '-')}.pt"
        features = {level: f[rows] for level, f in train.items()}
        seconds = kept(path, density, lambda d=density, f=features: fit_density(d, f, **SETTINGS["density_fit"]))
        if seconds is not None:
            seen = record.content.get("processor_seconds", {})
            record.save(processor_seconds=seen | {name: round(seconds, 1)})
        bundle.densities[name] = density.requires_grad_(False)
        real = {level: f[held_out] for level, f in test.items()}
        record.save(samples=record.content.get("samples", {}) | {name: sample_study(bundle, density, real)})
        wide = bundle.features(images_of("test", 1 if len(pictures) > 1 else 8, plan["size"], pictures))
        changed = {
            "+".join(levels): region_study(bundle.decoder, density, wide, levels)
            for levels in (*[(level,) for level in DIMS], tuple(DIMS))
        }
        record.save(regions=record.content.get("regions", {}) | {name: changed})
        print(f"{name}: done", flush=True)


def _report(history: History) -> None:
    curves = (history.curve(f"{part}.terms.error") for part in ("train", "validation"))
    for epoch, (train, validation) in enumerate(zip(*curves, strict=True), start=1):
        print(f"  epoch {epoch}: {train:.4f}, validation {validation:.4f}", flush=True)


if __name__ == "__main__":
    main()
