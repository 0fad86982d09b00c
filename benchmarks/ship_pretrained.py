"""Train the recipes whose models come with the package, and keep what is needed to use them: weights, recipe, history.

    python benchmarks/ship_pretrained.py
    python benchmarks/ship_pretrained.py digits-beta-1 digits-beta-2

`hvae_ref.cli.recipes.pretrained(name)` reads them. A model that exists is trained anew; without names all of them are.
"""

from __future__ import annotations

import sys

import torch

from hvae_ref.cli import recipes
from hvae_ref.cli.recipes.trained_models import FOLDER
from hvae_ref.training import Checkpoint, save_checkpoint

BETAS = (0.1, 0.5, 1, 2, 3, 6)
SHIPPED: dict[str, tuple[str, list[str], int]] = {
    "digits-top-down": ("digits-top-down", [], 0),
    **{f"digits-beta-{beta}": ("digits-beta", [f"objective.beta={beta}"], 0) for beta in BETAS},
    "abr-hierarchical": ("abr-hierarchical", [], 0),
}
"""Of each model: recipe, what is changed in it, and seed."""


def main(chosen: list[str]) -> None:
    """Train and keep those chosen, or all.

    Raises:
        ValueError: for a name that is not shipped.
    """
    if unknown := set(chosen) - set(SHIPPED):
        raise ValueError(f"chosen: expected names out of {', '.join(SHIPPED)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in chosen or SHIPPED:
        source, changes, seed = SHIPPED[name]
        recipe = recipes.load(source, ["training.progress=false", 'training.device="cpu"', *changes])
        run = recipes.build(recipe, seed=seed)
        history = run.fit()
        # `fit` ends with the weights that validated best.
        kept = Checkpoint(model=run.model.state_dict(), history=history, recipe=run.recipe.to_dict())
        save_checkpoint(FOLDER / f"{name}.safetensors", kept)
        print(f"{name}, seed {seed}: {run.evaluate(iwae_samples=64, information_examples=2)}")


if __name__ == "__main__":
    main(sys.argv[1:])
