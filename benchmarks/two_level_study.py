"""The tables of chapter 2: three objectives, two inference networks, five depths, each over seeds.

All runs see MNIST-5k (4000 training, 500 test images), binarised anew in each batch, tested on one fixed binarisation.

    python benchmarks/two_level_study.py objectives inference depth
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from hvae_ref.data import load
from hvae_ref.evaluation import evaluate
from hvae_ref.models import DeepVAE, LatentVariableModel, TwoLevelVAE
from hvae_ref.objectives import FreeBits, LinearWarmup, NegativeElbo
from hvae_ref.results.record import FOLDER, Record, command_line
from hvae_ref.training import TrainConfig, fit

SETTINGS = {
    "data": "mnist5k, dynamic binarisation",
    "latent_dims": {"objectives": [32, 16], "inference": [32, 16], "depth": [64, 32, 16, 8, 4]},
    "epochs": {"objectives": 48, "inference": 48, "depth": 48},
    "batch_size": 128,
    "learning_rate": 1e-3,
    "iwae_samples": 64,
    "warm-up": "KL weight from 0 to 1 over the first half of the run",
    "free bits": "2 nats a level",
}
HIDDEN = 128  # of the chain of levels; half the default, so that fifteen models a seed stay affordable
BOUNDS = ("elbo", "mistaken_shortcut", "mistaken_standard_normal_kl")
VARIANTS = {
    "plain": NegativeElbo(),
    "warm-up": NegativeElbo(beta=LinearWarmup(fraction=0.5)),
    "free bits": NegativeElbo(free_bits=FreeBits(2.0)),
}


@dataclass(frozen=True)
class Task:
    """One run of a study: what tells it from the others, its model, and how it is trained."""

    key: dict[str, Any]
    model: LatentVariableModel
    objective: NegativeElbo
    bound: str = "elbo"


def tasks(study: str, seeds: int) -> Iterator[Task]:
    """All runs of a study, seed by seed, so that a table cut short is complete for the seeds it has."""
    sizes = SETTINGS["latent_dims"][study]
    for seed in range(seeds):
        torch.manual_seed(seed)
        if study == "objectives":
            for bound in BOUNDS:
                yield Task({"bound": bound, "seed": seed}, TwoLevelVAE(784, sizes), NegativeElbo(), bound)
        elif study == "inference":
            # The runs with q(z2|z1) are those of "objectives" under the ELBO.
            yield Task(
                {"inference": "q(z2|z1,x)", "seed": seed}, TwoLevelVAE(784, sizes, z2_sees_x=True), NegativeElbo()
            )
        else:
            for depth in range(1, len(sizes) + 1):
                for variant, objective in VARIANTS.items():
                    yield Task(
                        {"depth": depth, "variant": variant, "seed": seed},
                        DeepVAE(784, sizes[:depth], hidden=HIDDEN),
                        objective,
                    )


def run(study: str, task: Task) -> dict[str, Any]:
    """Train one model and measure it on the test set."""
    train, test = load("mnist5k", "train", "dynamic"), load("mnist5k", "test", "static")
    config = TrainConfig(
        epochs=SETTINGS["epochs"][study],
        batch_size=SETTINGS["batch_size"],
        learning_rate=SETTINGS["learning_rate"],
        seed=task.key["seed"],
        device="cpu",
        progress=False,
    )
    start = time.perf_counter()
    history = fit(task.model, train, objective=task.objective, config=config, bound=task.bound)
    seconds = time.perf_counter() - start
    result = evaluate(task.model, test.x, iwae_samples=SETTINGS["iwae_samples"], chunk=8, seed=task.key["seed"])
    with torch.no_grad():
        trained_as = getattr(task.model, task.bound)(test.x)
    return {
        **task.key,
        "neg_elbo": result.negative_elbo,
        "iwae64": result.iwae_nll,
        "kl": result.kl,
        "kl_as_trained": {level: kl.mean().item() for level, kl in trained_as.kl.items()},
        "loss_as_trained": -trained_as.value.mean().item(),
        "active_units": result.active_units,
        "mutual_information": result.mutual_information,
        "kl_curve": {level: [round(epoch.train.kl[level], 3) for epoch in history.epochs] for level in result.kl},
        "parameters": sum(p.numel() for p in task.model.parameters()),
        "seconds": seconds,
    }


def main() -> None:
    """Run the studies named on the command line, going on where an earlier call stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    keys = {"objectives": ("bound", "seed"), "inference": ("inference", "seed"), "depth": ("depth", "variant", "seed")}
    parser.add_argument("studies", nargs="+", choices=keys)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for study in options.studies:
        path = FOLDER / f"two_level_{study}.json"
        record = Record(path, keys[study], command_line("benchmarks/two_level_study.py"), SETTINGS)
        for task in tasks(study, options.seeds):
            if record.has(**task.key):
                continue
            row = run(study, task)
            record.add(**row)
            kl = "  ".join(f"{level} {value:5.2f}" for level, value in row["kl"].items())
            print(f"{study} {task.key}: −ELBO {row['neg_elbo']:7.2f}  KL {kl}  {row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
