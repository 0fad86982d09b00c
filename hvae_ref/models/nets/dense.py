"""The usual arrows, made of multilayer perceptrons: what the `dense` builders of all models share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import nn

from hvae_ref.errors import is_whole, real_number, whole_number
from hvae_ref.flows import FlowPosterior, build_flow
from hvae_ref.models.base import Shape
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.heads import ConditionalNormal
from hvae_ref.nn.layers import Flattened, Scale, mlp
from hvae_ref.nn.likelihoods import ConditionalLikelihood, Likelihood, check_likelihood, event_shape

Flow = str | Mapping[str, str] | None
"""A family's name for all levels, or names by level; levels without one keep their Gaussian."""

FLOW_CONTEXT = 64
"""Features of the context h(x) that a posterior's net gives its flow."""


def check_sizes(name: str, sizes: Sequence[int], least: int = 0) -> tuple[int, ...]:
    """A sequence of sizes as a tuple of Python's own whole numbers.

    Args:
        name: of the argument, for the error.
        sizes: whole numbers of at least 1.
        least: how many of them there must be.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise ValueError(f"{name}: expected a sequence of sizes such as ({sizes},), got {sizes!r}")
    sizes = tuple(sizes)
    if len(sizes) < least or not all(map(is_whole, sizes)):
        raise ValueError(f"{name}: expected at least {least} sizes of 1 or more, got {list(sizes)}")
    return tuple(int(size) for size in sizes)


def check_width(name: str, size: int | Sequence[int]) -> int:
    """One size, where every layer has the same; a sequence of one will do.

    Raises:
        ValueError: for anything else.
    """
    width, *more = check_sizes(name, (size,) if isinstance(size, str) or not isinstance(size, Iterable) else size, 1)
    if more:
        raise ValueError(f"{name}: expected one size, the width of all layers, got {size!r}")
    return width


def check_dims(latent_dims: Sequence[int], levels: int | None = None) -> tuple[int, ...]:
    """The sizes of the latents from the bottom up.

    Raises:
        ValueError: for sizes that are none, or another number of levels than `levels`.
    """
    dims = check_sizes("latent_dims", latent_dims, least=1)
    if levels is not None and len(dims) != levels:
        raise ValueError(
            f"latent_dims: expected {levels} level{'s' * (levels > 1)}, got {len(dims)}; for any number of levels see "
            "BottomUpVAE and TopDownVAE"
        )
    return dims


def names(dims: Sequence[int]) -> dict[str, int]:
    """Sizes from the bottom up, by level from the top down: {"z2": …, "z1": …}."""
    return {f"z{level}": dims[level - 1] for level in range(len(dims), 0, -1)}


def flow_names(flow: Flow, levels: Iterable[str]) -> dict[str, str | None]:
    """The family of each level's flow, or None.

    Raises:
        ValueError: for a level that the model doesn't have.
    """
    levels = tuple(levels)
    if flow is not None and not isinstance(flow, str | Mapping):
        raise ValueError(f"flow: expected a family's name, names by level, or None, got {flow!r}")
    families = dict.fromkeys(levels, flow) if isinstance(flow, str) else dict(flow or {})
    if unknown := sorted(set(families) - set(levels)):
        raise ValueError(f"flow: unknown level {', '.join(unknown)}; this model has {', '.join(levels)}")
    return {level: families.get(level) for level in levels}


def values(x_shape: Shape) -> int:
    """D, how many values an example has."""
    return math.prod(event_shape(x_shape))


def net(
    into: Sequence[Shape],
    hidden: Sequence[int],
    outputs: int,
    dropout: float = 0.0,
    norm: bool = False,
    then: Sequence[nn.Module] = (),
    scale: float = 1.0,
) -> nn.Module:
    """A multilayer perceptron of one or several inputs, images among them flattened.

    Args:
        into: shapes of what it is called with; after the first, a size of 0 stands for nothing, such as no condition.
        hidden: sizes of the hidden layers.
        outputs: size of what it returns.
        dropout: probability of dropping a hidden unit while training.
        norm: whether its input, all parts side by side, goes through a layer norm first.
        then: layers after the last one.
        scale: factor on the first input.
    """
    real_number("dropout", dropout, least=0)
    sizes = [values(into[0]), *(values(shape) for shape in into[1:] if shape)]
    body = mlp([sum(sizes), *hidden, outputs], dropout)
    if norm or then:
        body = nn.Sequential(*([nn.LayerNorm(sum(sizes))] if norm else []), body, *then)
    if len(sizes) > 1 or len(event_shape(into[0])) > 1:
        return Flattened(body, scale)
    return body if scale == 1.0 else nn.Sequential(Scale(scale), body)


def pixels(
    x_shape: Shape,
    into: Sequence[Shape],
    hidden: Sequence[int],
    likelihood: Likelihood,
    dropout: float = 0.0,
    norm: bool = False,
    scale: float = 1.0,
) -> ConditionalLikelihood:
    """p(x|·) from a multilayer perceptron; arguments as in `net`."""
    check_likelihood(likelihood)
    channels, *size = event_shape(x_shape)
    then = [nn.Unflatten(1, (channels * likelihood.outputs, *size))] if size else []
    outputs = values(x_shape) * likelihood.outputs
    return ConditionalLikelihood(net(into, hidden, outputs, dropout, norm, then, scale), likelihood)


def size_of(condition: Condition | None) -> int:
    """C, how many numbers a condition adds to what a net sees.

    Raises:
        ValueError: for what is no condition.
    """
    if condition is not None and not isinstance(condition, nn.Module):
        raise ValueError(f"condition: expected a Condition such as Labels(10), or None, got {condition!r}")
    return 0 if condition is None else condition.size


def posterior(
    net: Callable[[int], nn.Module], size: int, flow: str | None, steps: int
) -> ConditionalNormal | FlowPosterior:
    """q(z|·) of one level, from a function that builds a net with a given number of outputs.

    Args:
        net: called with the number of outputs that the posterior needs.
        size: D of the level.
        flow: family of its flow, or None for a Gaussian.
        steps: length of the flow.

    Raises:
        ValueError: for an unknown family, or fewer than one step.
    """
    if flow is None:
        return ConditionalNormal(net(2 * size))
    steps = whole_number("flow_steps", steps)
    return FlowPosterior(net(2 * size + FLOW_CONTEXT), build_flow(flow, size, FLOW_CONTEXT, steps))
