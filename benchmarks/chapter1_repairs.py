"""The tables of chapter 1: a decoder that can do without z, six repairs, and how much that hangs on its width.

All runs train on 1,000 digits, binarised anew in each batch, and are tested on one fixed binarisation of 447 others.

    python benchmarks/chapter1_repairs.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hvae_ref.data import load
from hvae_ref.evaluation import evaluate
from hvae_ref.models import VAE, AutoregressiveVAE, LatentVariableModel
from hvae_ref.objectives import FreeBits, Geco, LinearWarmup, MmdPenalty, NegativeElbo, Objective
from hvae_ref.results.record import FOLDER, Record, command_line
from hvae_ref.training import TrainConfig, fit

SETTINGS = {
    "data": "digits, 8×8, dynamic binarisation in training, static (seed 0) in testing",
    "latent_dims": [8],
    "hidden": [128],
    "made_hidden": [256],
    "epochs": 300,
    "batch_size": 100,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "iwae_samples": 128,
    "probe": "logistic regression on standardised posterior means of the training images, test accuracy",
}
REPAIRS: dict[str, Callable[[], Objective]] = {
    "none": NegativeElbo,
    "KL annealing": lambda: NegativeElbo(beta=LinearWarmup(fraction=0.5)),
    "β = 0.5": lambda: NegativeElbo(beta=0.5),
    "free bits, 4 nats": lambda: NegativeElbo(free_bits=FreeBits(4.0)),
    "GECO, κ = 19 nats": lambda: Geco(constraint=19.0),
    "InfoVAE, β = 0.5 + MMD": lambda: NegativeElbo(beta=0.5, mmd=MmdPenalty(100.0)),
    "MMD-VAE, β = 0 + MMD": lambda: NegativeElbo(beta=0.0, mmd=MmdPenalty(100.0)),
}
WEAKER = "weaker decoder"
WIDTHS = (16, 64, 1024)
"""Beside the 256 units of `SETTINGS`, which the first study has."""


def strong(width: int = SETTINGS["made_hidden"][0]) -> AutoregressiveVAE:
    """The model whose decoder sees the pixels before the one it draws."""
    return AutoregressiveVAE.dense(64, SETTINGS["latent_dims"], hidden=SETTINGS["hidden"], made_hidden=[width])


def weaker() -> VAE:
    """The same encoder with a decoder whose pixels are independent given z."""
    return VAE.dense(64, SETTINGS["latent_dims"], hidden=SETTINGS["hidden"])


def probe_accuracy(model: LatentVariableModel) -> float:
    """Share of the test digits that a linear classifier names from the posterior mean."""
    train, test = (load("digits", split, "static") for split in ("train", "test"))
    with torch.no_grad():
        features = [model.encode(split.x)["z1"].mean.numpy() for split in (train, test)]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(features[0], train.y.numpy())
    return float(probe.score(features[1], test.y.numpy()))


def run(model: LatentVariableModel, objective: Objective, seed: int) -> dict[str, Any]:
    """Train one model and measure it on the test set."""
    train, test = load("digits", "train", "dynamic"), load("digits", "test", "static")
    names = ("epochs", "batch_size", "learning_rate", "schedule")
    config = TrainConfig(**{name: SETTINGS[name] for name in names}, seed=seed, device="cpu", progress=False)
    start = time.perf_counter()
    history = fit(model, train, objective=objective, config=config)
    seconds = time.perf_counter() - start
    result = evaluate(model, test.x, iwae_samples=SETTINGS["iwae_samples"], seed=seed)
    return {
        "neg_elbo": result.negative_elbo,
        "iwae128": result.iwae_nll,
        "kl": result.kl["z1"],
        "distortion": result.distortion,
        "active_units": result.active_units["z1"],
        "mutual_information": result.mutual_information["z1"],
        "probe_accuracy": probe_accuracy(model),
        "train_neg_elbo": history.last.train.negative_elbo,
        "kl_curve": [round(kl, 3) for kl in history.curve("train.kl.z1")[::10]],
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Run what is missing, seed by seed, so that a table cut short is complete for the seeds it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    command = command_line("benchmarks/chapter1_repairs.py")
    record = Record(FOLDER / "chapter1_repairs.json", ("variant", "width", "seed"), command, SETTINGS)
    base = SETTINGS["made_hidden"][0]
    for seed in range(options.seeds):
        tasks = [(name, base, strong, objective) for name, objective in REPAIRS.items()]
        tasks.append((WEAKER, 0, weaker, NegativeElbo))
        tasks += [("none", width, lambda width=width: strong(width), NegativeElbo) for width in WIDTHS]
        for variant, width, model, objective in tasks:
            if record.has(variant=variant, width=width, seed=seed):
                continue
            torch.manual_seed(seed)
            row = run(model(), objective(), seed)
            record.add(variant=variant, width=width, seed=seed, **row)
            print(
                f"{variant} ({width}), seed {seed}: −ELBO {row['neg_elbo']:.2f}  IWAE {row['iwae128']:.2f}  "
                f"KL {row['kl']:.2f}  probe {row['probe_accuracy']:.2f}  {row['seconds']:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
