"""Exercise 7.6: who reads whom?

Asked for are a boolean mask (nodes, nodes), which node's parameters may depend on which feature, and whether the
product of all conditionals is a density.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.ch07.specimens import graphs_of_every_kind
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.inputs import size
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_SECTION = "May neighbours speak to each other?"
Reads = tuple[Tensor, bool]


def _edges(sources: Tensor, targets: Tensor, nodes: int) -> Tensor:
    """E[i, j] = 1 for an edge from j to i."""
    edges = torch.zeros(nodes, nodes, dtype=torch.int64)
    edges[targets, sources] = 1
    return edges


def _paths(edges: Tensor, least: int, most: int) -> Tensor:
    """Whether a path of `least` to `most` edges leads from j to i."""
    found, power = torch.zeros_like(edges), torch.eye(len(edges), dtype=edges.dtype)
    for length in range(most + 1):
        if length >= least:
            found = found | power
        power = (edges @ power).clamp(max=1)
    return found.bool()


def _acyclic(edges: Tensor) -> bool:
    return not _paths(edges, 1, len(edges)).diagonal().any()


def _reads(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
    edges = _edges(sources, targets, nodes)
    return _paths(edges, 1, layers), _acyclic(edges)


def _graph(rng: np.random.Generator) -> tuple[Tensor, Tensor, int, int]:
    nodes = int(rng.integers(3, 10))
    order = rng.permutation(nodes)  # the nodes' numbers are not their order
    share = float(rng.uniform(0.15, 0.5))
    edges = {(a, b) for i, a in enumerate(order) for b in order[i + 1 :] if rng.random() < share}
    form = rng.random()
    if form < 0.35:  # a chain, the deepest graph there is
        edges |= set(zip(order[:-1], order[1:], strict=True))
    elif form < 0.5:
        edges = {(order[0], order[1])}
    if rng.random() < 0.5:
        around = order[: rng.choice([2, 3, nodes])]
        edges = edges if rng.random() < 0.5 else set()  # a long circle is seen only where no edge makes it shorter
        edges |= set(zip(around, np.roll(around, -1), strict=True))
    edges = edges or {(order[0], order[1])}
    shuffled = rng.permutation(np.array(sorted(edges), dtype=np.int64))
    return torch.as_tensor(shuffled[:, 0]), torch.as_tensor(shuffled[:, 1]), nodes, size(rng, high=4)


wrong = Misconceptions(_SECTION)


def _with_verdict(verdict: Callable[[Tensor, Tensor], bool]) -> Callable[..., Reads]:
    """The answer, with another verdict, from the edges and the mask."""

    def reads(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
        edges = _edges(sources, targets, nodes)
        mask = _paths(edges, 1, layers)
        return mask, bool(verdict(edges, mask))

    return reads


@wrong("D6", into=_with_verdict)
def _nobody_reads_itself(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right. That no node reads itself *within these layers* is not enough: with one layer, p(a | b) p(b |
    a) reads nobody's own value either, and is no density of a and b.
    """
    return not mask.diagonal().any()


