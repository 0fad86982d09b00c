"""A finished or half finished run, opened from its checkpoint."""

from __future__ import annotations

from pathlib import Path

from hvae_ref.cli import recipes
from hvae_ref.cli.recipes import Recipe, RecipeError, Run
from hvae_ref.training import Checkpoint, CheckpointError, load_checkpoint

CHECKPOINT = "checkpoint.safetensors"


def load_run(checkpoint: str) -> tuple[Path, Checkpoint, Run]:
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
