"""Which posterior each level of a model gets: a Gaussian, or a Gaussian bent by a flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torch import nn

from hvae_ref.flows import FlowPosterior, build_flow
from hvae_ref.nn.heads import ConditionalNormal

Flow = str | Mapping[str, str] | None
"""A family's name for all levels, or names by level; levels without one keep their Gaussian."""

FLOW_CONTEXT = 64
"""Features of the context h(x) that a posterior's net gives its flow."""


def flow_names(flow: Flow, levels: Iterable[str]) -> dict[str, str | None]:
    """The family of each level, or None.

    Raises:
        ValueError: for a level that the model doesn't have.
    """
    levels = tuple(levels)
    names = dict.fromkeys(levels, flow) if isinstance(flow, str) else dict(flow or {})
    if unknown := sorted(set(names) - set(levels)):
        raise ValueError(f"flow: unknown level {', '.join(unknown)}; this model has {', '.join(levels)}")
    return {level: names.get(level) for level in levels}


def conditional_posterior(
    net: Callable[[int], nn.Module], dim: int, flow: str | None, steps: int
) -> ConditionalNormal | FlowPosterior:
    """q(z|·) of one level, from a function that builds a net with a given number of outputs.

    Args:
        net: called with the number of outputs that the posterior needs.
        dim: D of the level.
        flow: family of its flow, or None for a Gaussian.
        steps: length of the flow.

    Raises:
        ValueError: for an unknown family, or fewer than one step.
    """
    if flow is None:
        return ConditionalNormal(net(2 * dim))
    return FlowPosterior(net(2 * dim + FLOW_CONTEXT), build_flow(flow, dim, FLOW_CONTEXT, steps))
