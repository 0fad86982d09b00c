"""Message passing along a directed graph of positions, with PyTorch Geometric."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hvae_ref.errors import optional_import
from hvae_ref.features.density.graph_layout import GraphLayout, Group
from hvae_ref.models.top_down_model import ResidualBlock
from hvae_ref.nn.layers import mlp

with warnings.catch_warnings():
    # It scripts some of its classes on import, which newer torch warns of.
    warnings.simplefilter("ignore")
    optional_import("torch_geometric", extra="features", wanted_by="hvae_ref.features.SpatialGraphDensity")
    from torch_geometric.nn import MessagePassing

NUMBERS_AT_ONCE = 2**22
"""Numbers that the messages computed together may hold: 16 MiB in float32, a few times over."""


class MessageLayer(MessagePassing):
    r"""One round: c_i ← block(c_i + W mean_{j → i} m_ij) with m_ij = g(e_ij) ∘ V [v_j, c_j]; eq. 7.8 in the book.

    v_j is a function of the feature of node j alone, c_j of the messages that j has received. The edge's attributes
    e_ij are the offset from i to j, and whether j lies in the same map or in the coarser one; the gate g multiplies
    each channel of the message by a function of them. That is a convolution whose filter is a net, defined for any
    offset. The context of i never depends on what i sends.

    States stand as (nodes, batch, width): one graph for all images of a batch.

    Args:
        width: of states and messages.
        relations: how many kinds of edges there are, over all levels.

    Reference:
        Gilmer, Schoenholz, Riley, Vinyals and Dahl (2017), Neural Message Passing for Quantum Chemistry,
        https://arxiv.org/abs/1704.01212; Schütt et al. (2017), SchNet, https://arxiv.org/abs/1706.08566 (the filters)
    """

    def __init__(self, width: int, relations: int) -> None:
        with warnings.catch_warnings():
            # It reads the annotations of `message` in a way that Python 3.13 announces the end of.
            warnings.simplefilter("ignore", DeprecationWarning)
            super().__init__(aggr="mean", node_dim=0)
        self.send = nn.Linear(2 * width, width)
        self.relation = nn.Embedding(relations, width)
        self.gate = mlp([width + 5, width, width])
        self.join = nn.Linear(width, width)
        self.block = ResidualBlock(width, 2 * width)

    def sent(self, value: Tensor, context: Tensor) -> Tensor:
        """V [v_j, c_j] of nodes, from values and contexts (nodes, batch, width)."""
        return self.send(torch.cat([value, context], -1))

    def gates(self, layout: GraphLayout) -> Tensor:
        """g of every type of edge, (types, width)."""
        dy, dx = layout.offset.to(self.send.weight.dtype).unbind(-1)
        where = torch.stack([dy, dx, dy * dy, dx * dx, dy * dx], -1)
        return self.gate(torch.cat([self.relation(layout.relation), where], -1))

    def forward(self, context: Tensor, sent: Tensor, edge_index: Tensor, edge_type: Tensor, gates: Tensor) -> Tensor:
        """The next contexts of the nodes that edges end in, from their present ones and what all nodes send."""
        received = self.propagate(edge_index, x=sent, edge_type=edge_type, gates=gates, size=(len(sent), len(context)))
        return self.block(context + self.join(received))

    def message(self, x_j: Tensor, edge_type: Tensor, gates: Tensor) -> Tensor:
        """m_ij of each edge, (edges, batch, width)."""
        return x_j * gates[edge_type].unsqueeze(1)


class ValueEmbedding(nn.Module):
    """v_j from the feature of node j alone; features enter as (f − shift) / scale."""

    shift: Tensor
    scale: Tensor

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(dim, width)
        self.block = ResidualBlock(width, 2 * width)
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def forward(self, f: Tensor) -> Tensor:
        """Map features (…, D) to values (…, width)."""
        return self.block(self.embed((f - self.shift) / self.scale))

    @torch.no_grad()
    def init_from_rows(self, rows: Tensor, least: float) -> None:
        """Shift and scale become mean and standard deviation of vectors (N, D), and 1 where that is under `least`."""
        spread = rows.std(0, correction=0)
        self.shift.copy_(rows.mean(0))
        self.scale.copy_(torch.where(spread > least, spread, torch.ones_like(spread)))


class GraphContexts(nn.Module):
    r"""Contexts c_i of all nodes of a graph, each a function of the features of strict ancestors of i alone.

    At first c_i is a function of the level, the colour and the place of i. A feature f_i enters v_i alone, and v_i is
    sent only along edges away from i. After any number of layers c_i depends on nodes from which a directed path leads
    to i; as there is no directed cycle, i is none of them.

    Args:
        dims: name and channels of each level, fine to coarse.
        width: of values, contexts and messages.
        layers: rounds of messages: a context depends on nodes at most so many edges away.
        colours: of the graphs.
    """

    def __init__(self, dims: Mapping[str, int], width: int, layers: int, colours: int) -> None:
        super().__init__()
        self.width = width
        self.values = nn.ModuleDict({level: ValueEmbedding(dim, width) for level, dim in dims.items()})
        self.level, self.colour = nn.Embedding(len(dims), width), nn.Embedding(colours, width)
        # Every place is the same at the start: what differs from place to place has to be learned from data.
        self.place = nn.Parameter(torch.zeros(width, 5))
        self.layers = nn.ModuleList([MessageLayer(width, 2 * len(dims)) for _ in range(layers)])

    def forward(self, layout: GraphLayout, maps: Mapping[str, Tensor]) -> Tensor:
        """Contexts (nodes, batch, width) of all nodes in one pass, given maps (B, D, H, W) of the layout's levels."""
        parts = [maps[group.level].flatten(2)[..., group.positions].permute(2, 0, 1) for group in layout.groups]
        value = torch.cat([self.values[group.level](f) for group, f in zip(layout.groups, parts, strict=True)])
        context = self.first(layout).unsqueeze(1).expand_as(value)
        for layer in self.layers:
            context = self.round(layer, layout, context, layer.sent(value, context), 0)
        return context

    def walk(self, layout: GraphLayout, n: int) -> Walk:
        """The same contexts for n images group by group, where features become known only on the way."""
        return Walk(self, layout, n)

    def first(self, layout: GraphLayout) -> Tensor:
        """c_i before any message, (nodes, width)."""
        y, x = layout.place.to(self.place.dtype).unbind(-1)
        where = torch.stack([y, x, y * y, x * x, y * x], -1) @ self.place.mT
        return self.level(layout.rank) + self.colour(layout.colour) + where

    @staticmethod
    def round(layer: MessageLayer, layout: GraphLayout, context: Tensor, sent: Tensor, start: int) -> Tensor:
        """The layer's output for the nodes from `start` on that have these contexts, in chunks of bounded size."""
        stop, gates, done = start + len(context), layer.gates(layout), []
        edges = layout.first_edge[stop] - layout.first_edge[start]
        per_node = context[:1].numel() * max(1.0, edges / len(context))
        at_once = max(1, int(NUMBERS_AT_ONCE / max(per_node, 1)))
        for first in range(start, stop, at_once):
            last = min(first + at_once, stop)
            done.append(layer(context[first - start : last - start], sent, *layout.edges_into(first, last), gates))
        return torch.cat(done)


