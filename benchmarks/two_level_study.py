"""The tables of chapter 2, each over seeds.

`objectives` three objectives; `inference` q(z2|z1) and q(z2|z1, x); `suspects` and `longer` ask why one of the mistaken
objectives does well; `decoder` a stronger p(x|z1); `chain` one to five levels. All but `decoder` see MNIST-5k (4000
training, 500 test images), binarised anew in each batch, tested on one fixed binarisation.

    python benchmarks/two_level_study.py objectives inference decoder
    python benchmarks/two_level_study.py suspects longer chain --seeds 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hvae_ref.data import load
from hvae_ref.elbo import Elbo
from hvae_ref.evaluation import evaluate
from hvae_ref.models import VAE, BottomUpVAE, LatentVariableModel, TwoLevelVAE
from hvae_ref.nn import MADE, Bernoulli, ConditionalAutoregressive
from hvae_ref.objectives import FreeBits, LinearWarmup, NegativeElbo
from hvae_ref.results.record import FOLDER, Record, command_line
from hvae_ref.training import ElboStep, TrainConfig, fit

COMMON = {"data": "mnist5k, dynamic binarisation", "batch_size": 128, "iwae_samples": 64}
SETTINGS = {
    "objectives": {**COMMON, "latent_dims": [32, 16], "epochs": 48, "learning_rate": 1e-3},
    "longer": {**COMMON, "latent_dims": [32, 16], "epochs": 120, "learning_rate": 1e-3},
    "inference": {**COMMON, "latent_dims": [32, 16], "epochs": 48, "learning_rate": 1e-3},
    "suspects": {**COMMON, "latent_dims": [32, 16], "epochs": 48, "learning_rate": 1e-3, "posterior samples": 8},
    "decoder": {
        "data": "digits, dynamic binarisation",
        "batch_size": 100,
        "iwae_samples": 64,
        "latent_dims": [16, 8],
        "hidden": 128,
        "made_hidden": 256,
        "epochs": 100,
        "learning_rate": 3e-3,
    },
    "chain": {
        **COMMON,
        "latent_dims": [64, 32, 16, 8, 4],
        "epochs": 32,
        "learning_rate": 2e-3,
        # While the KL weighs next to nothing, single steps can throw a scale far out; these two keep it in reach.
        "warmup": 0.05,
        "gradient_clip": 100.0,
        "warm-up": "KL weight from 0.02 to 1 over the first half of the run",
        "free bits": "2 nats a level",
    },
}
TRAINING = ("epochs", "batch_size", "learning_rate", "warmup", "gradient_clip")
HIDDEN = 128  # of the chain of levels; half the default, so that fifteen models a seed stay affordable
BOUNDS = ("elbo", "mistaken_shortcut", "mistaken_standard_normal_kl")
VARIANTS = {
    "plain": NegativeElbo(),
    "warm-up": NegativeElbo(beta=LinearWarmup(start=0.02, fraction=0.5)),
    "free bits": NegativeElbo(free_bits=FreeBits(2.0)),
}


class ManySamples(TwoLevelVAE):
    """The same model and the same objectives, averaged over several posterior samples: less noise, nothing else."""

    def elbo_of_many(self, x: Tensor) -> Elbo:
        """The mean of n independent estimates of the ELBO."""
        return self._mean_of_many(self.elbo, x)

    def shortcut_of_many(self, x: Tensor) -> Elbo:
        """The mean of n independent estimates of the shortcut."""
        return self._mean_of_many(self.mistaken_shortcut, x)

    def _mean_of_many(self, objective: Callable[[Tensor], Elbo], x: Tensor) -> Elbo:
        n = SETTINGS["suspects"]["posterior samples"]
        elbo = objective(x.repeat(n, 1))
        return Elbo(elbo.log_px.view(n, -1).mean(0), {name: kl.view(n, -1).mean(0) for name, kl in elbo.kl.items()})


def with_decoder(kind: str) -> TwoLevelVAE:
    """Two levels over the digits with pixels independent given z1, or drawn one after the other by a MADE."""
    setting = SETTINGS["decoder"]
    model = TwoLevelVAE.dense(64, setting["latent_dims"], hidden=(setting["hidden"],), hidden_top=(setting["hidden"],))
    if kind == "autoregressive":
        made = MADE(64, 1, (setting["made_hidden"],), context_dim=setting["latent_dims"][0])
        model.p_x_given_z1 = ConditionalAutoregressive(made, Bernoulli())
    return model


@dataclass(frozen=True)
class Task:
    """One run of a study: what tells it from the others, its model, and how it is trained."""

    key: dict[str, Any]
    model: LatentVariableModel
    objective: NegativeElbo
    bound: str = "elbo"


def tasks(study: str, seeds: int) -> Iterator[Task]:
    """All runs of a study, seed by seed, so that a table cut short is complete for the seeds it has."""
    sizes = SETTINGS[study]["latent_dims"]
    for seed in range(seeds):
        torch.manual_seed(seed)
        if study == "objectives":
            for bound in BOUNDS:
                yield Task({"bound": bound, "seed": seed}, TwoLevelVAE.dense(784, sizes), NegativeElbo(), bound)
        elif study == "longer":
            for bound in BOUNDS[:2]:
                yield Task({"bound": bound, "seed": seed}, TwoLevelVAE.dense(784, sizes), NegativeElbo(), bound)
        elif study == "suspects":
            yield Task(
                {"suspect": "one level", "seed": seed}, VAE.dense(784, sizes[:1], hidden=(256, 256)), NegativeElbo()
            )
            key = {"suspect": "eight samples", "seed": seed}
            yield Task(key, ManySamples.dense(784, sizes), NegativeElbo(), "elbo_of_many")
            key = {"suspect": "shortcut, eight samples", "seed": seed}
            torch.manual_seed(seed)
            yield Task(key, ManySamples.dense(784, sizes), NegativeElbo(), "shortcut_of_many")
        elif study == "decoder":
            for kind in ("independent pixels", "autoregressive"):
                torch.manual_seed(seed)
                yield Task({"decoder": kind, "seed": seed}, with_decoder(kind), NegativeElbo())
        elif study == "inference":
            # The runs with q(z2|z1) are those of "objectives" under the ELBO.
            yield Task(
                {"inference": "q(z2|z1,x)", "seed": seed}, TwoLevelVAE.dense(784, sizes, z2_sees_x=True), NegativeElbo()
            )
        else:
            for depth in range(1, len(sizes) + 1):
                for variant, objective in VARIANTS.items():
                    yield Task(
                        {"depth": depth, "variant": variant, "seed": seed},
                        BottomUpVAE.dense(784, sizes[:depth], hidden=HIDDEN),
                        objective,
                    )


def run(study: str, task: Task) -> dict[str, Any]:
    """Train one model and measure it on the test set."""
    name = SETTINGS[study]["data"].split(",")[0]
    train, test = load(name, "train", "dynamic"), load(name, "test", "static")
    given = {name: SETTINGS[study][name] for name in TRAINING if name in SETTINGS[study]}
    config = TrainConfig(**given, seed=task.key["seed"], device="cpu", progress=False)
    start = time.perf_counter()
    step = ElboStep(task.objective, lambda model, batch: getattr(model, task.bound)(batch.x))
    history = fit(task.model, train, step=step, config=config)
    seconds = time.perf_counter() - start
    result = evaluate(task.model, test.x, iwae_samples=SETTINGS[study]["iwae_samples"], chunk=8, seed=task.key["seed"])
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
    keys = {
        "objectives": ("bound", "seed"),
        "longer": ("bound", "seed"),
        "inference": ("inference", "seed"),
        "suspects": ("suspect", "seed"),
        "decoder": ("decoder", "seed"),
        "chain": ("depth", "variant", "seed"),
    }
    parser.add_argument("studies", nargs="+", choices=keys)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for study in options.studies:
        path = FOLDER / f"two_level_{study}.json"
        record = Record(path, keys[study], command_line("benchmarks/two_level_study.py"), SETTINGS[study])
        for task in tasks(study, options.seeds):
            if record.has(**task.key):
                continue
            row = run(study, task)
            record.add(**row)
            kl = "  ".join(f"{level} {value:5.2f}" for level, value in row["kl"].items())
            print(f"{study} {task.key}: −ELBO {row['neg_elbo']:7.2f}  KL {kl}  {row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
