"""The conditional models of chapter 6 on generated brainstem responses, over seeds.

Parts, each with a table of its own:

- `models`: the hierarchical conditional VAE beside the one-latent one of equal budget: bounds, what they generate under
  held-out conditions against the generator, calibration, and whose latent a feature follows (abr_models.json);
- `changes`: the hierarchical one with one thing changed at a time, and what probes read from each latent then
  (abr_changes.json);
- `hierarchy`: a hierarchy, in which the global latent decides the prior of the local one, with the same recipe; its
  peer with two independent latents is "as shipped" of `changes` (abr_hierarchy.json).

All figures are of the 500 test responses, whose conditions no model was trained on. Errors of generated responses are
taken condition by condition, so that the two models can be compared in pairs; the weights of the last epoch are kept. A
run that is recorded is not repeated.

    python benchmarks/abr_study.py models changes hierarchy
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import torch
from recipe_runs import QUIET, RecipeRun, study

from hvae_ref.abr import (
    AbrDataset,
    generation_errors,
    mean_response_errors,
    measure_wave,
    noise_leakage,
    response_features,
    visible,
)
from hvae_ref.abr.data import STATIC_NAMES
from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.evaluation import (
    conditional_draws,
    coverage,
    paired_test,
    posterior_means,
    probe,
    ranks,
    swap_test,
    utilisation,
)
from hvae_ref.results.record import mean_and_sd

MODELS = {"HierarchicalCVAE": "abr-hierarchical", "CVAE": "abr-cvae"}
HIERARCHY = {"hierarchy": "abr-top-down"}
CONDITIONS, DRAWS = 100, 100
DATA = "abr, 500 test responses; generation at the first 100 test conditions under which wave V is at least 0.1 µV"
SETTINGS = {
    "models": {"data": DATA, "recipes": MODELS, "draws": DRAWS, "iwae_samples": 64},
    "changes": {"data": DATA, "recipe": "abr-hierarchical with one change", "draws": DRAWS, "probe": "test responses"},
    "hierarchy": {"data": DATA, "recipes": HIERARCHY, "draws": DRAWS, "iwae_samples": 64},
}
LABELS = {"models": ("model",), "changes": ("change",), "hierarchy": ("latents",)}


def weight(part: str, value: float) -> str:
    """An override that gives a part of the loss one weight for the whole run."""
    return f"objective.weights.{part}={value}"


def rising(part: str, start: float) -> str:
    """An override that lets a part of the loss rise to a weight of 1 from another start."""
    return f'objective.weights.{part}={{schedule="ThreePhases", start={start}, end=1.0}}'


CHANGES: dict[str, tuple[str, ...]] = {
    "as shipped": (),
    "standard prior": ("model.prior=standard",),
    "white noise": ("model.noise=white",),
    "weights 1 throughout": (weight("global_kl", 1.0), weight("local_kl", 1.0)),
    "global KL × 0.1": (weight("global_kl", 0.1),),
    "global KL × 4": (weight("global_kl", 4.0),),
    "local KL × 0.1": (weight("local_kl", 0.1),),
    "local KL × 4": (weight("local_kl", 4.0),),
    "early part 10 %": ("model.early_signal_ratio=0.1",),
    "early part 100 %": ("model.early_signal_ratio=1.0",),
    "concatenation for FiLM": ("model.use_film=false",),
    "static weight 1": (weight("static", 1.0),),
    "encoders without statics": ("model.encoder_sees_covariates=false",),
    "local KL cheaper first": (rising("global_kl", 0.3), rising("local_kl", 0.02)),
}


def tasks(part: str) -> Iterator[RecipeRun]:
    """The runs of one part, for one seed."""
    if part == "models":
        yield from (RecipeRun({"model": name}, recipe) for name, recipe in MODELS.items())
    elif part == "hierarchy":
        yield from (RecipeRun({"latents": name}, recipe) for name, recipe in HIERARCHY.items())
    else:
        yield from (RecipeRun({"change": name}, MODELS["HierarchicalCVAE"], text) for name, text in CHANGES.items())


@cache
def test_set() -> AbrDataset:
    """The responses that all figures are of."""
    return load("abr", split="test")


def trained(task: RecipeRun, seed: int) -> tuple[recipes.Run, dict[str, Any]]:
    """The trained model, and what its training came to."""
    ready = recipes.build(recipes.load(task.recipe, (*task.overrides, *QUIET)), seed)
    processor = time.process_time()
    ready.fit()
    seconds = time.process_time() - processor
    result = ready.evaluate(seed=seed, iwae_samples=64, information_examples=2)
    use = utilisation(ready.model, test_set().x, condition=test_set().condition, seed=seed)
    return ready, {
        "neg_elbo": result.negative_elbo,
        "iwae64": result.iwae_nll,
        "kl": result.kl,
        "active": {level: one.active for level, one in use.items()},
        "effect": {level: one.effect for level, one in use.items()},
        "noise_kept": noise_leakage(ready.model, test_set()),
        "seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in ready.model.parameters()),
    }


def held_out() -> torch.Tensor:
    """Test conditions under which wave V is to be seen."""
    condition = test_set().condition
    return condition[visible(condition)][:CONDITIONS]


def mean_responses(model: torch.nn.Module) -> dict[str, float]:
    """Errors of the mean response in nV, averaged over the conditions."""
    return {name: 1000 * float(one.mean()) for name, one in mean_response_errors(model, held_out(), DRAWS).items()}


def generated(model: torch.nn.Module, noise: bool) -> dict[str, dict[str, Any]]:
    """Errors of wave V under held-out conditions: summary, and the errors themselves for tests in pairs."""
    condition = held_out()
    # One seed for all runs: the generator's draws are the same, the errors are of the same cases.
    errors = generation_errors(model, condition, draws=DRAWS, noise=noise)
    result = {}
    for measure, one in errors.items():
        each = np.full(len(condition), np.nan)
        each[one.compared] = np.round(one.error, 4)
        result[measure] = {**one.summary(), "each": [None if np.isnan(error) else error for error in each.tolist()]}
    return result


def calibrated(model: torch.nn.Module, seed: int) -> dict[str, dict[str, float]]:
    """Coverage of central intervals: of the samples of a response, and of wave V's latency where it is to be seen."""
    data = test_set()
    draws = conditional_draws(model, data.condition, DRAWS, seed=seed)
    seen = visible(data.condition)
    latency = measure_wave(draws[:, seen].flatten(0, 1), "V").latency.view(DRAWS, -1)
    observed = measure_wave(data.x[seen], "V").latency
    pits = {"samples": ranks(draws, data.x, seed), "wave V latency": ranks(latency, observed, seed)}
    return {name: {str(one.nominal): one.observed for one in coverage(pit)} for name, pit in pits.items()}


