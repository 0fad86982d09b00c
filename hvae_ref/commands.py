"""What the commands of `python -m hvae_ref` do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from hvae_ref import recipes
from hvae_ref.recipes import Recipe, RecipeError, Run
from hvae_ref.results import atomic_write_text, provenance
from hvae_ref.training import Checkpoint, CheckpointError, History, load_checkpoint

CHECKPOINT = "checkpoint.safetensors"


def train(recipe: str, out: str, overrides: Sequence[str], seed: int | None, resume: bool, overwrite: bool) -> None:
    """Train a recipe; the folder `out` gets the checkpoint and, at the end, the history."""
    folder = Path(out)
    path = folder / CHECKPOINT
    if resume and not folder.is_dir():
        raise CheckpointError(f"--out {out}: no run to resume there; give its folder, or leave out --resume")
    if path.exists() and not (resume or overwrite):
        raise CheckpointError(
            f"--out {out}: holds a run already; add --resume or --overwrite, or choose another folder"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: expected a folder, {out} is a file")
    run = recipes.build(recipes.load(recipe, overrides), seed)
    if resume and path.exists():
        _same_run(run.recipe, load_checkpoint(path), path)
    folder.mkdir(parents=True, exist_ok=True)
    history = run.fit(path, resume=resume, overwrite=overwrite)
    if PartialState().is_main_process:
        atomic_write_text(folder / "history.json", json.dumps(history.to_dict(), indent=1) + "\n")
        print(_outcome(history))
        print(f"checkpoint: {path}")


def evaluate(checkpoint: str, iwae: int | None, split: str | None, out: str | None) -> None:
    """Measure a checkpoint; prints the numbers and writes them with versions and machine."""
    path, found, run = _open(checkpoint)
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


def sample(checkpoint: str, out: str, n: int, temperature: float, fix: Sequence[str], seed: int) -> None:
    """Draw images: a grid as PNG, or images and latents as NPZ."""
    target = Path(out)
    if target.suffix not in (".png", ".npz"):
        raise ValueError(f"--out: expected a file ending in .png or .npz, got {out!r}")
    if not target.parent.is_dir():
        raise ValueError(f"--out: expected a file in a folder that exists, got {out!r}")
    if n < 1:
        raise ValueError(f"--n: expected at least 1, got {n}")
    _, _, run = _open(checkpoint)
    model = run.model.eval()
    unknown = [level for level in fix if level not in model.levels]
    if unknown:
        raise ValueError(f"--fix: expected one of {', '.join(model.levels)}, got {unknown[0]!r}")
    torch.manual_seed(seed)
    first = model.sample_latents(1, temperature=temperature)
    latents = model.sample_latents(n, fixed={level: first[level] for level in fix}, temperature=temperature)
    with torch.no_grad():
        images = model.decode(latents).sample()
    height, width = run.data("validation").image_shape
    grid = images.reshape(n, height, width).numpy()
    temporary = target.with_name(f".{target.name}.tmp{target.suffix}")
    if target.suffix == ".png":
        # Imported here because drawing is slow to load, and training on many processes has no use for it.
        from matplotlib import image

        image.imsave(temporary, _tiles(grid), cmap="gray", vmin=0, vmax=model.num_values - 1)
    else:
        np.savez(temporary, x=grid, **{level: z.numpy() for level, z in latents.items()})
    os.replace(temporary, target)
    print(f"{n} images written to {target}")


def info(what: str | None) -> None:
    """List the recipes, or describe one, or a checkpoint."""
    if what is None:
        width = max(len(name) for name in recipes.names())
        for name in recipes.names():
            print(f"{name:{width}}  {recipes.load(name).description}")
        return
    if what in recipes.names() or what.endswith(".toml"):
        run, found = recipes.build(recipes.load(what)), None
    elif Path(what).exists():
        _, found, run = _open(what)
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


def _open(checkpoint: str) -> tuple[Path, Checkpoint, Run]:
    """A checkpoint's path, its content, and its run with the trained weights."""
    path = Path(checkpoint)
    path = path / CHECKPOINT if path.is_dir() else path
    found = load_checkpoint(path)
    if found.recipe is None:
        raise CheckpointError(f"{path}: holds no recipe to build the model from; train it with a recipe")
    try:
        run = recipes.build(Recipe.from_dict(found.recipe))
    except RecipeError as error:
        raise CheckpointError(f"{path}: its recipe cannot be built by this version of the package: {error}") from error
    load_checkpoint(path, run.model)
    return path, found, run


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


def _tiles(images: np.ndarray) -> np.ndarray:
    """A grid of images (n, H, W), about as wide as it is high, with one dark pixel between them."""
    n, height, width = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = int(np.ceil(n / columns))
    grid = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1), images.dtype)
    for index, one in enumerate(images):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        grid[top : top + height, left : left + width] = one
    return grid
