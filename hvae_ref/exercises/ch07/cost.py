"""Exercise of chapter 7 on what full covariances cost: 7.3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import integers, size

_SEES = "What does a network see at a place?"

Counts = tuple[Tensor, Tensor, Tensor]
Count = Callable[[Tensor, int], Tensor]

_BYTES = 4  # of a number in float32


def _levels(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, int]:
    levels = size(rng, high=4)
    channels, positions = (integers(rng, levels, low=2, high=high, dtype=torch.int64) for high in (400, 900))
    dims = torch.as_tensor([int(rng.integers(1, c + 1)) for c in channels], dtype=torch.int64)
    return channels, dims, positions, size(rng, high=12)


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


def _memory_after_reduction(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
    full, reduced, _ = _cost(channels, dims, positions, components)
    return full, reduced, _memory(dims, positions, components)


def _added_over_levels(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
    full, reduced, memory = _cost(channels, dims, positions, components)
    return full.sum(), reduced.sum(), memory.sum()


ON_THE_COST: tuple[Exercise, ...] = (
    Exercise(
        id="7.3",
        title="What would a full covariance cost?",
        kind="predict",
        section=_SEES,
        reference=_cost,
        inputs=_levels,
        rtol=1e-6,  # counts: room for float32, and for no miscount
        atol=1e-2,
        misconceptions=(
            Misconception(
                "D1",
                _with_free(lambda dim, k: k - 1 + k * (dim + dim**2)),
                "A covariance is counted as a square. It is symmetric: what stands above the diagonal is known from "
                "what stands below.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k + k * (dim + dim**2)),
                "A covariance is counted as a square, and it is symmetric. And of K weights that add up to one, how "
                "many can you choose?",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k * dim**2),
                "These are squares alone. A covariance is symmetric, and a mixture also has locations and weights.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k - 1 + k * (dim + 2 * _triangle(dim))),
                "The covariances between two channels are counted twice and the variances, too: the half is missing.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k - 1 + k * (dim + dim)),
                "That is a diagonal covariance: channels that do not go together.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k + k * (dim + _triangle(dim))),
                "All K weights are counted as free. They add up to one, so how many of them can you choose?",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k * (dim + _triangle(dim))),
                "The weights of the components are missing.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k - 1 + k * _triangle(dim)),
                "Each component has D numbers too few. Either its locations μ are missing, or the variances on the "
                "diagonal of its covariance.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k * _triangle(dim)),
                "These are the covariances alone. A mixture also has locations and weights.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k - 1 + k * dim + _triangle(dim)),
                "One covariance is shared by all components. Each of them has its own.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: dim + _triangle(dim)),
                "That is one Gaussian. There are K of them, and their weights.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_free(lambda dim, k: k - 1 + k * (dim + (dim + _triangle(dim)))),
                "Each component has its variances twice here: they are part of the covariance.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_stored(lambda channels, dims: 0 * channels),
                "The reduction is not free of charge: somebody has to store the directions it projects on.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_stored(lambda channels, dims: channels * dims),
                "The mean that is taken from the features before they are projected has to be stored, too.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_stored(lambda channels, dims: channels),
                "The reduction's mean is counted, and the directions that it projects on are not.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_stored(lambda channels, dims: channels + channels**2),
                "All C directions are counted. Only those that are kept have to be stored.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_stored(lambda channels, dims: channels * dims + dims),
                "The reduction's mean is taken from the features *before* they are projected. How long is it then?",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_stored(lambda channels, dims: channels + channels * dims + dims),
                "The scales of a whitening are counted as well. Here the reduction stores a mean and its directions.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_memory(lambda c, p, k: p * k * c**2),
                "The memory is counted in numbers. A number in float32 has how many bytes?",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_memory(lambda c, p, k: 2 * _memory(c, p, k)),
                "Eight bytes are counted for a number. That is float64.",
                _SEES,
            ),
            Misconception(
                "D1", _with_memory(lambda c, p, k: 8 * _memory(c, p, k)), "The memory is counted in bits.", _SEES
            ),
            Misconception(
                "D1",
                _with_memory(lambda c, p, k: _BYTES * p * k * _triangle(c)),
                "Only the triangle is counted. A `scale_tril` is stored as a square: its zeros take as much room as "
                "other numbers.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_memory(lambda c, p, k: _BYTES * k * c**2),
                "The positions are missing. Conditioned on a neighbour, a mixture is another one at every position.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_memory(lambda c, p, k: _BYTES * p * c**2),
                "The memory is that of one component at each position. There are K.",
                _SEES,
            ),
            Misconception(
                "D1",
                _with_memory(lambda c, p, k: _BYTES * p * k * c),
                "C numbers a component are a diagonal, or a location. The factor of a covariance has C rows as well.",
                _SEES,
            ),
            *(
                Misconception(
                    "D1",
                    _with_memory(lambda c, p, k, unit=unit: _memory(c, p, k) / unit),
                    f"The memory is in {name}. Asked for are bytes.",
                    _SEES,
                )
                for name, unit in (("megabytes", 1e6), ("mebibytes", 2**20), ("gigabytes", 1e9), ("gibibytes", 2**30))
            ),
            Misconception(
                "D1",
                _memory_after_reduction,
                "The memory is that of the reduced features. Asked for is what it would be without a reduction.",
                _SEES,
            ),
            Misconception(
                "D1",
                _added_over_levels,
                "The levels are added up. Asked for is each of them; that is where the surprise is.",
                _SEES,
            ),
        ),
    ),
)
