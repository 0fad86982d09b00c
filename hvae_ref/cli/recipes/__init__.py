"""Named runs: a TOML file each with model, data, objective and training, and the code that builds a run from one.

From a name to a trained model:

    run = recipes.build(recipes.load("digits-top-down", ["training.epochs=20"]))
    history = run.fit(checkpoint="run.safetensors")
"""

from hvae_ref.cli.recipes.build import Run, build
from hvae_ref.cli.recipes.recipe import Recipe, RecipeError, load, names
from hvae_ref.cli.recipes.trained_models import pretrained, pretrained_names

__all__ = ["Recipe", "RecipeError", "Run", "build", "load", "names", "pretrained", "pretrained_names"]
