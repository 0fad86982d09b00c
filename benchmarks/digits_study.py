"""One level or two, and inferred how: the digits with 17 grey levels, over seeds.

Four parts, each a part of the same JSON file:

- `recipes`: digits-top-down and digits-top-down-categorical as they ship, 3,000 steps with KL annealing and free bits;
- `table`: VAE, two-level, ladder and top-down, each plain, with KL annealing, with free bits and with both;
- `residual`: the top-down model without the residual path, to be set beside the table's plain one;
- `copies`: the two recipes without the deformed copies, on the 1,000 training images alone; the weights that validated
  best are kept.

The last three come with two budgets, because the order of the models depends on it: `short`, 1,000 steps
(digits_study.json), and `long`, the 3,000 steps of the recipes (digits_study_long.json).

Selection (recipes, early stopping) is by validation alone; the figures are of the 447 test images. A run that is in the
file already is not repeated, so a study that was stopped goes on where it was.

    python benchmarks/digits_study.py --budget short
    python benchmarks/digits_study.py --budget long

Parts that ran elsewhere, each into a file of its own (`--file`), are taken over with `--merge`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hvae_ref.cli import recipes
from hvae_ref.results.record import FOLDER, Record, command_line, mean_and_sd
from hvae_ref.training import History

PATIENT = "training.epochs={0}", "training.patience={0}"
AS_SHIPPED = "warm-up + free bits"


@dataclass(frozen=True)
class Budget:
    """How long the table's runs are.

    Attributes:
        file: name of the table in `hvae_ref/results`.
        epochs: of the runs on 20,000 images, 200 steps each.
        recipe_variant: what the runs of the `recipes` part are called; where all runs have their budget, they belong to
            the table.
        settings: what all runs share.
    """

    file: str
    epochs: int
    recipe_variant: str
    settings: dict[str, Any]

    def overrides(self, epoch_of_copies: int = 1) -> tuple[str, ...]:
        """Train for that many steps, on data that are so many times fewer, and keep the best weights."""
        return tuple(text.format(self.epochs * epoch_of_copies) for text in PATIENT)


SHARED = {
    "data": "digits, 17 grey levels, 1000/350/447 in file order, 19 deformed copies beside each training image",
    "recipes": "as shipped: 15 epochs, 3,000 steps of 100",
    "warm-up": "KL weight from 0 to 1 over the first 30 % of the run",
    "free bits": "3 nats for each level, on the mean over the batch",
    "iwae_samples": 512,
    "seconds": "training alone, on a shared machine: elapsed, and of processor time",
}
BUDGETS = {
    "short": Budget(
        "digits_study",
        5,
        "recipe",
        SHARED
        | {
            "table": "5 epochs, 1,000 steps of 100",
            "without deformed copies": "1,000 images, 100 epochs, 1,000 steps of 100, weights of the best validation "
            "−ELBO",
        },
    ),
    "long": Budget(
        "digits_study_long",
        15,
        AS_SHIPPED,
        SHARED
        | {
            "table": "15 epochs, 3,000 steps of 100",
            "without deformed copies": "1,000 images, 300 epochs, 3,000 steps of 100, weights of the best validation "
            "−ELBO",
        },
    ),
}
RECIPES = ("digits-top-down", "digits-top-down-categorical")
MODELS = ("digits-vae", "digits-two-level", "digits-ladder", "digits-top-down")
NO_WARM_UP, NO_FREE_BITS = "objective.beta=1.0", "objective.free_bits=none"
VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (NO_WARM_UP, NO_FREE_BITS),
    "warm-up": (NO_FREE_BITS,),
    "free bits": (NO_WARM_UP,),
    "warm-up + free bits": (),
}
NO_RESIDUAL, NO_COPIES = "no residual path", "no deformed copies"
PARTS = ("recipes", "table", "residual", "copies")
KEY = ("recipe", "variant", "seed")


@dataclass(frozen=True)
class Task:
    """One run: a recipe, what the variant is called, and what it changes."""

    recipe: str
    variant: str
    overrides: tuple[str, ...] = ()


def tasks(part: str, budget: Budget) -> Iterator[Task]:
    """The runs of one part, for one seed."""
    if part == "recipes":
        yield from (Task(recipe, budget.recipe_variant) for recipe in RECIPES)
    elif part == "table":
        for recipe in MODELS:
            yield from (Task(recipe, name, budget.overrides() + changes) for name, changes in VARIANTS.items())
    elif part == "residual":
        changes = ("model.residual=false", *VARIANTS["plain"])
        yield Task("digits-top-down", NO_RESIDUAL, budget.overrides() + changes)
    else:
        changes = ("data.deformed_copies=0", *budget.overrides(epoch_of_copies=20))
        yield from (Task(recipe, NO_COPIES, changes) for recipe in RECIPES)


def best_epoch(history: History) -> int:
    """The epoch whose weights the model ended with."""
    curve = history.curve("validation.negative_elbo")
    return 1 + min(range(len(curve)), key=curve.__getitem__)


def run(task: Task, seed: int) -> dict[str, Any]:
    """Train one model and measure it on the test set."""
    overrides = (*task.overrides, "training.progress=false", 'training.device="cpu"')
    ready = recipes.build(recipes.load(task.recipe, overrides), seed)
    start, processor = time.perf_counter(), time.process_time()
    history = ready.fit()
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    result = ready.evaluate(iwae_samples=SHARED["iwae_samples"], seed=seed)
    validation = history.curve("validation.negative_elbo")
    return {
        "model": type(ready.model).__name__,
        "likelihood": ready.recipe.model["likelihood"],
        "neg_elbo": result.negative_elbo,
        "iwae512": result.iwae_nll,
        "kl": result.kl,
        "active_units": result.active_units,
        "mutual_information": result.mutual_information,
        "distortion": result.distortion,
        "validation_neg_elbo": min(validation),
        "best_epoch": best_epoch(history),
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "parameters": sum(p.numel() for p in ready.model.parameters()),
    }


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds, one row for each recipe and variant."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in runs:
        groups.setdefault((one["recipe"], one["variant"]), []).append(one)
    rows = []
    for (recipe, variant), group in groups.items():
        row: dict[str, Any] = {"recipe": recipe, "variant": variant, "model": group[0]["model"], "seeds": len(group)}
        for name in ("neg_elbo", "iwae512", "seconds", "processor_seconds"):
            row[name] = mean_and_sd(one[name] for one in group)
        for name in ("kl", "active_units", "mutual_information"):
            row[name] = {level: mean_and_sd(one[name][level] for one in group) for level in group[0][name]}
        rows.append(row)
    return rows


def save(record: Record, budget: Budget) -> None:
    """Write what follows from all runs so far beside them."""
    rows = summary(record.runs)
    shipped = [row for row in rows if row["recipe"] in RECIPES and row["variant"] == budget.recipe_variant]
    record.save(summary=rows, headline={row["recipe"]: row for row in shipped})


def main() -> None:
    """Run what is missing, seed by seed, so that a table cut short is complete for the seeds it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; all by default")
    parser.add_argument("--budget", choices=tuple(BUDGETS), nargs="*", default=list(BUDGETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", help="only runs whose recipe or variant contains this text")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--file", type=Path, help="instead of the file in the package; with one budget alone")
    parser.add_argument("--merge", type=Path, nargs="*", default=[], help="files of this study to take runs from")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"unknown part {unknown[0]!r}; expected {', '.join(PARTS)}")
    if (options.file or options.merge) and len(options.budget) != 1:
        parser.error("--file and --merge: expected one --budget")
    torch.set_num_threads(options.threads)
    for name in options.budget:
        study(BUDGETS[name], options)


