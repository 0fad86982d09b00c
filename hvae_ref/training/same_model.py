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


def not_a_number(groups: Mapping[str, Mapping[str, Tensor] | None]) -> str | None:
    """The name of the first tensor among a checkpoint's weights that holds NaN, or None."""
    for group, weights in groups.items():
        for name, value in (weights or {}).items():
            if value.is_floating_point() and bool(value.isnan().any()):
                return f"{group}.{name}"
    return None
