"""Questions of chapters 2 and 3 that need several seeds.

- `prior`: two latents for the digits under N(0, I) or under a second level's p(z1); how far is the aggregated posterior
  q(z1) from its prior?
- `schedules`: the top-down model of section 3.7, whose levels begin to pay together or one after the other.
- `normalisation`: the ladder of section 3.6 with batch normalisation, 1,000 steps; digits_study has it without.
- `second`: the prior of a trained one-level VAE replaced by a second level, trained on draws of z1; all else is kept.

    python benchmarks/levels_study.py --seeds 5
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from recipe_runs import QUIET, RecipeRun, study
from torch import nn

from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.elbo import log_mean_exp
from hvae_ref.evaluation import aggregate_log_prob, evaluate
from hvae_ref.models import VAE, TopDownVAE, TwoLevelVAE
from hvae_ref.nn import LogisticMixture, Normal, eval_mode
from hvae_ref.objectives import LinearWarmup, NegativeElbo
from hvae_ref.training import TrainConfig, fit

SETTINGS = {
    "prior": {
        "data": "digits, dynamic binarisation; the test set binarised once; q(z1) over the 1,000 training images",
        "latent_dims": [2, 2],
        "hidden": 128,
        "epochs": 100,
        "learning_rate": 5e-3,
        "iwae_samples": 64,
        "prior_samples": 256,
        "draws": 8,
    },
    "schedules": {
        "data": "digits, 17 grey levels, no deformed copies; −ELBO and KL of the 447 test images",
        "latent_dims": [8, 4],
        "hidden": 64,
        "epochs": 30,
        "learning_rate": 4e-3,
        "iwae_samples": 64,
    },
    "normalisation": {
        "data": "digits, 17 grey levels, 1000/350/447 in file order, 19 deformed copies beside each training image",
        "training": "recipe digits-ladder, 5 epochs, 1,000 steps of 100; weights of the best validation −ELBO",
        "batch normalisation": "in place of each layer norm, and before each SiLU",
        "iwae_samples": 512,
    },
    "second": {
        "data": "mnist5k, dynamic binarisation; the test set binarised once",
        "first": "VAE.dense(784, (16,), (256,)), 20 epochs of batches of 64, learning rate 0.002, cosine",
        "second": "VAE.dense(16, (8,), (128,), Normal()) on 8 draws of z1 for each training image, 12 epochs of "
        "batches of 200, learning rate 0.003, cosine",
        "iwae_samples": 64,
        "draws": 8,
    },
}
LABELS = {"prior": ("prior",), "schedules": ("schedule",), "normalisation": ("variant",), "second": ("prior",)}
NOW, LATER = LinearWarmup(fraction=0.3), LinearWarmup(fraction=0.3, delay=0.3)
SCHEDULES = {
    "together": {"z2": NOW, "z1": NOW},
    "z2 pays later": {"z2": LATER, "z1": NOW},
    "z1 pays later": {"z2": NOW, "z1": LATER},
}
NO_WARM_UP, NO_FREE_BITS = "objective.beta=1.0", "objective.free_bits=none"
VARIANTS: dict[str, tuple[str, ...]] = {  # the two ends of the table of section 3.6
    "plain": (NO_WARM_UP, NO_FREE_BITS),
    "warm-up + free bits": (),
}
SHORT = "training.epochs=5", "training.patience=5"


def tasks(part: str) -> Iterator[RecipeRun]:
    """The runs for one seed."""
    if part == "prior":
        yield from (RecipeRun({"prior": name}, "") for name in ("N(0, I)", "learned"))
    elif part == "schedules":
        yield from (RecipeRun({"schedule": name}, "") for name in SCHEDULES)
    elif part == "second":
        yield RecipeRun({"prior": "second level"}, "")
    else:
        for variant, changes in VARIANTS.items():
            yield RecipeRun({"variant": variant}, "digits-ladder", SHORT + changes)


def run(part: str, task: RecipeRun, seed: int) -> dict[str, Any]:
    """One run, trained and measured."""
    torch.manual_seed(seed)
    if part == "prior":
        return _prior(task.labels["prior"], seed)
    if part == "schedules":
        return _schedule(task.labels["schedule"], seed)
    return _second(seed) if part == "second" else _normalisation(task, seed)


def _config(setting: Mapping[str, Any], seed: int) -> TrainConfig:
    """How the digits are trained: epochs and rate of a part's settings, and the rest the same in all."""
    rates = {name: setting[name] for name in ("epochs", "learning_rate")}
    return TrainConfig(**rates, schedule="cosine", seed=seed, device="cpu", progress=False)


def _measured(model: nn.Module, x: torch.Tensor, part: str, seed: int) -> dict[str, Any]:
    samples = SETTINGS[part]["iwae_samples"]
    result = evaluate(model, x, iwae_samples=samples, information_examples=2, seed=seed)
    return {"neg_elbo": result.negative_elbo, f"iwae{samples}": result.iwae_nll, "kl": result.kl}