def study(budget: Budget, options: argparse.Namespace) -> None:
    """All runs of one budget that the options ask for."""
    path = options.file or FOLDER / f"{budget.file}.json"
    record = Record(path, KEY, command_line("benchmarks/digits_study.py"), budget.settings)
    for other in (run for file in options.merge for run in Record(file, KEY, "", budget.settings).runs):
        if not record.has(**{name: other[name] for name in KEY}):
            record.add(**other)
    chosen = [
        (task, seed)
        for part in options.parts or PARTS
        for seed in range(options.seeds)
        for task in tasks(part, budget)
        if options.only is None or options.only in f"{task.recipe} {task.variant}"
    ]
    for number, (task, seed) in enumerate(chosen, start=1):
        name = f"[{number}/{len(chosen)}] {task.recipe}, {task.variant}, seed {seed}"
        if record.has(recipe=task.recipe, variant=task.variant, seed=seed):
            print(f"{name}: there already", flush=True)
            continue
        row = run(task, seed)
        record.add(recipe=task.recipe, variant=task.variant, seed=seed, **row)
        save(record, budget)
        kl = "  ".join(f"KL({level}) {value:.2f}" for level, value in row["kl"].items())
        print(
            f"{name}: −ELBO {row['neg_elbo']:.2f}  IWAE {row['iwae512']:.2f}  {kl}  "
            f"{row['seconds']:.0f} s ({row['processor_seconds']:.0f} s of processor)",
            flush=True,
        )
    save(record, budget)


if __name__ == "__main__":
    main()