@wrong("D6", into=_with_verdict)
def _no_two_read_each_other(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right. Two nodes that read each other are one kind of circle; three that read each other in turn are
    another, and a longer one shows only after more layers. What has to be true of the graph itself?
    """
    return not (mask & mask.T).any()


@wrong("D6", into=_with_verdict)
def _no_edge_both_ways(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right. Edges in both directions are one kind of circle. There are longer ones."""
    return not (edges & edges.T).any()


@wrong("D6", into=_with_verdict)
def _in_the_order_of_numbers(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right. For the verdict you have taken the nodes' numbers for their order. Any order will do, as long
    as there is one.
    """
    return not edges.triu().any()


@wrong("D6", into=_with_verdict)
def _always_true(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right, and every product is called a density. Each factor integrates to one over its own node; which
    integral can be done first, if a's factor holds b and b's factor holds a?
    """
    return True


@wrong("D6", into=_with_verdict)
def _always_false(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right, and nothing is called a density. Some of these graphs have an order in which the integrals can
    be done one by one, each giving one.
    """
    return False


@wrong("D6", into=_with_verdict)
def _turned_round(edges: Tensor, mask: Tensor) -> bool:
    """The mask is right, and the verdict is turned round: True where there is a circle."""
    return not _acyclic(edges)


def _with_mask(mask: Callable[[Tensor, int], Tensor]) -> Callable[..., Reads]:
    """The answer, with another mask."""

    def reads(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
        edges = _edges(sources, targets, nodes)
        return mask(edges, layers), _acyclic(edges)

    return reads


@wrong("D6", into=_with_mask)
def _sources_alone(edges: Tensor, layers: int) -> Tensor:
    """These are the sources of the edges, as after one layer. In a second layer a message also carries what its sender
    has heard.
    """
    return edges.bool()


@wrong("D6")
def _sources_alone_and_always_true(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
    """These are the sources of the edges, as after one layer; and every product is called a density. What does a second
    layer carry on? And what if a reads b and b reads a?
    """
    return _edges(sources, targets, nodes).bool(), True


@wrong("D6", into=_with_mask)
def _all_ancestors(edges: Tensor, layers: int) -> Tensor:
    """These are all ancestors. A message takes one edge a layer: what is further away than there are layers has not
    arrived.
    """
    return _paths(edges, 1, len(edges))


@wrong("D6", into=_with_mask)
def _at_exactly_so_many_edges(edges: Tensor, layers: int) -> Tensor:
    """These are the nodes at exactly so many edges. What arrived in the first layer is not forgotten in the second."""
    return _paths(edges, layers, layers)


@wrong("D6", into=_with_mask)
def _itself_as_well(edges: Tensor, layers: int) -> Tensor:
    """Every node reads itself here. With f_i in its own parameters p(f_i | …) is no density of f_i; f_i leaves its node
    along edges, and does not stay.
    """
    return _paths(edges, 0, layers)


@wrong("D6", into=_with_mask)
def _diagonal_cleared(edges: Tensor, layers: int) -> Tensor:
    """The diagonal has been cleared. But where a circle is short enough a node *does* read itself, and that is what the
    mask should show.
    """
    return _paths(edges, 1, layers).fill_diagonal_(False)


@wrong("D6", into=_with_mask)
def _rows_and_columns_exchanged(edges: Tensor, layers: int) -> Tensor:
    """This mask has who is read in its rows. Row i is to say whom i reads; so which way do the edges run?"""
    return _paths(edges.T, 1, layers)


@wrong("D6", into=_with_mask)
def _in_both_directions(edges: Tensor, layers: int) -> Tensor:
    """The edges are used in both directions, as neighbours in an undirected graph. Then everybody hears from everybody,
    and after two layers also his own echo.
    """
    return _paths(edges | edges.T, 1, layers)


@wrong("D6")
def _in_both_directions_and_always_false(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
    """The edges are used in both directions, and then there is a circle between any two neighbours, so nothing is a
    density. Here an edge leads from its source to its target, and not back.
    """
    edges = _edges(sources, targets, nodes)
    return _paths(edges | edges.T, 1, layers), False


@wrong("D6", into=_with_mask)
def _one_layer_more(edges: Tensor, layers: int) -> Tensor:
    """One layer too many: a message takes one edge a layer."""
    return _paths(edges, 1, layers + 1)


@wrong("D6", into=_with_mask)
def _one_layer_less(edges: Tensor, layers: int) -> Tensor:
    """One layer is missing: in the first layer the direct sources are heard already."""
    return _paths(edges, 1, layers - 1)


@wrong("D6", into=_with_mask)
def _counts(edges: Tensor, layers: int) -> Tensor:
    """These are numbers of paths. Asked for is whether there is one."""
    return torch.stack([torch.linalg.matrix_power(edges, length) for length in range(1, layers + 1)]).sum(0)


@wrong("D6", into=_with_mask)
def _inverted(edges: Tensor, layers: int) -> Tensor:
    """The mask is turned round: True where nothing is read."""
    return ~_paths(edges, 1, layers)


EXERCISE = Exercise(
    id="7.6",
    title="Who reads whom?",
    kind="implement",
    section=_SECTION,
    reference=_reads,
    inputs=_graph,
    edge_cases=graphs_of_every_kind,
    misconceptions=wrong,
)
