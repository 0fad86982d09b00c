"""Functions that the exercises of chapter 7 give to an answer: densities, and functions that are none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Bumps:
    """log Σ_k N(f; μ_k, s² I) / K + offset: a density where the offset is 0."""

    loc: Tensor
    spread: float
    offset: float

    def __call__(self, f: Tensor) -> Tensor:
        """Rows (N, D) to (N,)."""
        squares = (f.double()[:, None] - self.loc).square().sum(-1) / self.spread**2
        constant = self.loc.shape[1] * math.log(self.spread * math.sqrt(2 * math.pi)) + math.log(len(self.loc))
        return (-squares / 2).logsumexp(-1) - constant + self.offset

    def __repr__(self) -> str:
        """What a verdict shows."""
        return f"log-mixture of {len(self.loc)} in {self.loc.shape[1]}-D, {self.offset:+g}"


@dataclass(frozen=True, eq=False)
class Head:
    """vᵀ tanh(W f + b) + offset: a net that ends in one number."""

    weight: Tensor
    bias: Tensor
    last: Tensor
    offset: float

    def __call__(self, f: Tensor) -> Tensor:
        """Rows (N, D) to (N,)."""
        return torch.tanh(f.double() @ self.weight.T + self.bias) @ self.last + self.offset

    def __repr__(self) -> str:
        """What a verdict shows."""
        return f"net from {self.weight.shape[1]}-D to a number, {self.offset:+g}"


@dataclass(frozen=True, eq=False)
class Tails:
    """log p(u) = −Σ_d (|u_d| / b_d + log 2 b_d): a density that is symmetric in every coordinate."""

    widths: Tensor

    def __call__(self, u: Tensor) -> Tensor:
        """Rows (B, D) to (B,)."""
        return -(u.abs() / self.widths.to(u) + (2 * self.widths.to(u)).log()).sum(-1)

    def __repr__(self) -> str:
        """What a verdict shows."""
        return f"log-density in {len(self.widths)}-D"


def graphs_of_every_kind() -> list[tuple[Tensor, Tensor, int, int]]:
    """Chains and circles longer than any fixed number of steps, with fewer, as many and more layers; a node's own edge.

    Returns:
        Sources and targets (E,), the number of nodes and the number of layers.
    """
    chain, circle = list(range(70)), [*range(40), 0]
    paths = [
        (chain, 70, 69),
        (chain, 70, 1),
        (chain, 72, 37),
        (chain[::-1], 70, 200),
        (circle, 40, 2),
        (circle, 41, 40),
        (circle, 40, 90),
        ([0, 1], 2, 1),
        ([1, 0, 1], 2, 1),
        ([2, 2], 3, 1),
        ([0, 1, 2, 0], 9, 2),
    ]
    found = [(torch.tensor(path[:-1]), torch.tensor(path[1:]), nodes, layers) for path, nodes, layers in paths]
    # So many walks that a count of them overflows: a node reads each one before it, in all of the layers.
    below = torch.ones(42, 42).tril(-1).nonzero()
    circle = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])  # 2^k - 1 walks of up to k edges: -1 in an integer of k bits
    found += [(below[:, 1], below[:, 0], 42, 40), (circle[0], circle[1], 64, 40)]
    diamond = torch.tensor([[0, 0, 1, 2, 3], [1, 2, 3, 3, 4]])  # two ways to the same node are no circle
    return [*found, (diamond[0], diamond[1], 6, 2), (diamond[0], diamond[1], 6, 3)]
