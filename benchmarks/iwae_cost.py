"""Time and memory of IWAE-512: in chunks, as `importance_bound` does it, beside all samples at once.

Each measurement runs in a process of its own, so that its peak memory is its own. The ways take turns, the ratio is
taken within a turn, and seconds are processor time of one thread: a busy machine slows all ways alike.

    python benchmarks/iwae_cost.py
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from hvae_ref.results.record import FOLDER, Record, command_line

WAYS = {"all at once": 512, "chunks of 128": 128, "chunks of 32": 32, "chunks of 8": 8}
IMAGES, SAMPLES = 447, 512


def peak_mib() -> float:
    """Peak resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(chunk: int) -> None:
    """Print processor seconds, MiB on top of the loaded model, and the bound, for one way of computing IWAE-512."""
    import torch

    from hvae_ref.data import load
    from hvae_ref.evaluation import importance_bound
    from hvae_ref.models import TopDownVAE
    from hvae_ref.nn import LogisticMixture

    torch.set_num_threads(1)
    torch.manual_seed(0)
    test = load("digits", "test")
    model = TopDownVAE.dense(64, (16, 8), likelihood=LogisticMixture(test.num_values)).eval()
    importance_bound(model, test.x[:8], 8, chunk=8)
    torch.manual_seed(0)
    before, start = peak_mib(), time.process_time()
    bound = importance_bound(model, test.x[:IMAGES], SAMPLES, chunk=chunk).mean().item()
    print(time.process_time() - start, peak_mib() - before, bound)


def main() -> None:
    """Measure every way in turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often each way is measured")
    parser.add_argument("--out", type=Path, default=FOLDER / "iwae_cost.json")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure)
    command = command_line("benchmarks/iwae_cost.py")
    record = Record(options.out, ("way", "repeat"), command, {"images": IMAGES, "samples": SAMPLES, "threads": 1})
    for turn in range(options.turns):
        for way, chunk in WAYS.items():
            if record.has(way=way, repeat=turn):
                continue
            line = subprocess.run(
                [sys.executable, __file__, "--measure", str(chunk)], check=True, capture_output=True, text=True
            ).stdout
            seconds, mib, bound = map(float, line.split())
            record.add(way=way, repeat=turn, seconds=seconds, mib=mib, iwae512=bound)
            print(f"turn {turn}  {way:>14}: {seconds:6.2f} s  {mib:8.0f} MiB  bound {bound:.3f} nats", flush=True)
    once = {run["repeat"]: run for run in record.runs if run["way"] == "all at once"}
    summary = {}
    for way in WAYS:
        runs = [run for run in record.runs if run["way"] == way]
        summary[way] = {
            "seconds": statistics.median(run["seconds"] for run in runs),
            "mib": statistics.median(run["mib"] for run in runs),
            "time ratio": statistics.median(run["seconds"] / once[run["repeat"]]["seconds"] for run in runs),
            "memory ratio": statistics.median(run["mib"] / once[run["repeat"]]["mib"] for run in runs),
        }
    record.save(summary=summary)


if __name__ == "__main__":
    main()
