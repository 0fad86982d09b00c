"""The positions of a pyramid as a graph whose edges all point one way: from what is drawn earlier to what is later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hvae_ref.features.density.attention import Window, window

Shape = tuple[int, int]

ORDER = {1: ((0,),), 2: ((0, 1), (1, 0)), 4: ((0, 2), (3, 1))}
"""For each number of colours, the colour of a position by row and column, over and over.

Two make a checkerboard. With four the second colour has the first on its diagonals, the third both beside it, and the
last is surrounded: nearest neighbours never share a colour, nor do diagonal ones.
"""

SPACE, LEVEL = 0, 1
"""Kinds of edges: from a neighbour in the same map, and from a position of the next coarser one."""


@dataclass(frozen=True)
class Group:
    """Nodes drawn together: none of them has an edge to another.

    Attributes:
        level: whose positions they are.
        nodes: their numbers, which follow each other.
        positions: where they lie in the level's map, counted row by row.
    """

    level: str
    nodes: slice
    positions: Int[Tensor, " nodes"]


@dataclass(frozen=True)
class GraphLayout:
    r"""A directed acyclic graph over the positions of all levels, the same for every image of a size.

    Nodes are numbered in the order they are drawn in: the coarsest level first, in a level one colour after the other,
    in a colour row by row. An edge j → i always has j < i. Edges are sorted by where they end.

    Attributes:
        groups: runs of nodes in the order of drawing.
        node_of: the node of each position of a level, counted row by row.
        rank: the level of each node, 0 the coarsest.
        colour: of each node.
        place: row and column of each node's centre, from −1 to 1 over the map.
        edge_index: from where, to where.
        edge_type: of each edge, a row of the next two.
        offset: (dy, dx) from where the edge ends to where it starts, in cells of the coarser grid of the two.
        relation: 2 · rank of the level it ends in + its kind, `SPACE` or `LEVEL`.
        first_edge: for each node the number of the first edge that ends in it, and at last the number of edges.
    """

    groups: tuple[Group, ...]
    node_of: dict[str, Int[Tensor, " positions"]]
    rank: Int[Tensor, " nodes"]
    colour: Int[Tensor, " nodes"]
    place: Float[Tensor, "nodes 2"]
    edge_index: Int[Tensor, "2 edges"]
    edge_type: Int[Tensor, " edges"]
    offset: Float[Tensor, "types 2"]
    relation: Int[Tensor, " types"]
    first_edge: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.rank)

    def edges_into(self, start: int, stop: int) -> tuple[Int[Tensor, "2 edges"], Int[Tensor, " edges"]]:
        """Edges that end in nodes start … stop − 1, with ends counted from `start`, and their types."""
        run = slice(self.first_edge[start], self.first_edge[stop])
        source, target = self.edge_index[:, run]
        return torch.stack([source, target - start]), self.edge_type[run]


def graph_layout(shapes: Mapping[str, Shape], colours: int, device: torch.device | None = None) -> GraphLayout:
    """The graph of a pyramid: eight neighbours in space as far as they come before, nine or more in the coarser level.

    A node has at most 8 + 9 edges to it where no level is larger than the next finer one, so that nodes, edges and the
    time to find them are linear in positions. Layouts of sizes seen before are remembered.

    Args:
        shapes: (H, W) of each level, fine to coarse, of any sizes.
        colours: 1, 2 or 4; with 1 there is no edge inside a level.
        device: of its tensors.

    Raises:
        ValueError: for another number of colours, no level, or a map without positions.
    """
    if colours not in ORDER:
        raise ValueError(f"colours: expected 1, 2 or 4, got {colours}")
    if not shapes or min(min(shape) for shape in shapes.values()) < 1:
        raise ValueError(f"shapes: expected at least one level, each with at least one position, got {dict(shapes)}")
    sizes = tuple((level, (int(shape[0]), int(shape[1]))) for level, shape in shapes.items())
    # A remembered layout may serve again where gradients are taken, which tensors of inference mode do not allow.
    with torch.inference_mode(False):
        return _layout(sizes, colours, torch.device("cpu") if device is None else device)


@lru_cache(maxsize=16)
def _layout(sizes: tuple[tuple[str, Shape], ...], colours: int, device: torch.device) -> GraphLayout:
    groups: list[Group] = []
    node_of: dict[str, Tensor] = {}
    parts: dict[str, list[Tensor]] = {name: [] for name in ("rank", "colour", "place", "edges", "attributes")}
    count, coarser = 0, None
    for rank, (level, shape) in enumerate(reversed(sizes)):
        positions = torch.arange(shape[0] * shape[1])
        colour = _colours(shape, colours)
        order = colour.argsort(stable=True)
        node_of[level] = torch.empty_like(positions)
        node_of[level][order] = count + positions
        for run in order.split(torch.bincount(colour, minlength=colours).tolist()):
            if len(run):
                groups.append(Group(level, slice(count, count + len(run)), run.to(device)))
                count += len(run)
        around = window(shape, shape, positions)
        before = around.inside & (colour[around.index] < colour.unsqueeze(-1))
        found = [_edges(around, before, node_of[level], node_of[level], 2 * rank + SPACE)]
        if coarser is not None:
            above = window(shape, coarser[1], positions)
            found.append(_edges(above, above.inside, node_of[coarser[0]], node_of[level], 2 * rank + LEVEL))
        for edges, attributes in found:
            parts["edges"].append(edges)
            parts["attributes"].append(attributes)
        parts["rank"].append(torch.full_like(positions, rank))
        parts["colour"].append(colour[order])
        parts["place"].append(_places(shape)[order])
        coarser = (level, shape)
    edge_index = torch.cat(parts["edges"], 1)
    # By where they end, then by where they start: sums run in the same order however the nodes are split.
    order = (edge_index[1] * count + edge_index[0]).argsort()
    edge_index = edge_index[:, order]
    types, edge_type = torch.cat(parts["attributes"])[order].unique(dim=0, return_inverse=True)
    first = torch.searchsorted(edge_index[1].contiguous(), torch.arange(count + 1))
    return GraphLayout(
        tuple(groups),
        {level: nodes.to(device) for level, nodes in node_of.items()},
        torch.cat(parts["rank"]).to(device),
        torch.cat(parts["colour"]).to(device),
        torch.cat(parts["place"]).to(device),
        edge_index.to(device),
        edge_type.to(device),
        types[:, :2].contiguous().to(device),
        types[:, 2].long().to(device),
        tuple(first.tolist()),
    )


def _colours(shape: Shape, colours: int) -> Tensor:
    """The colour of each position, counted row by row."""
    tile = torch.tensor(ORDER[colours])
    row, column = (torch.arange(size).remainder(side) for size, side in zip(shape, tile.shape, strict=True))
    return tile[row[:, None], column].flatten()


def _places(shape: Shape) -> Tensor:
    """Row and column of each position's centre from −1 to 1, (H·W, 2)."""
    axes = [(2 * torch.arange(size) + 1) / size - 1 for size in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, 1)


def _edges(around: Window, taken: Tensor, sources: Tensor, targets: Tensor, relation: int) -> tuple[Tensor, Tensor]:
    """Edges (2, E) from the cells of windows that are taken, and their attributes (dy, dx, relation), (E, 3)."""
    source = sources[around.index[taken]]
    target = targets.unsqueeze(-1).expand_as(around.index)[taken]
    offset = around.offset[taken]
    return torch.stack([source, target]), torch.cat([offset, torch.full_like(offset[:, :1], relation)], 1)