def swapped(model: torch.nn.Module, seed: int) -> dict[str, dict[str, float]]:
    """Whose feature it is, where wave V is to be seen."""
    data = test_set()
    seen = visible(data.condition)
    result = swap_test(model, data.x[seen], response_features(), condition=data.condition[seen], pairs=400, seed=seed)
    return {name: one.shares | {"spread": one.spread} for name, one in result.items()}


def probed(model: torch.nn.Module, seed: int) -> dict[str, dict[str, float]]:
    """Nonlinear R² of every static and hidden factor from each latent, and the highest floor of any."""
    data = test_set()
    factors = {name: data.condition[:, column] for column, name in enumerate(STATIC_NAMES)} | data.truth.factors
    codes = posterior_means(model, data.x, condition=data.condition)
    codes["both"] = torch.cat(list(codes.values()), 1)
    scores = probe(codes, factors, kinds=("nonlinear",), seed=seed)
    table = {code: {one.factor: one.r2 for one in scores if one.code == code} for code in codes}
    return table | {"floor": {code: max(one.floor for one in scores if one.code == code) for code in codes}}


def run(part: str, task: RecipeRun, seed: int) -> dict[str, Any]:
    """Train and measure one model."""
    ready, row = trained(task, seed)
    model = ready.model
    row["mean_response"] = mean_responses(model)
    if part == "hierarchy":
        return row
    row["generation"] = generated(model, noise=False)
    row["probe"] = probed(model, seed)
    if part == "models":
        row |= {"noisy_generation": generated(model, noise=True), "coverage": calibrated(model, seed)}
    else:
        for one in row["generation"].values():
            del one["each"]  # for tests in pairs, of which this part has none
    return row | {"swap": swapped(model, seed)}


def over_seeds(values: Sequence[Any]) -> Any:  # noqa: ANN401 (any JSON value)
    """Mean and standard deviation of numbers, entry by entry of dictionaries; lists are left out."""
    if isinstance(values[0], Mapping):
        return {
            key: over_seeds([value[key] for value in values])
            for key, first in values[0].items()
            if not isinstance(first, list)
        }
    return mean_and_sd(values)


def summary(runs: Sequence[Mapping[str, Any]], label: str) -> list[dict[str, Any]]:
    """One row for each model or change."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in runs:
        groups.setdefault(one[label], []).append(one)
    return [
        {label: name, "seeds": len(group)}
        | {key: over_seeds([one[key] for one in group]) for key in group[0] if key not in (label, "seed")}
        for name, group in groups.items()
    ]


def in_pairs(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Hierarchical minus one-latent, condition by condition, errors averaged over seeds first."""
    result = {}
    for kind in ("generation", "noisy_generation"):
        for measure in ("latency", "amplitude"):
            sides = [
                np.array([one[kind][measure]["each"] for one in runs if one["model"] == name], dtype=float)
                for name in MODELS
            ]
            if all(map(len, sides)):
                errors = np.stack([side.mean(0) for side in sides])
                errors = errors[:, np.isfinite(errors).all(0)]
                result[f"{kind}, {measure}"] = asdict(paired_test(*errors))
    return result


def said(runs: Sequence[Mapping[str, Any]], labels: tuple[str, ...]) -> dict[str, Any]:
    """What a table says of its runs: means over seeds, and tests in pairs where there are two models."""
    (label,) = labels
    return {"summary": summary(runs, label)} | ({"paired": in_pairs(runs)} if label == "model" else {})


if __name__ == "__main__":
    study("abr_study", __doc__, SETTINGS, LABELS, tasks, run, said)
