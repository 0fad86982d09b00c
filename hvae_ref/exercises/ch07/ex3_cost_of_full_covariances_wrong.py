"""Wrong answers to exercise 7.3: what would a full covariance cost?

The reference and the inputs are in `ex3_cost_of_full_covariances.py`.
"""

from __future__ import annotations

from torch import Tensor

from hvae_ref.exercises.ch07.ex3_cost_of_full_covariances import (
    _BYTES,
    _SECTION,
    Counts,
    _cost,
    _edges,
    _levels,
    _memory,
    _triangle,
    _with_free,
    _with_memory,
    _with_stored,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("D1", into=_with_free)
def _square(dim: Tensor, k: int) -> Tensor:
    """A covariance is counted as a square. It is symmetric: what stands above the diagonal is known from what stands
    below.
    """
    return k - 1 + k * (dim + dim**2)


@wrong("D1", into=_with_free)
def _square_and_all_weights(dim: Tensor, k: int) -> Tensor:
    """A covariance is counted as a square, and it is symmetric. And of K weights that add up to one, how many can you
    choose?
    """
    return k + k * (dim + dim**2)


@wrong("D1", into=_with_free)
def _squares_alone(dim: Tensor, k: int) -> Tensor:
    """These are squares alone. A covariance is symmetric, and a mixture also has locations and weights."""
    return k * dim**2


@wrong("D1", into=_with_free)
def _without_the_half(dim: Tensor, k: int) -> Tensor:
    """The covariances between two channels are counted twice and the variances, too: the half is missing."""
    return k - 1 + k * (dim + 2 * _triangle(dim))


@wrong("D1", into=_with_free)
def _diagonal(dim: Tensor, k: int) -> Tensor:
    """That is a diagonal covariance: channels that do not go together."""
    return k - 1 + k * (dim + dim)


@wrong("D1", into=_with_free)
def _all_weights(dim: Tensor, k: int) -> Tensor:
    """All K weights are counted as free. They add up to one, so how many of them can you choose?"""
    return k + k * (dim + _triangle(dim))


@wrong("D1", into=_with_free)
def _without_weights(dim: Tensor, k: int) -> Tensor:
    """The weights of the components are missing."""
    return k * (dim + _triangle(dim))


@wrong("D1", into=_with_free)
def _without_locations(dim: Tensor, k: int) -> Tensor:
    """Each component has D numbers too few. Either its locations μ are missing, or the variances on the diagonal of its
    covariance.
    """
    return k - 1 + k * _triangle(dim)


@wrong("D1", into=_with_free)
def _covariances_alone(dim: Tensor, k: int) -> Tensor:
    """These are the covariances alone. A mixture also has locations and weights."""
    return k * _triangle(dim)


@wrong("D1", into=_with_free)
def _one_covariance_for_all(dim: Tensor, k: int) -> Tensor:
    """One covariance is shared by all components. Each of them has its own."""
    return k - 1 + k * dim + _triangle(dim)


@wrong("D1", into=_with_free)
def _one_gaussian(dim: Tensor, k: int) -> Tensor:
    """That is one Gaussian. There are K of them, and their weights."""
    return dim + _triangle(dim)


@wrong("D1", into=_with_free)
def _variances_twice(dim: Tensor, k: int) -> Tensor:
    """Each component has its variances twice here: they are part of the covariance."""
    return k - 1 + k * (dim + (dim + _triangle(dim)))


@wrong("D1", into=_with_stored)
def _nothing(channels: Tensor, dims: Tensor) -> Tensor:
    """The reduction is not free of charge: somebody has to store the directions it projects on."""
    return 0 * channels


@wrong("D1", into=_with_stored)
def _directions_alone(channels: Tensor, dims: Tensor) -> Tensor:
    """The mean that is taken from the features before they are projected has to be stored, too."""
    return channels * dims


@wrong("D1", into=_with_stored)
def _mean_alone(channels: Tensor, dims: Tensor) -> Tensor:
    """The reduction's mean is counted, and the directions that it projects on are not."""
    return channels


@wrong("D1", into=_with_stored)
def _all_directions(channels: Tensor, dims: Tensor) -> Tensor:
    """All C directions are counted. Only those that are kept have to be stored."""
    return channels + channels**2


@wrong("D1", into=_with_stored)
def _mean_after_projection(channels: Tensor, dims: Tensor) -> Tensor:
    """The reduction's mean is taken from the features *before* they are projected. How long is it then?"""
    return channels * dims + dims


@wrong("D1", into=_with_stored)
def _scales_as_well(channels: Tensor, dims: Tensor) -> Tensor:
    """The scales of a whitening are counted as well. Here the reduction stores a mean and its directions."""
    return channels + channels * dims + dims


@wrong("D1", into=_with_memory)
def _in_numbers(c: Tensor, p: Tensor, k: int) -> Tensor:
    """The memory is counted in numbers. A number in float32 has how many bytes?"""
    return p * k * c**2


@wrong("D1", into=_with_memory)
def _in_float64(c: Tensor, p: Tensor, k: int) -> Tensor:
    """Eight bytes are counted for a number. That is float64."""
    return 2 * _memory(c, p, k)


@wrong("D1", into=_with_memory)
def _in_bits(c: Tensor, p: Tensor, k: int) -> Tensor:
    """The memory is counted in bits."""
    return 8 * _memory(c, p, k)


@wrong("D1", into=_with_memory)
def _triangle_alone(c: Tensor, p: Tensor, k: int) -> Tensor:
    """Only the triangle is counted. A `scale_tril` is stored as a square: its zeros take as much room as
    other numbers.
    """
    return _BYTES * p * k * _triangle(c)


@wrong("D1", into=_with_memory)
def _one_position(c: Tensor, p: Tensor, k: int) -> Tensor:
    """The positions are missing. Conditioned on a neighbour, a mixture is another one at every position."""
    return _BYTES * k * c**2


@wrong("D1", into=_with_memory)
def _one_component(c: Tensor, p: Tensor, k: int) -> Tensor:
    """The memory is that of one component at each position. There are K."""
    return _BYTES * p * c**2


@wrong("D1", into=_with_memory)
def _diagonal_factor(c: Tensor, p: Tensor, k: int) -> Tensor:
    """C numbers a component are a diagonal, or a location. The factor of a covariance has C rows as well."""
    return _BYTES * p * k * c


@wrong(
    "D1",
    into=_with_memory,
    variants={"megabytes": 1e6, "mebibytes": 2**20, "gigabytes": 1e9, "gibibytes": 2**30},
)
def _in_a_larger_unit(c: Tensor, p: Tensor, k: int, unit: float) -> Tensor:
    """The memory is in {}. Asked for are bytes."""
    return _memory(c, p, k) / unit


@wrong("D1")
def _memory_after_reduction(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
    """The memory is that of the reduced features. Asked for is what it would be without a reduction."""
    full, reduced, _ = _cost(channels, dims, positions, components)
    return full, reduced, _memory(dims, positions, components)


@wrong("D1")
def _added_over_levels(channels: Tensor, dims: Tensor, positions: Tensor, components: int) -> Counts:
    """The levels are added up. Asked for is each of them; that is where the surprise is."""
    full, reduced, memory = _cost(channels, dims, positions, components)
    return full.sum(), reduced.sum(), memory.sum()


EXERCISE = Exercise(
    id="7.3",
    title="What would a full covariance cost?",
    kind="predict",
    section=_SECTION,
    reference=_cost,
    inputs=_levels,
    edge_cases=_edges,
    rtol=1e-12,  # these are counts
    atol=1e-2,
    misconceptions=wrong,
)
