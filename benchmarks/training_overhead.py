"""What `fit` costs over the bare loop that one would write: the same net, data, optimiser and batches.

The two take turns and the ratio is taken within a turn, in processor time of one thread, so that a busy machine slows
both alike. The bare loop is the shortest one that trains the model: no history, no checkpoints, no devices.

    python benchmarks/training_overhead.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hvae_ref import models
from hvae_ref.data import load
from hvae_ref.results.record import FOLDER, Record, command_line
from hvae_ref.training import TrainConfig, fit

BATCH = 100
NETS = {
    # Small enough that a step is a millisecond or two, where a loop's own cost shows the most.
    "VAE": lambda values: models.VAE(64, (16,), likelihood="categorical", num_values=values),
    "TopDownVAE": lambda values: models.TopDownVAE(64, (16, 8), likelihood="logistic_mixture", num_values=values),
}


def bare(model: torch.nn.Module, x: torch.Tensor, epochs: int) -> None:
    """The loop in its shortest form."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = -model.elbo(x[chosen]).value.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def ours(model: torch.nn.Module, x: torch.Tensor, epochs: int) -> None:
    """The same through `fit`, with its history of every level."""
    fit(model, x, config=TrainConfig(epochs=epochs, batch_size=BATCH, device="cpu", progress=False))


LOOPS: dict[str, Callable[[torch.nn.Module, torch.Tensor, int], None]] = {"bare": bare, "fit": ours}


def main() -> None:
    """Measure both loops in turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="how often each loop is measured")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of one measurement")
    parser.add_argument("--out", type=Path, default=FOLDER / "training_overhead.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train = load("digits", "train")
    settings = {"data": "digits", "batch_size": BATCH, "epochs": options.epochs, "threads": 1}
    record = Record(options.out, ("net", "loop", "turn"), command_line("benchmarks/training_overhead.py"), settings)
    summary = {}
    for net, build in NETS.items():
        for loop in LOOPS.values():
            loop(build(train.num_values), train.x, 1)  # what is loaded on first use is not the loop's cost
        for turn in range(options.turns):
            # Whichever comes first in a turn meets the caches the other left behind, so they swap places.
            for name in list(LOOPS)[:: 1 if turn % 2 else -1]:
                if record.has(net=net, loop=name, turn=turn):
                    continue
                torch.manual_seed(turn)
                model = build(train.num_values)
                begun = time.process_time()
                LOOPS[name](model, train.x, options.epochs)
                milliseconds = 1000 * (time.process_time() - begun) / options.epochs
                record.add(net=net, loop=name, turn=turn, epoch_ms=milliseconds)
        by = {(run["loop"], run["turn"]): run["epoch_ms"] for run in record.runs if run["net"] == net}
        summary[net] = {
            "ratio": statistics.median(by["fit", turn] / by["bare", turn] for turn in range(options.turns)),
            **{
                f"{name}_epoch_ms": statistics.median(by[name, turn] for turn in range(options.turns)) for name in LOOPS
            },
        }
        one = summary[net]
        times = f"{one['bare_epoch_ms']:.1f} ms an epoch bare, {one['fit_epoch_ms']:.1f} ms with fit"
        print(f"{net}: {times}, ratio {one['ratio']:.3f}", flush=True)
    record.save(summary=summary)


if __name__ == "__main__":
    main()
