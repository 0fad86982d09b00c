"""Exercise of chapter 7 on which nodes of a graph may be read: 7.6."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import size

_GRAPH = "May neighbours speak to each other?"

Reads = tuple[Tensor, bool]


def _graph(rng: np.random.Generator) -> tuple[Tensor, Tensor, int, int]:
    nodes = int(rng.integers(3, 10))
    order = rng.permutation(nodes)  # numbers say nothing about who comes first
    share = float(rng.uniform(0.15, 0.5))
    edges = {(a, b) for i, a in enumerate(order) for b in order[i + 1 :] if rng.random() < share}
    form = rng.random()
    if form < 0.35:  # a chain is as deep as a graph can be
        edges |= set(zip(order[:-1], order[1:], strict=True))
    elif form < 0.5:
        edges = {(order[0], order[1])}
    if rng.random() < 0.5:
        around = order[: rng.choice([2, 3, nodes])]
        edges = edges if rng.random() < 0.5 else set()  # a long way round shows only where nothing shortens it
        edges |= set(zip(around, np.roll(around, -1), strict=True))
    edges = edges or {(order[0], order[1])}
    shuffled = rng.permutation(np.array(sorted(edges), dtype=np.int64))
    return torch.as_tensor(shuffled[:, 0]), torch.as_tensor(shuffled[:, 1]), nodes, size(rng, high=4)


def _edges(sources: Tensor, targets: Tensor, nodes: int) -> Tensor:
    """E[i, j] = 1 for an edge from j to i."""
    edges = torch.zeros(nodes, nodes, dtype=torch.int64)
    edges[targets, sources] = 1
    return edges


def _paths(edges: Tensor, least: int, most: int) -> Tensor:
    """Whether a path of so many edges leads from j to i."""
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


def _with_mask(mask: Callable[[Tensor, int], Tensor]) -> Callable[..., Reads]:
    """The answer, with another mask."""

    def reads(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
        edges = _edges(sources, targets, nodes)
        return mask(edges, layers), _acyclic(edges)

    return reads


def _with_verdict(verdict: Callable[[Tensor, Tensor], bool]) -> Callable[..., Reads]:
    """The answer, with another verdict, from the edges and the mask."""

    def reads(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
        edges = _edges(sources, targets, nodes)
        mask = _paths(edges, 1, layers)
        return mask, bool(verdict(edges, mask))

    return reads


def _with_both(mask: Callable[[Tensor, int], Tensor], verdict: bool) -> Callable[..., Reads]:
    """Another mask, and the same verdict on every graph."""

    def reads(sources: Tensor, targets: Tensor, nodes: int, layers: int) -> Reads:
        return mask(_edges(sources, targets, nodes), layers), verdict

    return reads


def _counts(edges: Tensor, layers: int) -> Tensor:
    return torch.stack([torch.linalg.matrix_power(edges, length) for length in range(1, layers + 1)]).sum(0)


def _in_the_order_of_numbers(edges: Tensor, mask: Tensor) -> bool:
    return not edges.triu().any()


ON_THE_GRAPH: tuple[Exercise, ...] = (
    Exercise(
        id="7.6",
        title="Who reads whom?",
        kind="implement",
        section=_GRAPH,
        reference=_reads,
        inputs=_graph,
        misconceptions=(
            Misconception(
                "D6",
                _with_verdict(lambda edges, mask: not mask.diagonal().any()),
                "The mask is right. That no node reads itself *within these layers* is not enough: with one layer, "
                "p(a | b) p(b | a) reads nobody's own value either, and is no density of a and b.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_verdict(lambda edges, mask: not (mask & mask.T).any()),
                "The mask is right. Two nodes that read each other are one kind of circle; three that read each other "
                "in turn are another, and a longer one shows only after more layers. What has to be true of the graph "
                "itself?",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_verdict(lambda edges, mask: not (edges & edges.T).any()),
                "The mask is right. Edges in both directions are one kind of circle. There are longer ones.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_verdict(_in_the_order_of_numbers),
                "The mask is right. For the verdict you have taken the nodes' numbers for their order. Any order will "
                "do, as long as there is one.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_verdict(lambda edges, mask: True),
                "The mask is right, and every product is called a density. Each factor integrates to one over its own "
                "node; which integral can be done first, if a's factor holds b and b's factor holds a?",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_verdict(lambda edges, mask: False),
                "The mask is right, and nothing is called a density. Some of these graphs have an order in which the "
                "integrals can be done one by one, each giving one.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_verdict(lambda edges, mask: not _acyclic(edges)),
                "The mask is right, and the verdict is turned round: True where there is a circle.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: edges.bool()),
                "These are the sources of the edges, as after one layer. In a second layer a message also carries "
                "what its sender has heard.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_both(lambda edges, layers: edges.bool(), True),
                "These are the sources of the edges, as after one layer; and every product is called a density. What "
                "does a second layer carry on? And what if a reads b and b reads a?",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges, 1, len(edges))),
                "These are all ancestors. A message takes one edge a layer: what is further away than there are "
                "layers has not arrived.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges, layers, layers)),
                "These are the nodes at exactly so many edges. What arrived in the first layer is not forgotten in "
                "the second.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges, 0, layers)),
                "Every node reads itself here. With f_i in its own parameters p(f_i | …) is no density of f_i; f_i "
                "leaves its node along edges, and does not stay.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges, 1, layers).fill_diagonal_(False)),
                "The diagonal has been cleared. But where a circle is short enough a node *does* read itself, and "
                "that is what the mask should show.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges.T, 1, layers)),
                "This mask has who is read in its rows. Row i is to say whom i reads; so which way do the edges run?",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges | edges.T, 1, layers)),
                "The edges are used in both directions, as neighbours in an undirected graph. Then everybody hears "
                "from everybody, and after two layers also his own echo.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_both(lambda edges, layers: _paths(edges | edges.T, 1, layers), False),
                "The edges are used in both directions, and then there is a circle between any two neighbours, so "
                "nothing is a density. Here an edge leads from its source to its target, and not back.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges, 1, layers + 1)),
                "One layer too many: a message takes one edge a layer.",
                _GRAPH,
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: _paths(edges, 1, layers - 1)),
                "One layer is missing: in the first layer the direct sources are heard already.",
                _GRAPH,
            ),
            Misconception(
                "D6", _with_mask(_counts), "These are numbers of paths. Asked for is whether there is one.", _GRAPH
            ),
            Misconception(
                "D6",
                _with_mask(lambda edges, layers: ~_paths(edges, 1, layers)),
                "The mask is turned round: True where nothing is read.",
                _GRAPH,
            ),
        ),
    ),
)
