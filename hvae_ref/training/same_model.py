"""Whether weights belong to a model: what their names and shapes do not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hvae_ref.nn.likelihoods import Likelihood
from hvae_ref.training.described import described, differences
from hvae_ref.training.weights import plain_name, unwrapped


def likelihoods_of(model: nn.Module) -> dict[str, Any]:
    """The likelihoods of a model by value, each under the name of the module that holds it.

    Their fixed numbers, such as the scale of `Normal`, are no weights, and weights trained with others mean nothing.

    >>> from hvae_ref.nn import Bernoulli, ConditionalLikelihood
    >>> likelihoods_of(ConditionalLikelihood(nn.Linear(2, 3), Bernoulli()))
    {'': {'class': 'Bernoulli'}}
    """
    found = {}
    for name, module in unwrapped(model).named_modules():
        likelihood = module.__dict__.get("likelihood")
        if isinstance(likelihood, Likelihood):
            # The class alone: a file must not depend on the module that it stands in.
            found[plain_name(name)] = described(likelihood) | {"class": type(likelihood).__name__}
    return found


def likelihood_differences(kept: Mapping[str, Any] | None, model: nn.Module) -> list[str]:
    """What differs between the likelihoods in a checkpoint and a model's, in words; nothing for old files without.

    Where the values are of one class, each number that differs is named.
    """
    return [] if kept is None else differences(kept, likelihoods_of(model), "likelihood")


def layers_of(model: nn.Module) -> dict[str, Any]:
    """What torch's own layers in a model are and how they are set, each under its name.

    Another activation, stride or padding leaves names and shapes of the weights as they are, and means another model.
    What drops values does so in training alone, and may change.

    >>> layers_of(nn.Sequential(nn.Linear(2, 3), nn.ELU(0.5)))["1"]
    {'class': 'ELU', 'alpha': 0.5}
    """
    found = {}
    for name, module in unwrapped(model).named_modules():
        own = type(module).__module__.startswith("torch.nn.modules") and not any(module.children())
        if own and "dropout" not in type(module).__module__:
            values = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(module).items()}
            left_out = _NOT_THE_FUNCTION + (_IN_THE_SHAPES if module._parameters else ())
            kept = {key: value for key, value in values.items() if key[0] != "_" and key not in left_out}
            plain = {key: value for key, value in kept.items() if isinstance(value, bool | int | float | str | list)}
            found[plain_name(name)] = {"class": type(module).__name__, **plain}
    return found


_NOT_THE_FUNCTION = ("training", "inplace")
_IN_THE_SHAPES = ("in_features", "out_features", "in_channels", "out_channels", "kernel_size", "num_features")


def layer_differences(kept: Mapping[str, Any] | None, model: nn.Module) -> list[str]:
    """What differs between the layers in a checkpoint and a model's, where both have them; nothing for old files."""
    if kept is None:
        return []
    now = layers_of(model)
    pairs = [(name, kept[name], now[name]) for name in kept.keys() & now.keys()]
    common = {name: old.keys() & new.keys() for name, old, new in pairs}  # another version of torch may have more
    before = {name: {key: old[key] for key in common[name]} for name, old, _ in pairs}
    return differences(before, {name: {key: new[key] for key in common[name]} for name, _, new in pairs}, "layer")


def description_of(model: nn.Module) -> dict[str, Any]:
    """What a checkpoint keeps of a model beside its weights."""
    return {"likelihoods": likelihoods_of(model), "layers": layers_of(model)}


def model_differences(kept: Mapping[str, Any], model: nn.Module, most: int = 6) -> list[str]:
    """What differs between such a description and a model's, in words."""
    lines = likelihood_differences(kept["likelihoods"], model)
    return (lines + layer_differences(kept["layers"], model))[:most]


def not_a_number(groups: Mapping[str, Mapping[str, Tensor] | None]) -> str | None:
    """The name of the first tensor among a checkpoint's weights that holds NaN, or None."""
    for group, weights in groups.items():
        for name, value in (weights or {}).items():
            if value.is_floating_point() and bool(value.isnan().any()):
                return f"{group}.{name}"
    return None
