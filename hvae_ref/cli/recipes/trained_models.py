"""Trained models: those that come with the package, by name, and those in checkpoints, by path."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from hvae_ref.cli.recipes.build import build
from hvae_ref.cli.recipes.recipe import Recipe
from hvae_ref.errors import did_you_mean
from hvae_ref.training import CheckpointError, load_checkpoint

FOLDER = Path(__file__).parent / "checkpoints"


def pretrained_names() -> tuple[str, ...]:
    """The recipes whose trained model comes with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def pretrained(checkpoint: str | Path) -> nn.Module:
    """A trained model, built as its recipe says, in evaluation mode.

    Args:
        checkpoint: one of `pretrained_names()`, or the path of a file that a run of a recipe wrote.

    Raises:
        ValueError: for a name that is neither.
        CheckpointError: where the file cannot be read, or holds no recipe to build its model from.

    >>> pretrained("digits-top-down").levels
    ('z2', 'z1')
    """
    path = FOLDER / f"{checkpoint}.safetensors" if str(checkpoint) in pretrained_names() else Path(checkpoint)
    if not path.is_file():
        hint = did_you_mean(checkpoint, pretrained_names(), f"; there are {', '.join(pretrained_names())}")
        raise ValueError(f"checkpoint: expected the name of a trained model or a file, got {str(checkpoint)!r}{hint}")
    found = load_checkpoint(path)
    if found.recipe is None:
        raise CheckpointError(f"{path}: holds no recipe; build the model as it was, then load_checkpoint(path, model)")
    model = build(Recipe.from_dict(found.recipe)).model
    load_checkpoint(path, model)
    return model.eval()
