"""Which variables a factor of a model reads, found by differentiating it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

_SHARE = 1e-3  # of the whole gradient: what is left below it after a subtraction in float32 is rounding


@dataclass(frozen=True)
class DependencyGraph:
    """The arrows of a model, each as (from, to) with names such as "z2", "z1" and "x".

    Attributes:
        levels: names of the latents, top to bottom.
        generative: arrows of p; those from "c" where the model has a condition.
        inference: arrows of q.
    """

    levels: tuple[str, ...]
    generative: frozenset[tuple[str, str]]
    inference: frozenset[tuple[str, str]]


def dependency_graph(model: nn.Module, x: Tensor, condition: Tensor | None = None) -> DependencyGraph:
    """Find a model's arrows: a factor reads a variable where its parameters have a gradient by it.

    A variable that reaches a factor through others only has no arrow to it: in q(z1|x) q(z2|z1), z2 moves with x, but
    what x does to z2 by way of z1 is subtracted before the gradient is looked at.

    Args:
        model: a `LatentVariableModel` whose latents are drawn with `rsample`.
        x: (B, D) images at which to differentiate.
        condition: (B, C) or (1, C), for a model of p(x|c); the variable "c".

    Returns:
        The arrows of p and of q.

    >>> from hvae_ref.models import VAE
    >>> sorted(dependency_graph(VAE.dense(6, (2,), hidden=(8,)), torch.ones(4, 6)).inference)
    [('x', 'z1')]
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        given = {} if condition is None else {"c": condition.detach().clone().requires_grad_()}
        return DependencyGraph(tuple(model.levels), _generative(model, x, given), _inference(model, x, given))


def _generative(model: nn.Module, x: Tensor, condition: dict[str, Tensor]) -> frozenset[tuple[str, str]]:
    """Every latent is a leaf here, so gradients by it are direct ones."""
    given = dict(condition)
    found: set[tuple[str, str]] = set()

    def look(name: str, factor: Distribution) -> None:
        for part in _parameters(factor):
            found.update((above, name) for above, z in given.items() if _is_there(_gradient(part, z)))

    def source(level: str, prior: Distribution, state: Tensor | None) -> Tensor:
        look(level, prior)
        given[level] = prior.sample().requires_grad_()
        return given[level]

    c = model.observe.given(condition.get("c"), len(x))
    look("x", model.ancestral_pass(source, len(x), c))
    return frozenset(found)


def _inference(model: nn.Module, x: Tensor, condition: dict[str, Tensor]) -> frozenset[tuple[str, str]]:
    x = x.detach().clone().requires_grad_()
    inference = model.infer(x, condition=condition.get("c"))
    q, z = inference.q, inference.z
    order = _order_of_drawing(z)
    found: set[tuple[str, str]] = set()
    for place, level in enumerate(order):
        before = condition | {"x": x} | {name: z[name] for name in order[:place]}
        for part in _parameters(q[level]):
            found.update((name, level) for name in _read_directly(part, before))
    return frozenset(found)


def _read_directly(part: Tensor, before: dict[str, Tensor]) -> list[str]:
    """Names of the variables that `part` reads, out of those drawn before it, the first ones first."""
    direct: dict[str, Tensor] = {}
    names = []
    for name, variable in reversed(before.items()):
        total = _gradient(part, variable)
        left = total
        for nearer, weights in direct.items():
            (through,) = torch.autograd.grad(before[nearer], variable, weights, retain_graph=True, allow_unused=True)
            if left is not None and through is not None:
                left = left - through
        if left is not None and _is_there(left, _SHARE * float(total.abs().max())):
            direct[name] = left
            names.append(name)
    return names


def _order_of_drawing(z: dict[str, Tensor]) -> Sequence[str]:
    """Top to bottom where the bottom level was drawn given the top one, else bottom to top."""
    levels = tuple(z)
    return levels if _gradient(z[levels[-1]], z[levels[0]]) is not None else levels[::-1]


def _parameters(factor: Distribution) -> list[Tensor]:
    while isinstance(factor, Independent):
        factor = factor.base_dist
    return [getattr(factor, name) for name in factor.arg_constraints if name in factor.__dict__]


def _gradient(of: Tensor, by: Tensor) -> Tensor | None:
    if not of.requires_grad:
        return None
    return torch.autograd.grad(of.sum(), by, retain_graph=True, allow_unused=True)[0]


def _is_there(gradient: Tensor | None, floor: float = 0.0) -> bool:
    return gradient is not None and bool(gradient.abs().max() > floor)
