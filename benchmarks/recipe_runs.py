"""What the studies of posteriors share: train a recipe with changes, measure it, and go through a list of runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from hvae_ref.cli import recipes
from hvae_ref.results.record import FOLDER, Record, command_line, mean_and_sd

QUIET = ("training.progress=false", 'training.device="cpu"')


Summarise = Callable[[Sequence[Mapping[str, Any]], tuple[str, ...]], dict[str, Any]]


@dataclass(frozen=True)
class RecipeRun:
    """One run of a study.

    Attributes:
        labels: the fields that tell it from others, besides the seed.
        recipe: name of a recipe that ships with the package.
        overrides: what it changes, as on the command line.
        evaluation: settings of `evaluate` instead of the recipe's.
    """

    labels: Mapping[str, Any]
    recipe: str
    overrides: tuple[str, ...] = ()
    evaluation: Mapping[str, Any] = field(default_factory=dict)


def measure(task: RecipeRun, seed: int) -> dict[str, Any]:
    """Train, keep the weights that validated best, and measure on the test set."""
    ready = recipes.build(recipes.load(task.recipe, (*task.overrides, *QUIET)), seed)
    processor = time.process_time()
    history = ready.fit()
    processor = time.process_time() - processor
    result = ready.evaluate(seed=seed, **task.evaluation)
    steps = len(history) * -(-len(ready.data("train")) // ready.config.batch_size)
    return {
        "neg_elbo": result.negative_elbo,
        f"iwae{result.iwae_samples}": result.iwae_nll,
        "gap": result.negative_elbo - result.iwae_nll,
        "kl": result.kl,
        "active_units": result.active_units,
        "steps": steps,
        "ms_per_step": 1000 * processor / steps,
        "parameters": sum(p.numel() for p in ready.model.parameters()),
    }


def summary(runs: Iterable[Mapping[str, Any]], labels: Iterable[str]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds, one row for each value of the labels."""
    labels = tuple(labels)
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple(run[label] for label in labels), []).append(run)
    rows = []
    for values, group in groups.items():
        row: dict[str, Any] = {**dict(zip(labels, values, strict=True)), "seeds": len(group)}
        for name, value in group[0].items():
            if isinstance(value, float):
                row[name] = mean_and_sd(run[name] for run in group)
            elif isinstance(value, dict):
                row[name] = {key: mean_and_sd(run[name][key] for run in group) for key in value}
        rows.append(row)
    return rows


def go_through(
    record: Record,
    tasks: Iterable[tuple[RecipeRun, int]],
    labels: Iterable[str],
    run: Callable[[RecipeRun, int], dict[str, Any]] = measure,
    summarise: Summarise = lambda runs, labels: {"summary": summary(runs, labels)},
) -> None:
    """Run what is missing in the record, and keep what is said of all runs up to date."""
    tasks, labels = list(tasks), tuple(labels)
    for number, (task, seed) in enumerate(tasks, start=1):
        name = f"[{number}/{len(tasks)}] " + ", ".join(str(value) for value in task.labels.values()) + f", seed {seed}"
        if record.has(**task.labels, seed=seed):
            continue
        row = run(task, seed)
        record.add(**task.labels, seed=seed, **row)
        record.save(**summarise(record.runs, labels))
        kl = "  ".join(f"KL({level}) {value:.2f}" for level, value in row["kl"].items())
        print(f"{name}: −ELBO {row['neg_elbo']:.2f}  {kl}", flush=True)
    record.save(**summarise(record.runs, labels))


def asked_for(document: str, known: Collection[str]) -> tuple[list[str], int]:
    """Which parts of a study the command line asks for, and how many seeds; from here on on one thread.

    Args:
        document: what `--help` prints.
        known: names of the parts.
    """
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(known)}; all by default")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(known)):
        parser.error(f"unknown part {unknown[0]!r}; expected {', '.join(known)}")
    torch.set_num_threads(1)
    return options.parts or list(known), options.seeds


def study(
    script: str,
    document: str,
    settings: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, tuple[str, ...]],
    tasks: Callable[[str], Iterable[RecipeRun]],
    run: Callable[[str, RecipeRun, int], dict[str, Any]] = lambda part, task, seed: measure(task, seed),
    summarise: Summarise = lambda runs, labels: {"summary": summary(runs, labels)},
) -> None:
    """The command line of a study of several parts: run what is missing, seed by seed, one table a part.

    Args:
        script: name of the study's file; a part's table is called after its first word and the part.
        document: what `--help` prints.
        settings: what all runs of a part share.
        labels: the fields, besides the seed, that tell the runs of a part from one another.
        tasks: the runs of a part, for one seed.
        run: one of them, of a part and for a seed, measured.
        summarise: what the table says of its runs, given them and the labels.
    """
    parts, seeds = asked_for(document, settings)
    for part in parts:
        path = FOLDER / f"{script.split('_')[0]}_{part}.json"
        record = Record(path, (*labels[part], "seed"), command_line(f"benchmarks/{script}.py"), settings[part])
        go_through(
            record,
            ((task, seed) for seed in range(seeds) for task in tasks(part)),
            labels[part],
            partial(run, part),
            summarise,
        )
