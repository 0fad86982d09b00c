"""Do time and memory of a density map grow with the number of positions, and what does an image cost from end to end?

Maps of random features as large as the pyramids of images of three sizes, under the chain of levels and the graph:
processor time of −log p (the fastest of several), and how far the process grew while it was computed, without
gradients and with all that a backward pass needs. Every measurement of memory has a process of its own. `pipeline`
holds seconds from an image of 224×224 pixels to its maps with a ResNet-50: wall clock, two threads, random weights,
since the numbers in them change no time. Run it on an idle machine.

    python benchmarks/density_scaling.py
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from feature_crops import COMPONENTS, DIMS
from torch import Tensor

from hvae_ref.features import (
    FeatureDensity,
    FeaturePyramid,
    HierarchicalLatentDensity,
    Reduction,
    SpatialGraphDensity,
)
from hvae_ref.results.record import FOLDER, Record, command_line

SIZES = (128, 256, 512)
STRIDES = dict(zip(DIMS, FeaturePyramid.strides.values(), strict=True))
DENSITIES: dict[str, Callable[[], FeatureDensity]] = {
    "chain": lambda: HierarchicalLatentDensity(DIMS, COMPONENTS),
    "graph": lambda: SpatialGraphDensity(DIMS, COMPONENTS, width=32),
}
REPEATS = 5
MIB = 2**20


def features(size: int) -> dict[str, Tensor]:
    """Random maps of the sizes that an image of size × size pixels has."""
    return {level: torch.randn(1, dim, *(2 * [size // STRIDES[level]])) for level, dim in DIMS.items()}


def total(density: FeatureDensity, maps: dict[str, Tensor]) -> Tensor:
    """log p of all maps together."""
    return torch.stack([log_p.sum() for log_p in density.log_prob(maps).values()]).sum()


def grown() -> float:
    """The largest size that this process has had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands `ru_maxrss` on from the process that started this one; this mark begins anew.
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    # Bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def peak(name: str, size: int, gradient: bool) -> float:
    """MiB by which a fresh process grows while it computes the maps; the imports and a small map come before."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    density, maps = DENSITIES[name](), features(size)
    with torch.set_grad_enabled(gradient):
        value = total(density, features(SIZES[0] // 2))
        if gradient:
            value.backward()
        before = grown()
        value = total(density, maps)
        if gradient:
            value.backward()
    return grown() - before


def seconds(name: str, size: int) -> float:
    """Processor seconds of the maps of one image, the fastest of several."""
    torch.manual_seed(0)
    density, maps = DENSITIES[name](), features(size)
    times = []
    with torch.no_grad():
        total(density, maps)
        for _ in range(REPEATS):
            begun = time.process_time()
            total(density, maps)
            times.append(time.process_time() - begun)
    return min(times)


def pipeline(name: str) -> dict[str, float | str]:
    """Wall-clock seconds of an image through pyramid, reduction and density, the median of several."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    pyramid, density = FeaturePyramid("resnet50", pretrained=False), DENSITIES[name]()
    parts: dict[str, list[float]] = {"pyramid": [], "reduction": [], "maps": []}
    with torch.no_grad():
        reduction = Reduction(DIMS, whiten=True).fit(pyramid(torch.rand(2, 3, 224, 224)))
        for _ in range(REPEATS + 1):
            image = torch.rand(1, 3, 224, 224)
            marks = [time.perf_counter()]
            raw = pyramid(image)
            marks.append(time.perf_counter())
            reduced = reduction.transform(raw)
            marks.append(time.perf_counter())
            density.log_prob(reduced)
            marks.append(time.perf_counter())
            for part, begun, ended in zip(parts, marks[:-1], marks[1:], strict=True):
                parts[part].append(ended - begun)
    # The first one meets cold caches.
    medians = {part: round(sorted(times[1:])[REPEATS // 2], 4) for part, times in parts.items()}
    return {"density": name, **medians, "seconds": round(sum(medians.values()), 4)}


def main() -> None:
    """Measure both densities at every size, then the way from image to map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER / "density_scaling.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"dims": DIMS, "components": COMPONENTS, "threads": 1, "dtype": "float32", "pipeline threads": 2}
    record = Record(options.out, ("density", "pixels"), command_line("benchmarks/density_scaling.py"), settings)
    fresh = multiprocessing.get_context("spawn")
    for name in DENSITIES:
        for size in SIZES:
            cell = {"density": name, "pixels": f"{size}×{size}"}
            if record.has(**cell):
                continue
            measured = {"milliseconds": round(1000 * seconds(name, size), 2)}
            for column, gradient in (("peak_mib", False), ("peak_mib_with_gradients", True)):
                with fresh.Pool(1) as pool:
                    measured[column] = round(pool.apply(peak, (name, size, gradient)), 1)
            positions = sum((size // stride) ** 2 for stride in STRIDES.values())
            record.add(**cell, positions=positions, **measured)
            print(record.runs[-1], flush=True)
    record.save(pipeline=[pipeline(name) for name in DENSITIES])
    print(*record.content["pipeline"], sep="\n")


if __name__ == "__main__":
    main()
