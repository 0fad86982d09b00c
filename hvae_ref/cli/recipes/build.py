"""From a recipe to a run: the model, the data, the objective and the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hvae_ref.cli.recipes.bounds import BOUNDS
from hvae_ref.cli.recipes.recipe import Recipe
from hvae_ref.cli.recipes.schema import (
    AUXILIARY,
    CONDITIONS,
    LIKELIHOODS,
    OBJECTIVES,
    PARTS,
    SCHEDULES,
    RecipeError,
    arguments,
    builder_of,
    check_keys,
    part,
)
from hvae_ref.data import load as load_data
from hvae_ref.evaluation import Evaluation, evaluate
from hvae_ref.objectives import Objective, part_names
from hvae_ref.training import Callback, ElboStep, History, TrainConfig, fit


@dataclass
class Run:
    """All that a recipe describes, ready to train.

    Attributes:
        recipe: what it was built from.
        model: with fresh weights.
        objective: what is minimised.
        config: how to train.
        bound: name of what the model is trained with, see `hvae_ref.cli.recipes.bounds`.
    """

    recipe: Recipe
    model: nn.Module
    objective: Objective
    config: TrainConfig
    bound: str = "elbo"

    @property
    def step(self) -> ElboStep:
        """How a batch becomes a loss."""
        bound = BOUNDS[self.bound]
        return ElboStep(self.objective, bound.function, auxiliary=bound.auxiliary)

    def data(self, split: str) -> Any:  # noqa: ANN401  (a `Dataset`, or a topic's own record)
        """One split of the recipe's data set, as `hvae_ref.data.load` returns it."""
        return load_data(split=split, **self.recipe.data)

    def fit(
        self,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> History:
        """Train the model, validating on the split of that name; see `hvae_ref.training.fit`."""
        return fit(
            self.model,
            self.data("train"),
            self.data("validation"),
            step=self.step,
            config=self.config,
            checkpoint=checkpoint,
            resume=resume,
            overwrite=overwrite,
            recipe=self.recipe.to_dict(),
            callbacks=callbacks,
        )

    def evaluate(self, **settings: Any) -> Evaluation:  # noqa: ANN401
        """Measure the model as the recipe's evaluation table says, `settings` first; see `hvae_ref.evaluation`.

        Dynamically binarised data are drawn once, from the evaluation's seed.
        """
        settings = dict(self.recipe.evaluation) | settings
        data = self.data(settings.pop("split", "test"))
        x = data.batch_transform(data.x, torch.Generator().manual_seed(settings.get("seed", 0)))
        return evaluate(self.model, x, condition=getattr(data, "condition", None), **settings)


def build(recipe: Recipe, seed: int | None = None) -> Run:
    """Build the run that a recipe describes.

    The training seed also seeds the model's first weights; torch's own random state is left alone.

    Args:
        recipe: from `load`.
        seed: instead of the recipe's `training.seed`.

    Raises:
        RecipeError: where a value does not fit, with the reason that the model, objective or configuration gave.

    >>> from hvae_ref.cli import recipes
    >>> recipes.build(recipes.load("smoke")).model.levels
    ('z2', 'z1')
    """
    if seed is not None:
        recipe = replace(recipe, training={**recipe.training, "seed": seed})
    config = _call("training", TrainConfig, recipe.training)
    # The validation set is the smaller one, and all splits have the same values an example.
    data = _call("data", load_data, {"split": "validation", **recipe.data})
    builder, settings = builder_of(recipe.model), _model_settings(recipe.model, data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        built = _call("model", builder, settings)
    return Run(recipe, built, _objective(recipe, built.levels), config, recipe.objective.get("bound", "elbo"))


def _model_settings(table: Mapping[str, Any], data: Any) -> dict[str, Any]:  # noqa: ANN401  (any data set)
    """Arguments of a model's builder; the shape of x and the number of its values follow from the data."""
    shape = tuple(data.x.shape[1:])
    settings = {"x_shape": shape[0] if len(shape) == 1 else shape} | dict(table)
    settings = {key: value for key, value in settings.items() if key not in ("name", "builder")}
    for key, known in (("likelihood", LIKELIHOODS), ("condition", CONDITIONS)):
        if key in settings:
            function, content = part(f"model.{key}", settings[key], known)
            if "num_values" in arguments(function):
                content = {"num_values": data.num_values} | content
            settings[key] = _call(f"model.{key}", function, content)
    return settings


def _objective(recipe: Recipe, levels: Sequence[str]) -> Objective:
    content = {key: value for key, value in recipe.objective.items() if key != "bound"}
    function = OBJECTIVES[content.pop("name", "NegativeElbo")]
    for name, function_of in PARTS.items():
        if name in content:
            content[name] = _call(f"objective.{name}", function_of, content[name])
    if "beta" in content:
        content["beta"] = _beta("objective.beta", content["beta"])
    if "weights" in content:
        check_keys("objective.weights", content["weights"], part_names(levels, AUXILIARY))
        missing = [part for part in part_names(levels) if part not in content["weights"]]
        if missing:
            raise RecipeError(f"objective.weights.{missing[0]}: missing; 0 leaves a part out")
        content["weights"] = _beta("objective.weights", content["weights"])
    return _call("objective", function, content)


def _beta(where: str, value: Any) -> Any:  # noqa: ANN401  (a number, a schedule, or one for each level)
    if not isinstance(value, dict):
        return value
    if "schedule" in value:
        content = {key: entry for key, entry in value.items() if key != "schedule"}
        return _call(where, SCHEDULES[value["schedule"]], content)
    return {level: _beta(f"{where}.{level}", entry) for level, entry in value.items()}


def _call(table: str, function: Any, content: Any) -> Any:  # noqa: ANN401
    """Call with a table's keys; what goes wrong is the table's fault and says so."""
    try:
        return function(**content)
    except RecipeError:
        raise
    except (ValueError, TypeError) as error:
        raise RecipeError(f"{table}: {error}") from error
