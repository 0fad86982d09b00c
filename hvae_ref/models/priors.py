"""What the priors of a model are over: event shape and support of every latent, read on one walk with one example."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from hvae_ref.nn.eval_mode import eval_mode
from hvae_ref.nn.likelihoods import refuse_half

Priors = dict[str, tuple[torch.Size, Constraint]]
"""Event shape and support of every latent, top to bottom."""


def read_priors(model: Any) -> Priors:  # noqa: ANN401  (a LatentVariableModel, which stands above this)
    """Event shape and support of every latent, from a walk down and up with one example.

    Raises:
        ValueError: where the arrows do not fit each other.
    """
    found: Priors = {}

    def note(level: str, p: Distribution, state: Any) -> Tensor:  # noqa: ANN401
        found[level] = (p.event_shape, p.support)
        return p.sample()

    refuse_half(model.like.dtype)
    with eval_mode(model):
        example = None if model.observe.condition is None else model.observe.condition.example(1)
        try:
            p_x = model.ancestral_pass(note, 1, model.observe.given(example, 1))
            if p_x.event_shape != model.x_shape:
                raise ValueError(f"p(x|·): expected events of shape {model.x_shape}, x's, got {p_x.event_shape}")
            q = model.infer(p_x.sample().to(model.like.dtype), condition=example).q
        except RuntimeError as error:
            place = f"after {', '.join(found)}" if found else "at the top"
            raise ValueError(f"nets: one does not fit what it is given, {place}: {error}") from error
    for level, (shape, _) in found.items():
        if q[level].event_shape != shape:
            raise ValueError(f"q({level}|·): expected its prior's event shape {shape}, got {q[level].event_shape}")
    return found


class KnownPriors:
    """The priors of a model as long as it is made of the same modules; read anew once one of them is another."""

    def __init__(self) -> None:
        self._modules: tuple[nn.Module, ...] = ()
        self._found: Priors = {}

    def of(self, model: nn.Module) -> Priors:
        """What `read_priors` finds."""
        modules = tuple(model.modules())
        same = len(modules) == len(self._modules) and all(map(lambda a, b: a is b, modules, self._modules))
        if not same:
            self._found = read_priors(model)
            self._modules = modules
        return self._found
