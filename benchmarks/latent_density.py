"""What a density of mixtures is worth as the prior of a convolutional VAE's latent maps, over seeds.

One table, `latent_density.json`, for the digits and MNIST-5k, with four priors:

- `standard`: N(0, I) on both levels;
- `separate`: the same model, and for a prior the density fitted afterwards to draws from its posteriors, with no change
  to a net (ex-post density estimation);
- `separate, graph`: the same with a density that has edges inside a level, which the chain of levels has not;
- `joint`: the density trained with the nets, from the start.

What becomes of `separate` where the density is fitted to the posteriors' means stands in `means`, apart from the table,
whose columns its numbers would burst.

A run that is recorded is not repeated. Ten images drawn under each prior stand in `samples`, for the first seed:
expected grey levels from 0 to 255, a byte a pixel, in base64; `images` reads them.

    python benchmarks/latent_density.py
    python benchmarks/latent_density.py digits --seeds 5
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import torch
from recipe_runs import QUIET, asked_for, summary
from torch import Tensor

from hvae_ref.cli import recipes
from hvae_ref.cli.recipes.build import Run
from hvae_ref.evaluation import evaluate
from hvae_ref.features import ConvTwoLevelVAE, HierarchicalLatentDensity, ImageDensity, SpatialGraphDensity
from hvae_ref.nn.eval_mode import eval_mode
from hvae_ref.results.record import FOLDER, Record, command_line

EPOCHS = {"digits": 3, "mnist5k": 10}
HIDDEN = {"digits": 24, "mnist5k": 16}
IWAE_SAMPLES = 32
COMPONENTS = 4
FIT = {"epochs": 5, "learning_rate": 4e-3, "rows": 20_000}
FITTED_IMAGES = 4000
DRAWN = 10
PRIORS = {"standard": "standard", "separate": "standard", "separate, graph": "standard", "joint": "density"}
SETTINGS = {
    "digits": "digits-latent, 17 grey levels, 600 steps",
    "mnist5k": "mnist5k-latent, binarised anew in each batch, 16 channels, 400 steps",
    "iwae_samples": IWAE_SAMPLES,
    "components": COMPONENTS,
    "separate": "fitted to draws for 4,000 training images, drawn anew in each of 5 epochs",
}


def trained(data: str, prior: str, seed: int) -> tuple[Run, dict[str, Any]]:
    """A run after its training, and what the training took."""
    epochs = EPOCHS[data]
    overrides = (
        f"model.prior={prior}",
        f"model.prior_components={COMPONENTS}",
        f"model.hidden={HIDDEN[data]}",
        f"training.epochs={epochs}",
        f"training.patience={epochs}",
    )
    ready = recipes.build(recipes.load(f"{data}-latent", (*overrides, *QUIET)), seed)
    processor = time.process_time()
    history = ready.fit()
    processor = time.process_time() - processor
    steps = len(history) * -(-len(ready.data("train")) // ready.config.batch_size)
    return ready, {"steps": steps, "seconds": processor}


def binary(ready: Run, split: str, seed: int) -> Tensor:
    """Images of a split as the model takes them."""
    data = ready.data(split)
    return data.batch_transform(data.x, torch.Generator().manual_seed(seed))


def separately(ready: Run, seed: int, take: str = "sample", graph: bool = False) -> tuple[ConvTwoLevelVAE, float]:
    """The run's model with a density for a prior that is fitted now, and the seconds that took."""
    x = binary(ready, "train", seed)
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:FITTED_IMAGES]]
    dims = {level: ready.model.shapes[level][0] for level in ("z1", "z2")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if graph:
            inner = SpatialGraphDensity(dims, COMPONENTS, width=32, colours=4)
        else:
            inner = HierarchicalLatentDensity(dims, COMPONENTS, width=32)
    density = ImageDensity("latents", ready.model, density=inner, take=take)
    processor = time.process_time()
    density.fit(x, binary(ready, "validation", seed), seed=seed, **FIT)
    return density.as_prior(), time.process_time() - processor


def rows(data: str, seed: int, record: Record) -> Iterator[tuple[dict[str, Any], dict[str, Any], ConvTwoLevelVAE]]:
    """The missing rows, what to note beside each, and its model; what has equal nets is trained once."""
    done: dict[str, tuple[Run, dict[str, Any]]] = {}
    for prior, model_prior in PRIORS.items():
        if record.has(data=data, prior=prior, seed=seed):
            continue
        if model_prior not in done:
            done[model_prior] = trained(data, model_prior, seed)
        ready, cost = done[model_prior]
        model, means = ready.model, {}
        if prior == "separate":
            wrong, _ = separately(ready, seed, take="mean")
            means = {"means": [*record.content.get("means", []), measured(ready, wrong, data, prior, seed)]}
        if prior.startswith("separate"):
            model, seconds = separately(ready, seed, graph=prior.endswith("graph"))
            cost = {**cost, "seconds": cost["seconds"] + seconds}
        yield measured(ready, model, data, prior, seed) | cost, means, model


def measured(ready: Run, model: ConvTwoLevelVAE, data: str, prior: str, seed: int) -> dict[str, Any]:
    """Bounds of a model on the run's test set."""
    x = binary(ready, "test", seed)
    result = evaluate(model, x, IWAE_SAMPLES, chunk=4, seed=seed, information_examples=2)
    return {
        "data": data,
        "prior": prior,
        "seed": seed,
        "neg_elbo": result.negative_elbo,
        f"iwae{IWAE_SAMPLES}": result.iwae_nll,
        "distortion": result.distortion,
        "kl": result.kl,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def drawn(model: ConvTwoLevelVAE) -> str:
    """Expected images of latents drawn from the prior, (10, D) bytes in base64."""
    with eval_mode(model, seed=0):
        mean = model.decode(model.sample_latents(DRAWN)).mean * (255 / (model.likelihood.num_values - 1))
    return base64.b64encode(mean.round().clamp(0, 255).to(torch.uint8).numpy().tobytes()).decode()


def images(text: str) -> Tensor:
    """What `drawn` wrote, (10, D) in 0 … 1."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8).view(DRAWN, -1) / 255


def main() -> None:
    """Run what is missing in the table."""
    parts, seeds = asked_for(__doc__, EPOCHS)
    key = ("data", "prior", "seed")
    record = Record(FOLDER / "latent_density.json", key, command_line("benchmarks/latent_density.py"), SETTINGS)
    for seed in range(seeds):
        for data in parts:
            for row, means, model in rows(data, seed, record):
                record.add(**row)
                extra = {"summary": summary(record.runs, key[:2]), **means}
                if seed == 0:
                    extra["samples"] = record.content.get("samples", {}) | {f"{data}, {row['prior']}": drawn(model)}
                record.save(**extra)
                kl = "  ".join(f"KL({level}) {value:.2f}" for level, value in row["kl"].items())
                print(f"{data}, {row['prior']}, seed {seed}: −ELBO {row['neg_elbo']:.2f}  {kl}", flush=True)


if __name__ == "__main__":
    main()
