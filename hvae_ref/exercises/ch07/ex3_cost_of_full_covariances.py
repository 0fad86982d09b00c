"""Exercise 7.3: what would a full covariance cost?

Asked for are three counts a level (L,): free numbers of a mixture with full covariances, the same after a reduction,
and the bytes of all factors.

The wrong answers, and the exercise itself, follow in `ex3_cost_of_full_covariances_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.inputs import integers, size

_SECTION = "What does a network see at a place?"
Counts = tuple[Tensor, Tensor, Tensor]
Count = Callable[[Tensor, int], Tensor]
_BYTES = 4  # of a number in float32


def _triangle(dim: Tensor) -> Tensor:
    return dim * (dim + 1) // 2


def _free(dim: Tensor, components: int) -> Tensor:
    """Free numbers of a mixture: weights that add up to one, locations, symmetric covariances."""
    return components - 1 + components * (dim + _triangle(dim))


def _stored(channels: Tensor, dims: Tensor) -> Tensor:
    """Numbers of a reduction: a mean, and one direction for each dimension that is kept."""
    return channels + channels * dims


def _memory(channels: Tensor, positions: Tensor, components: int) -> Tensor:
    return _BYTES * positions * components * channels**2


def _cost(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
    reduced = _stored(channels, dims) + _free(dims, components)
    return _free(channels, components), reduced, _memory(channels, positions, components)


def _levels(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, int]:
    levels = size(rng, high=4)
    channels, positions = (integers(rng, levels, low=2, high=high, dtype=torch.int64) for high in (400, 900))
    dims = torch.as_tensor([int(rng.integers(1, c + 1)) for c in channels], dtype=torch.int64)
    return channels, dims, positions, size(rng, high=12)


def _with_free(free: Count) -> Callable[..., Counts]:
    """The costs, with another count of a mixture's numbers."""

    def cost(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
        reduced = _stored(channels, dims) + free(dims, components)
        return free(channels, components), reduced, _memory(channels, positions, components)

    return cost


def _with_stored(stored: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Counts]:
    """The costs, with another count of the reduction's numbers."""

    def cost(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
        full, reduced, memory = _cost(channels, dims, positions, components)
        return full, reduced - _stored(channels, dims) + stored(channels, dims), memory

    return cost


def _with_memory(memory: Callable[[Tensor, Tensor, int], Tensor]) -> Callable[..., Counts]:
    """The costs, with another count of the bytes."""

    def cost(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
        full, reduced, _ = _cost(channels, dims, positions, components)
        return full, reduced, memory(channels, positions, components)

    return cost


def _edges() -> list[tuple[Tensor, Tensor, Tensor, int]]:
    """ResNet-50's levels, whose bytes are more than an int32 holds; one channel, one component, one level, and nine."""
    rng = np.random.default_rng(73)
    resnet = [[256, 512, 1024, 2048], [100, 100, 100, 100], [3136, 784, 196, 49]]
    many = [integers(rng, 140, low=2, high=300, dtype=torch.int64) for _ in range(3)]
    nine = [integers(rng, 9, low=2, high=300, dtype=torch.int64) for _ in range(3)]
    return [
        (*torch.tensor(resnet), 8),
        (*torch.tensor([[2047, 4095], [101, 99], [3, 5]]), 9),
        (*torch.tensor([[1], [1], [1]]), 1),
        (*torch.tensor([[3], [3], [5]]), 2),
        (*torch.tensor([[70, 2048], [1, 2048], [10_000, 1]]), 50),
        (nine[0] + 300, nine[1], nine[2], 3),
        (many[0] + 300, many[1], many[2], 3),
    ]
