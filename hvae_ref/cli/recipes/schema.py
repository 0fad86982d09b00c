"""Which keys a recipe may have: those of the callables that its tables stand for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

from hvae_ref import nn, objectives
from hvae_ref.cli.recipes.annotations import annotations, fits, in_words
from hvae_ref.cli.recipes.bounds import bounds_of
from hvae_ref.data import SPLITS
from hvae_ref.data import load as load_data
from hvae_ref.errors import did_you_mean
from hvae_ref.evaluation import evaluate
from hvae_ref.training import TrainConfig

MODELS: dict[str, str] = {
    "AutoregressiveVAE": "hvae_ref.models:AutoregressiveVAE",
    "BottomUpVAE": "hvae_ref.models:BottomUpVAE",
    "ConvTwoLevelVAE": "hvae_ref.features:ConvTwoLevelVAE",
    "DeepTopDownVAE": "hvae_ref.models:DeepTopDownVAE",
    "HierarchicalResponseCVAE": "hvae_ref.abr.models:HierarchicalResponseCVAE",
    "HypersphericalVAE": "hvae_ref.models:HypersphericalVAE",
    "LadderVAE": "hvae_ref.models:LadderVAE",
    "LinearGaussianModel": "hvae_ref.models:LinearGaussianModel",
    "ResponseCVAE": "hvae_ref.abr.models:ResponseCVAE",
    "TopDownResponseCVAE": "hvae_ref.abr.models:TopDownResponseCVAE",
    "TopDownVAE": "hvae_ref.models:TopDownVAE",
    "TwoLevelVAE": "hvae_ref.models:TwoLevelVAE",
    "VAE": "hvae_ref.models:VAE",
}
"""Where each model stands: "module:Class", imported when a recipe names it, so that one topic's packages are not
needed for another's runs."""
LIKELIHOODS: dict[str, Callable[..., Any]] = {
    "Bernoulli": nn.Bernoulli,
    "Categorical": nn.Categorical,
    "LogisticMixture": nn.LogisticMixture,
    "Normal": nn.Normal,
}
CONDITIONS: dict[str, Callable[..., Any]] = {"Labels": nn.Labels, "Covariates": nn.Covariates}
OBJECTIVES: dict[str, Callable[..., Any]] = {
    "NegativeElbo": objectives.NegativeElbo,
    "Geco": objectives.Geco,
    "WeightedLoss": objectives.WeightedLoss,
}
SCHEDULES: dict[str, Callable[..., Any]] = {
    "Constant": objectives.Constant,
    "LinearWarmup": objectives.LinearWarmup,
    "Cyclic": objectives.Cyclic,
    "ThreePhases": objectives.ThreePhases,
}
AUXILIARY = ("static", "peak", "presence", "alignment")
"""Parts that the package's bounds bring beside their own terms."""
PARTS: dict[str, Callable[..., Any]] = {"free_bits": objectives.FreeBits, "mmd": objectives.MmdPenalty}


class RecipeError(ValueError):
    """A recipe that cannot be read or built; the message names the key and suggests the right one."""


def closest(word: str, known: Collection[str]) -> str:
    """The end of an error message: the closest known word, or all of them.

    >>> closest("epoch", ["epochs", "seed"])
    "; did you mean 'epochs'?"
    """
    return did_you_mean(word, known, f"; expected one of {', '.join(known)}")


def choose(table: str, content: Mapping[str, Any], known: Collection[str], key: str = "name") -> str:
    """The callable's name that a table gives under `key`."""
    if key not in content:
        raise RecipeError(f"{table}.{key}: missing; expected one of {', '.join(known)}")
    if not isinstance(content[key], str) or content[key] not in known:
        raise RecipeError(f"{table}.{key}: unknown {content[key]!r}{closest(str(content[key]), known)}")
    return content[key]


def model_class(table: Mapping[str, Any]) -> Callable[..., Any]:
    """The class that a recipe's model table names, imported now.

    Args:
        table: its `name` is a key of `MODELS`, or "package.module:Class" for a model of one's own.

    Raises:
        RecipeError: for a name that is neither, a module that cannot be found, or a class that it does not hold.
        ModuleNotFoundError: where the model needs a package that is not installed.

    >>> model_class({"name": "VAE"}) is model_class({"name": "hvae_ref.models:VAE"})
    True
    """
    own = isinstance(table.get("name"), str) and ":" in table["name"]
    place = table["name"] if own else MODELS[choose("model", table, MODELS)]
    module, _, attribute = place.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except (ModuleNotFoundError, ValueError, TypeError) as error:
        # A module that this one needs may be missing: that is no fault of the recipe.
        if isinstance(error, ModuleNotFoundError) and not f"{module}.".startswith(f"{error.name}."):
            raise
        raise RecipeError(f"model.name: expected package.module:Class, got {place!r}: {error}") from error
    if not inspect.isclass(found):
        raise RecipeError(f"model.name: expected package.module:Class, got {place!r}: no class {attribute!r} there")
    return found


