"""What `fit` costs over steps written by hand in plain torch, over a bare loop, and over pythae's trainer if installed.

The same net, data, optimiser and batch size for all. The loops take turns and ratios are taken within a turn, in
processor time of one thread, so that a busy machine slows all alike. The steps by hand (`hand_written`) have none
of the package's code: no distributions, no checks, no names. The bare loop is the shortest one that trains its
model: no history, no checkpoints, no devices. `fit` keeps the history of every level; pythae's trainer keeps a copy of
its best model, as it always does, and gets no progress bar.

    python -m pip install "pythae>=0.1.2"      (optional)
    python benchmarks/training_overhead.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import hand_written
import pythae_loop
import torch
from torch import Tensor

from hvae_ref.data import load
from hvae_ref.models import VAE, LatentVariableModel, TopDownVAE
from hvae_ref.nn import LogisticMixture
from hvae_ref.results.record import FOLDER, Record, command_line
from hvae_ref.training import TrainConfig, fit

BATCH, LEARNING_RATE = 100, 1e-3
Loop = Callable[[LatentVariableModel, Tensor, int], None]


def bare(model: LatentVariableModel, x: Tensor, epochs: int) -> None:
    """The loop in its shortest form."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = -model.elbo(x[chosen]).value.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def by_hand(model: LatentVariableModel, x: Tensor, epochs: int) -> None:
    """The model's nets, and everything else in plain torch."""
    hand_written.train(hand_written.loss_of(model), list(model.parameters()), x, epochs, BATCH, LEARNING_RATE)


def check_by_hand(name: str) -> None:
    """Refuse to compare steps that compute different numbers."""
    model, x = net(name), images(name)[:BATCH]
    torch.manual_seed(1)
    written = hand_written.loss_of(model)(x)
    torch.manual_seed(1)
    torch.testing.assert_close(written, -model.elbo(x).value.mean(), rtol=1e-5, atol=1e-4)


def ours(model: LatentVariableModel, x: Tensor, epochs: int) -> None:
    """The same through `fit`."""
    config = TrainConfig(epochs=epochs, batch_size=BATCH, learning_rate=LEARNING_RATE, device="cpu", progress=False)
    fit(model, x, config=config)


def pythae(model: LatentVariableModel, x: Tensor, epochs: int) -> None:
    """The model's own nets in pythae's VAE, through pythae's trainer."""
    pythae_loop.train(model, x, epochs, BATCH, LEARNING_RATE)


def net(name: str) -> LatentVariableModel:
    """A model small enough that a step is a millisecond or two, where a loop's own cost shows the most."""
    if name == "VAE":
        return VAE.dense(64, (16,))
    return TopDownVAE.dense(64, (16, 8), likelihood=LogisticMixture(17))


def images(name: str) -> Tensor:
    """The training digits as the model takes them."""
    return load("digits", "train", "threshold" if name == "VAE" else None).x


def loops(name: str, with_pythae: bool) -> dict[str, Loop]:
    """The loops that can train a model: pythae has one level and pixels that are 0 or 1."""
    return {"hand": by_hand, "bare": bare, "fit": ours} | ({"pythae": pythae} if with_pythae and name == "VAE" else {})


def measure(name: str, turn: int, epochs: int, with_pythae: bool) -> dict[str, float]:
    """Milliseconds of one epoch through every loop, and how many times those of the first ones that is."""
    x, milliseconds = images(name), {}
    turns = list(loops(name, with_pythae).items())
    # Whichever comes first in a turn meets the caches that another left behind, so they swap places.
    for loop, train in turns[:: 1 if turn % 2 else -1]:
        torch.manual_seed(turn)
        model = net(name)
        begun = time.process_time()
        train(model, x, epochs)
        milliseconds[loop] = 1000 * (time.process_time() - begun) / epochs
    result = {f"{loop}_epoch_ms": milliseconds[loop] for loop, _ in turns}
    result |= {f"{loop}_over_hand": milliseconds[loop] / milliseconds["hand"] for loop, _ in turns[1:]}
    return result | {f"{loop}_over_bare": milliseconds[loop] / milliseconds["bare"] for loop, _ in turns[2:]}


def main() -> None:
    """Measure all loops in turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9, help="how often each loop is measured")
    parser.add_argument("--epochs", type=int, default=30, help="epochs of one measurement")
    parser.add_argument("--out", type=Path, default=FOLDER / "training_overhead.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    version = pythae_loop.version()
    if version is None:
        print('pythae is not installed (python -m pip install "pythae>=0.1.2"); measuring without it', flush=True)
    settings = {
        "data": "digits; VAE: binarised by threshold, TopDownVAE: 17 grey levels",
        "optimizer": f"AdamW, fused, learning rate {LEARNING_RATE}, no weight decay",
        "batch_size": BATCH,
        "epochs": options.epochs,
        "threads": 1,
        "pythae": version or "not installed",
    }
    record = Record(options.out, ("net", "repeat"), command_line("benchmarks/training_overhead.py"), settings)
    summary = {}
    for name in ("VAE", "TopDownVAE"):
        check_by_hand(name)
        for train in loops(name, version is not None).values():
            train(net(name), images(name), 1)  # what is loaded on first use is not the loop's cost
        for turn in range(options.turns):
            if not record.has(net=name, repeat=turn):
                record.add(net=name, repeat=turn, **measure(name, turn, options.epochs, version is not None))
        runs = [run for run in record.runs if run["net"] == name]
        summary[name] = {
            key: statistics.median(run[key] for run in runs) for key in runs[0] if key not in ("net", "repeat")
        }
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in summary[name].items()), flush=True)
    record.save(median=summary)


if __name__ == "__main__":
    main()