def _prior(name: str, seed: int) -> dict[str, Any]:
    setting = SETTINGS["prior"]
    dims, hidden = setting["latent_dims"], (setting["hidden"],)
    model = VAE.dense(64, dims[:1], hidden)
    if name == "learned":
        model = TwoLevelVAE.dense(64, dims, hidden, hidden_top=hidden)
    fit(model, load("digits", "train", binarize="dynamic"), config=_config(setting, seed))
    row = _measured(model, load("digits", "test", binarize="static").x, "prior", seed)
    with eval_mode(model, seed):
        q = model.encode(load("digits", "train", binarize="static").x)["z1"]
        z1 = q.sample((setting["draws"],))
        log_q, z1 = q.log_prob(z1).mean().item(), z1.flatten(0, 1)
        log_aggregate = aggregate_log_prob(q, z1).mean().item()
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(z1).sum(-1).mean().item()
        log_p = normal if name != "learned" else log_prior(model, z1, setting["prior_samples"]).mean().item()
    return row | {
        "information": log_q - log_aggregate,
        "misfit": log_aggregate - log_p,
        "misfit_normal": log_aggregate - normal,
    }


def log_prior(model: TwoLevelVAE, z1: torch.Tensor, n: int) -> torch.Tensor:
    """log p(z1), the integral over z2, from n draws of q(z2|z1): a lower bound that is tight for large n."""
    q, p = model.q_z2_given_below(z1), model.p_z2(len(z1))
    z2 = q.sample((n,))
    log_p = torch.stack([model.p_z1_given_z2(each).log_prob(z1) for each in z2])
    return log_mean_exp(log_p + p.log_prob(z2) - q.log_prob(z2), dim=0)


def _schedule(name: str, seed: int) -> dict[str, Any]:
    setting = SETTINGS["schedules"]
    likelihood = LogisticMixture(17, components=3)
    model = TopDownVAE.dense(64, setting["latent_dims"], hidden=setting["hidden"], likelihood=likelihood)
    fit(model, load("digits", "train"), objective=NegativeElbo(SCHEDULES[name]), config=_config(setting, seed))
    return _measured(model, load("digits", "test").x, "schedules", seed)


def with_batch_normalisation(module: nn.Module) -> None:
    """Replace each layer norm by a batch norm, and put one before each SiLU that follows a linear layer, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.LayerNorm):
            setattr(module, name, nn.BatchNorm1d(child.normalized_shape[0]))
        elif isinstance(child, nn.Sequential):
            layers: list[nn.Module] = []
            for layer in child:
                if isinstance(layer, nn.SiLU) and layers and isinstance(layers[-1], nn.Linear):
                    layers.append(nn.BatchNorm1d(layers[-1].out_features))
                layers.append(nn.BatchNorm1d(layer.normalized_shape[0]) if isinstance(layer, nn.LayerNorm) else layer)
            setattr(module, name, nn.Sequential(*layers))
            with_batch_normalisation(getattr(module, name))
        else:
            with_batch_normalisation(child)


def _second(seed: int) -> dict[str, Any]:
    setting = SETTINGS["second"]
    train, test = load("mnist5k", "train", binarize="dynamic"), load("mnist5k", "test", binarize="static")
    model = VAE.dense(784, latent_dims=(16,), hidden=(256,))
    shared = {"schedule": "cosine", "seed": seed, "device": "cpu", "progress": False}
    fit(model, train, config=TrainConfig(epochs=20, batch_size=64, learning_rate=2e-3, **shared))
    row = _measured(model, test.x, "second", seed)
    generator = torch.Generator().manual_seed(seed)
    with eval_mode(model, seed):
        images = [train.batch_transform(train.x, generator) for _ in range(setting["draws"])]
        draws = torch.cat([model.encode(x)["z1"].sample() for x in images])
        q_train, q_test = model.encode(images[0])["z1"], model.encode(test.x)["z1"]
        z_train, z_test = q_train.sample(), q_test.sample()
        log_normal = torch.distributions.Normal(0.0, 1.0).log_prob(z_test).sum(-1).mean().item()
        normal_train = torch.distributions.Normal(0.0, 1.0).log_prob(z_train).sum(-1).mean().item()
        misfit = aggregate_log_prob(q_train, z_train).mean().item() - normal_train
    torch.manual_seed(seed)
    upper = VAE.dense(16, latent_dims=(8,), hidden=(128,), likelihood=Normal())
    fit(upper, draws, config=TrainConfig(epochs=12, batch_size=200, learning_rate=3e-3, **shared))
    on_z1 = evaluate(upper, z_test, iwae_samples=setting["iwae_samples"], information_examples=2, seed=seed)
    return row | {
        "gain_elbo": -on_z1.negative_elbo - log_normal,
        "gain_iwae64": -on_z1.iwae_nll - log_normal,
        "kl_z2": on_z1.kl["z1"],
        "misfit_at_most": misfit,
    }


def _normalisation(task: RecipeRun, seed: int) -> dict[str, Any]:
    ready = recipes.build(recipes.load(task.recipe, (*task.overrides, *QUIET)), seed)
    with_batch_normalisation(ready.model)
    ready.fit()
    samples = SETTINGS["normalisation"]["iwae_samples"]
    result = ready.evaluate(iwae_samples=samples, seed=seed)
    parameters = sum(p.numel() for p in ready.model.parameters())
    return {
        "neg_elbo": result.negative_elbo,
        f"iwae{samples}": result.iwae_nll,
        "kl": result.kl,
        "active_units": result.active_units,
        "parameters": parameters,
    }


if __name__ == "__main__":
    study("levels_study", __doc__, SETTINGS, LABELS, tasks, run)