def builder_of(table: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that builds the model of a recipe: the class's method `builder` ("dense" where none is named).

    Raises:
        RecipeError: as `model_class`, and for a builder that the class does not have.
    """
    found, name = model_class(table), table.get("builder", "dense")
    known = [key for key, value in inspect.getmembers(found, inspect.ismethod) if not key.startswith("_")]
    if name not in known:
        raise RecipeError(f"model.builder: unknown {name!r}{closest(str(name), known)}")
    return getattr(found, name)


def part(where: str, value: Any, known: Mapping[str, Callable[..., Any]]) -> tuple[Callable[..., Any], dict[str, Any]]:  # noqa: ANN401
    """A likelihood or a condition in a recipe: its name alone, or a table with its name and arguments.

    Returns:
        The callable and its arguments.
    """
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where}: expected a name or a table with one, got {value!r}")
    function = known[choose(where, table, known)]
    content = {key: entry for key, entry in table.items() if key != "name"}
    check_keys(where, content, arguments(function))
    check_values(where, content, function)
    check_required(where, content, function)
    return function, content


def check_keys(table: str, content: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse a key that the callable does not have."""
    for key in content:
        if key not in known:
            raise RecipeError(f"{table}.{key}: unknown key{closest(key, known)}")


def arguments(function: Callable[..., Any], without: Collection[str] = ()) -> tuple[str, ...]:
    """Names of a callable's arguments."""
    return tuple(name for name in inspect.signature(function).parameters if name not in without)


def check_values(table: str, content: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Refuse a value that the callable's annotations rule out, such as text for a number."""
    for key, kind in annotations(function).items():
        if key in content and not fits(content[key], kind):
            raise RecipeError(f"{table}.{key}: expected {in_words(kind)}, got {content[key]!r}")


def check_required(table: str, content: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Refuse a table without a key that the callable cannot do without."""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in content:
            raise RecipeError(f"{table}.{name}: missing; {function.__name__} needs it")


def check_tables(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Check every key of a recipe against the callables' signatures.

    Raises:
        RecipeError: naming the first key that is unknown or missing.
    """
    model, builder = model_class(tables["model"]), builder_of(tables["model"])
    check_keys("model", tables["model"], ("name", "builder", *arguments(builder)))
    check_values("model", tables["model"], builder)
    for key, known in (("likelihood", LIKELIHOODS), ("condition", CONDITIONS)):
        if key in tables["model"]:
            part(f"model.{key}", tables["model"][key], known)
    if "name" not in tables["data"]:
        raise RecipeError("data.name: missing; expected the name of a data set, such as digits")
    check_keys("data", tables["data"], arguments(load_data, without=("split",)))
    check_values("data", tables["data"], load_data)
    _check_objective(tables["objective"])
    bound = tables["objective"].get("bound", "elbo")
    if bound not in bounds_of(model):
        raise RecipeError(f"objective.bound: unknown {bound!r}{closest(str(bound), bounds_of(model))}")
    check_keys("training", tables["training"], arguments(TrainConfig))
    check_values("training", tables["training"], TrainConfig)
    known = ("split", *arguments(evaluate, without=("model", "x", "progress", "condition")))
    check_keys("evaluation", tables["evaluation"], known)
    check_values("evaluation", tables["evaluation"], evaluate)
    split = tables["evaluation"].get("split", "test")
    if split not in SPLITS:
        raise RecipeError(f"evaluation.split: unknown {split!r}{closest(str(split), SPLITS)}")


def _check_objective(content: Mapping[str, Any]) -> None:
    objective = OBJECTIVES[choose("objective", {"name": "NegativeElbo"} | dict(content), OBJECTIVES)]
    check_keys("objective", content, ("name", "bound", *arguments(objective)))
    check_values("objective", content, objective)
    check_required("objective", content, objective)
    for name, function in PARTS.items():
        if name in content:
            if not isinstance(content[name], Mapping):
                raise RecipeError(f"objective.{name}: expected a table, got {content[name]!r}")
            check_keys(f"objective.{name}", content[name], arguments(function))
            check_values(f"objective.{name}", content[name], function)
    _check_beta("objective.beta", content.get("beta", 1.0))
    for name, weight in content.get("weights", {}).items():
        if isinstance(weight, Mapping) and "schedule" not in weight:
            choose(f"objective.weights.{name}", weight, SCHEDULES, key="schedule")
        _check_beta(f"objective.weights.{name}", weight)


def _check_beta(where: str, beta: Any) -> None:  # noqa: ANN401  (any TOML value)
    if isinstance(beta, Mapping):
        if "schedule" in beta:
            schedule = SCHEDULES[choose(where, beta, SCHEDULES, key="schedule")]
            check_keys(where, beta, ("schedule", *arguments(schedule)))
            check_required(where, beta, schedule)
            check_values(where, beta, schedule)
            return
        if not beta or not all(re.fullmatch(r"z(\d+|_[a-z]+)", level) for level in beta):
            raise RecipeError(
                f"{where}: expected a number, a table with schedule, or one for each level (z1, z2, … or z_global, "
                f"z_local), got the keys {', '.join(beta) or 'none'}"
            )
        for level, value in beta.items():
            _check_beta(f"{where}.{level}", value)
    elif isinstance(beta, bool) or not isinstance(beta, int | float):
        raise RecipeError(f"{where}: expected a number or a table, got {beta!r}")
