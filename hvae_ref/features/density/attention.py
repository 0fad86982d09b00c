"""From each position of one level to a window of the neighbouring level: attention whose cost grows with positions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hvae_ref.models.top_down_model import ResidualBlock

RING = 1
"""Cells of the neighbouring level around those that a position covers, on each side, that it may also look at."""


class Window(NamedTuple):
    """Where positions of a level look at in a neighbouring level.

    Attributes:
        index: cells of the neighbour counted row by row, those outside moved to the border.
        inside: which of them lie in the map.
        offset: cell minus the position's own place, (dy, dx), in units of the coarser of the two grids.
        nearest: the cell that the position's centre lies in.
    """

    index: Int[Tensor, "positions cells"]
    inside: Bool[Tensor, "positions cells"]
    offset: Float[Tensor, "positions cells 2"]
    nearest: Int[Tensor, " positions"]


def _axis(place: Tensor, size: int, other: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: cells to look at (positions, w), the own place in cells of the other grid, the cell it is in.

    The centre of cell i of `size` lies at (i + ½) · other / size − ½ of the other grid. All in whole numbers, so that
    no rounding moves a window.
    """
    width = -(-max(other, size) // size) + 2 * RING
    twice = (2 * place + 1) * other
    cells = ((twice - (width - 1) * size) // (2 * size)).unsqueeze(-1) + torch.arange(width, device=place.device)
    own = twice / (2 * size) - 0.5
    return cells, own, twice // (2 * size)


def window(shape: tuple[int, int], neighbour: tuple[int, int], positions: Int[Tensor, " positions"]) -> Window:
    """The cells of a neighbouring map that positions look at: those they cover or lie in, and a ring around these.

    Towards a coarser map of half the size that is the parent and its eight neighbours; towards a finer one of double
    the size the four children and the twelve around them. Grids of any sizes work.

    Args:
        shape: (H, W) of the level itself.
        neighbour: (H', W') of the neighbouring level.
        positions: which positions, counted row by row, (P,).
    """
    (rows, y, row), (columns, x, column) = (
        _axis(place, size, other)
        for place, size, other in zip((positions // shape[1], positions % shape[1]), shape, neighbour, strict=True)
    )
    cell_y, cell_x = torch.broadcast_tensors(rows.unsqueeze(-1), columns.unsqueeze(-2))
    inside = (cell_y >= 0) & (cell_y < neighbour[0]) & (cell_x >= 0) & (cell_x < neighbour[1])
    index = cell_y.clamp(0, neighbour[0] - 1) * neighbour[1] + cell_x.clamp(0, neighbour[1] - 1)
    unit = [max(1.0, other / size) for size, other in zip(shape, neighbour, strict=True)]
    offset = torch.stack([(cell_y - y[:, None, None]) / unit[0], (cell_x - x[:, None, None]) / unit[1]], -1)
    return Window(index.flatten(1), inside.flatten(1), offset.flatten(1, 2), row * neighbour[1] + column)


class Memory(NamedTuple):
    """What a neighbouring map offers: one row of each a cell, computed once for all that look at it."""

    tokens: Float[Tensor, "batch cells width"]
    keys: Float[Tensor, "batch cells width"]
    values: Float[Tensor, "batch cells width"]
    shape: tuple[int, int]


class LocalAttention(nn.Module):
    r"""A context for each position of a level from the features of a neighbouring level around it.

    h = e + Σ_j softmax_j(qᵀ k_j / √d + b(Δ_j)) v_j,   e = W f'_near + U Δ_near

    where f'_j are the neighbour's features in the position's `window`, Δ_j says where they lie and b is a polynomial of
    degree two: a head can look at any place in the window, whatever stands there. The query is made from e, which is
    the *neighbour's* nearest feature. The level's own feature must not be among the inputs: log p of it is what the
    context is for.

    Each position has a fixed number of cells to look at, so memory and time are linear in positions.

    Args:
        dim: channels of the neighbouring map.
        width: size of the context; a multiple of `heads`.
        heads: attention patterns side by side.

    Raises:
        ValueError: for sizes that do not fit.

    Reference:
        Cordonnier, Loukas and Jaggi (2020), On the Relationship between Self-Attention and Convolutional Layers,
        https://arxiv.org/abs/1911.03584 (the quadratic b)
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim: expected at least 1, got {dim}")
        if heads < 1 or width < 1 or width % heads:
            raise ValueError(f"width: expected a multiple of heads = {heads}, both at least 1, got {width}")
        self.dim, self.width, self.heads = dim, width, heads
        self.embed = nn.Linear(dim, width)
        self.place = nn.Linear(2, width, bias=False)
        self.query, self.keys, self.values = (nn.Linear(width, width) for _ in range(3))
        self.join = nn.Linear(width, width)
        self.block = ResidualBlock(width, 2 * width)
        # Heads begin as rings of different size around the position's own place.
        self.position = nn.Parameter(torch.zeros(heads, 5))
        with torch.no_grad():
            self.position[:, 2:4] = -torch.logspace(0.7, -0.7, heads).unsqueeze(-1)
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def memory(self, neighbour: Float[Tensor, "batch dim height width"]) -> Memory:
        """Keys, values and tokens of a neighbouring map, once for all positions."""
        cells = neighbour.flatten(2).mT
        tokens = self.embed((cells - self.shift) / self.scale)
        return Memory(tokens, self.keys(tokens), self.values(tokens), tuple(neighbour.shape[-2:]))

    def forward(
        self, memory: Memory, shape: tuple[int, int], positions: Int[Tensor, " positions"]
    ) -> Float[Tensor, "batch positions width"]:
        """The contexts of some positions of a level of size `shape`, counted row by row."""
        around = window(shape, memory.shape, positions)
        own = self._own_place(around)
        h = memory.tokens[:, around.nearest] + self.place(own.to(memory.tokens.dtype))
        query = self.query(h).unflatten(-1, (self.heads, -1))
        keys, values = (part[:, around.index].unflatten(-1, (self.heads, -1)) for part in memory[1:3])
        scores = torch.einsum("bphd,bpchd->bphc", query, keys) / query.shape[-1] ** 0.5
        scores = scores + self.bias(around.offset.to(scores.dtype)).mT
        scores = scores.masked_fill(~around.inside.unsqueeze(1), -torch.inf)
        seen = torch.einsum("bphc,bpchd->bphd", scores.softmax(-1), values)
        return self.block(h + self.join(seen.flatten(-2)))

    def bias(self, offset: Float[Tensor, "positions cells 2"]) -> Float[Tensor, "positions cells heads"]:
        """b(Δ) of every head: linear and quadratic in where a cell lies."""
        dy, dx = offset.unbind(-1)
        return torch.stack([dy, dx, dy * dy, dx * dx, dy * dx], -1) @ self.position.mT

    @staticmethod
    def _own_place(around: Window) -> Tensor:
        """Offset of the nearest cell, (P, 2): it is different for each child of a parent."""
        found = (around.index == around.nearest.unsqueeze(-1)) & around.inside
        return around.offset[torch.arange(len(found), device=found.device), found.int().argmax(-1)]
