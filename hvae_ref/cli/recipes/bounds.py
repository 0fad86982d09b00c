"""The bounds that a recipe can name: what a run is trained with instead of `model.elbo`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hvae_ref.data import Examples
from hvae_ref.elbo import Elbo
from hvae_ref.training import elbo_of_model


@dataclass(frozen=True)
class NamedBound:
    """A bound that a recipe can name.

    Attributes:
        function: of the model and a batch.
        models: names of the classes that it is for, and for those derived from them; None for all. Names, because a
            topic's models are imported only where a recipe uses them.
        auxiliary: whether it brings auxiliary terms made of the batch's targets.
    """

    function: Callable[[Any, Examples], Elbo]
    models: tuple[str, ...] | None = None
    auxiliary: bool = False


def elbo_with_targets(model: Any, batch: Examples) -> Elbo:  # noqa: ANN401
    """The ELBO of a response model, and beside it what its heads learn of the targets; eq. 6.7 in the book."""
    return model.elbo_with_targets(batch.x, condition=batch.condition, **batch.targets)


def mistaken_shortcut(model: Any, batch: Examples) -> Elbo:  # noqa: ANN401
    """The first mistaken bound of chapter 2."""
    return model.mistaken_shortcut(batch.x, condition=batch.condition)


def mistaken_standard_normal_kl(model: Any, batch: Examples) -> Elbo:  # noqa: ANN401
    """The second mistaken bound of chapter 2."""
    return model.mistaken_standard_normal_kl(batch.x, condition=batch.condition)


BOUNDS = {
    "elbo": NamedBound(elbo_of_model),
    "elbo_with_targets": NamedBound(elbo_with_targets, ("ResponseModel",), auxiliary=True),
    "mistaken_shortcut": NamedBound(mistaken_shortcut, ("TwoLevelVAE",)),
    "mistaken_standard_normal_kl": NamedBound(mistaken_standard_normal_kl, ("TwoLevelVAE",)),
}


def bounds_of(model: type) -> tuple[str, ...]:
    """Names of the bounds that a class of models can be trained with.

    >>> from hvae_ref.models import TwoLevelVAE
    >>> bounds_of(TwoLevelVAE)
    ('elbo', 'mistaken_shortcut', 'mistaken_standard_normal_kl')
    """
    ancestors = {ancestor.__name__ for ancestor in model.__mro__}
    return tuple(name for name, bound in BOUNDS.items() if bound.models is None or ancestors & set(bound.models))
