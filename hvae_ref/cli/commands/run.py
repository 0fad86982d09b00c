"""The commands train, evaluate and info."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hvae_ref.cli import recipes
from hvae_ref.cli.commands.load_run import CHECKPOINT, load_run
from hvae_ref.cli.recipes import Recipe
from hvae_ref.cli.recipes.recipe import FILES
from hvae_ref.results import atomic_write_text, provenance
from hvae_ref.training import Checkpoint, CheckpointError, History, TensorBoardScalars, load_checkpoint
from hvae_ref.training.processes import is_main_process

TENSORBOARD = "tensorboard"


def train(
    recipe: str,
    out: str | None,
    overrides: Sequence[str],
    seed: int | None,
    resume: bool,
    overwrite: bool,
    tensorboard: bool = False,
) -> None:
    """Train a recipe; `out`, or runs/RECIPE, gets the checkpoint, scalars if asked for and, at the end, the history."""
    if out is not None and not out.strip():
        raise ValueError(f"--out: expected a folder, got {out!r}; leave --out away for runs/RECIPE")
    wanted = recipes.load(recipe, overrides)
    folder = Path("runs") / Path(recipe).stem if out is None else Path(out)
    path = folder / CHECKPOINT
    if resume and not folder.is_dir():
        raise CheckpointError(f"--out {folder}: no run to resume there; give its folder, or leave out --resume")
    if path.exists() and not (resume or overwrite):
        raise CheckpointError(
            f"--out {folder}: holds a run already; add --resume or --overwrite, or choose another folder"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: expected a folder, {folder} is a file")
    run = recipes.build(wanted, seed)
    if resume and path.exists():
        _same_run(run.recipe, load_checkpoint(path), path)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        callbacks = []
        if tensorboard:
            callbacks.append(stack.enter_context(TensorBoardScalars(folder / TENSORBOARD, run.data("validation"))))
        history = run.fit(path, resume=resume, overwrite=overwrite, callbacks=callbacks)
    if is_main_process():
        atomic_write_text(folder / "history.json", json.dumps(history.to_dict(), indent=1) + "\n")
        print(_outcome(history))
        print(f"checkpoint: {path}")
        if tensorboard:
            print(f"scalars: tensorboard --logdir {folder / TENSORBOARD}")


def evaluate(checkpoint: str, iwae: int | None, split: str | None, out: str | None) -> None:
    """Measure a checkpoint; prints the numbers and writes them with versions and machine."""
    if out is not None:
        _check_result(Path(out), out)
    path, found, run = load_run(checkpoint)
    settings = {} if iwae is None else {"iwae_samples": iwae}
    split = split or run.recipe.evaluation.get("split", "test")
    result = {
        "recipe": found.recipe,
        "checkpoint": str(path),
        "epochs": len(found.history),
        "split": split,
        **run.evaluate(split=split, **settings).to_dict(),
        **provenance("python -m hvae_ref " + " ".join(sys.argv[1:])),
    }
    target = path.with_name(f"evaluation-{split}.json") if out is None else Path(out)
    atomic_write_text(target, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"−ELBO     {result['negative_elbo']:.2f} ± {result['negative_elbo_se']:.2f} nats")
    print(f"IWAE-{result['iwae_samples']:<4} {result['iwae_nll']:.2f} ± {result['iwae_nll_se']:.2f} nats")
    if result["bits_per_dim"] is not None:
        print(f"bits/dim  {result['bits_per_dim']:.3f}")
    for level, kl in result["kl"].items():
        size = run.model.dims[level]
        print(f"KL({level})    {kl:.2f} nats, {result['active_units'][level]} of {size} units active")
    print(f"written to {target}")


def info(what: str | None) -> None:
    """List the recipes, or describe one, or a checkpoint."""
    if what is None:
        width = max(len(name) for name in recipes.names())
        for name in recipes.names():
            print(f"{name:{width}}  {recipes.load(name).description}")
        return
    if what in recipes.names() or what.endswith(FILES):
        run, found = recipes.build(recipes.load(what)), None
    elif Path(what).exists():
        _, found, run = load_run(what)
    else:
        # Neither a recipe nor a file: the recipes' error suggests the right name.
        recipes.load(what)
        return
    print(f"{run.recipe.name}: {run.recipe.description}")
    for table in ("model", "data", "objective", "training", "evaluation"):
        settings = ", ".join(f"{key} = {value}" for key, value in getattr(run.recipe, table).items())
        print(f"[{table}] {settings}")
    print("levels: " + ", ".join(f"{level} ({size})" for level, size in run.model.dims.items()))
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in run.model.named_children()}
    print(f"parameters: {sum(p.numel() for p in run.model.parameters()):,}")
    for name, count in parts.items():
        if count:
            print(f"  {name}: {count:,}")
    if found is not None and len(found.history):
        print(_outcome(found.history))


def _check_result(target: Path, out: str) -> None:
    """Refuse, before anything is measured, a file for the numbers that would replace a run's own or cannot be made."""
    if target.suffix != ".json" or target.name == "history.json" or target.is_dir():
        raise ValueError(f"--out: expected a file ending in .json that is no run's history.json, got {out!r}")
    if not target.parent.is_dir():
        raise ValueError(f"--out: expected a file in a folder that exists, got {out!r}")


def _same_run(recipe: Recipe, found: Checkpoint, path: Path) -> None:
    """Refuse to resume with another model or other data; `fit` compares the rest."""
    if found.recipe is None:
        return
    for table in ("model", "data"):
        if dict(getattr(recipe, table)) != found.recipe[table]:
            raise CheckpointError(
                f"{path}: cannot resume, its [{table}] is {found.recipe[table]} and the recipe's is "
                f"{dict(getattr(recipe, table))}; use the run's own settings, or another --out"
            )


def _outcome(history: History) -> str:
    record = history.last if history.best_epoch is None else history.epochs[history.best_epoch - 1]
    terms = record.train if record.validation is None else record.validation
    kl = ", ".join(f"KL({level}) {value:.2f}" for level, value in terms.kl.items())
    of = "training" if record.validation is None else "validation"
    return f"epoch {record.epoch} of {len(history)}: {of} −ELBO {terms.negative_elbo:.2f} nats, {kl}"
