"""Train the recipes whose models come with the package, and keep what is needed to use them: weights, recipe, history.

    python benchmarks/ship_pretrained.py

`hvae_ref.cli.recipes.pretrained(name)` reads them. A model that exists is trained anew.
"""

from __future__ import annotations

import torch

from hvae_ref.cli import recipes
from hvae_ref.cli.recipes.trained_models import FOLDER
from hvae_ref.training import Checkpoint, save_checkpoint

SHIPPED = {"digits-top-down": 0}
"""Seed of each recipe."""


def main() -> None:
    """Train and keep each of them."""
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name, seed in SHIPPED.items():
        recipe = recipes.load(name, ["training.progress=false", 'training.device="cpu"'])
        run = recipes.build(recipe, seed=seed)
        history = run.fit()
        # `fit` ends with the weights that validated best.
        kept = Checkpoint(model=run.model.state_dict(), history=history, recipe=run.recipe.to_dict())
        save_checkpoint(FOLDER / f"{name}.safetensors", kept)
        print(f"{name}, seed {seed}: {run.evaluate(iwae_samples=64, information_examples=2)}")


if __name__ == "__main__":
    main()