class Walk:
    """Contexts of one group after the other, for features that are drawn from them; without gradients.

    A group receives messages from earlier ones alone, so its contexts are final as soon as those have features:
    each edge is used once a layer, as in one pass over all nodes.

    Args:
        contexts: the nets.
        layout: the graph.
        n: images side by side.
    """

    def __init__(self, contexts: GraphContexts, layout: GraphLayout, n: int) -> None:
        self.contexts, self.layout = contexts, layout
        like = contexts.place
        self.first = contexts.first(layout).detach()
        self.sent = [like.new_zeros(layout.nodes, n, contexts.width) for _ in contexts.layers]
        self.after: list[Tensor] = []

    @torch.no_grad()
    def enter(self, group: Group) -> Tensor:
        """Contexts (nodes, n, width) of the next group."""
        start = group.nodes.start
        context = self.first[group.nodes].unsqueeze(1).expand(-1, self.sent[0].shape[1], -1)
        self.after = [context]
        for layer, sent in zip(self.contexts.layers, self.sent, strict=True):
            # Later nodes have sent nothing yet, and no edge leads from them to this group.
            self.after.append(self.contexts.round(layer, self.layout, self.after[-1], sent, start))
        return self.after[-1]

    @torch.no_grad()
    def leave(self, group: Group, f: Tensor) -> None:
        """Let the group entered last have features f (n, nodes, D)."""
        value = self.contexts.values[group.level](f.transpose(0, 1))
        for layer, sent, context in zip(self.contexts.layers, self.sent, self.after, strict=False):
            sent[group.nodes] = layer.sent(value, context)
