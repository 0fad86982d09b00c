"""Three convolutional levels beside two dense ones on MNIST-5k, in the same processor time, over seeds.

`mnist5k-conv` has a vector z3 and maps z2 and z1. Both recipes are trained as they ship, and for longer, so that each
can be compared with the other at equal processor time. Processor seconds are those of training, validation included,
on one thread.

    python benchmarks/convolutional_study.py mnist5k
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipe_runs import RecipeRun, measure, study

SETTINGS = {
    "mnist5k": {
        "data": "mnist5k, dynamic binarisation; the test set binarised once, from the seed",
        "iwae_samples": 64,
        "times": "processor seconds of training on one thread",
    }
}
LABELS = {"mnist5k": ("recipe", "epochs")}
EPOCHS = {"mnist5k-conv": (18, 30), "mnist5k-two-level": (100, 180)}


def tasks(part: str) -> Iterator[RecipeRun]:
    """The runs for one seed."""
    for recipe, lengths in EPOCHS.items():
        for epochs in lengths:
            overrides = (f"training.epochs={epochs}", f"training.patience={epochs}")
            evaluation = {"iwae_samples": 64, "information_examples": 2}
            yield RecipeRun({"recipe": recipe, "epochs": epochs}, recipe, overrides, evaluation)


def run(part: str, task: RecipeRun, seed: int) -> dict[str, Any]:
    """One run, with its processor time as a whole."""
    row = measure(task, seed)
    return row | {"processor_seconds": row["steps"] * row["ms_per_step"] / 1000}


if __name__ == "__main__":
    study("convolutional_study", __doc__, SETTINGS, LABELS, tasks, run)
