"""Wrong answers to exercise 7.4: does it integrate to one?

The reference and the inputs are in `ex4_does_it_integrate_to_one.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae_ref.exercises.ch07.ex4_does_it_integrate_to_one import (
    _SECTION,
    LogDensity,
    _axes,
    _edges,
    _functions_and_boxes,
    _grid,
    _log_mass,
    _log_volume,
    _with_volume,
)
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

wrong = Misconceptions(_SECTION)


@wrong("D2")
def _without_logarithms(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Right where e to the power of the log-density can be held in floating point. A net that was trained to answer
    large numbers answers 900 sooner or later, and one far from all features answers −900.
    """
    density = log_density(_grid(_axes(low, high, cells))).exp()
    return density.sum().log() + _log_volume(low, high, cells)


@wrong("D2", into=_with_volume)
def _without_volume(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """The values are added up, but a sum is no integral: with twice the cells it would be larger. How much room does
    each point stand for?
    """
    return 0.0


@wrong("D2", into=_with_volume)
def _mean_over_the_box(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """This is the *mean* of the density over the box. A larger box holds more."""
    return -len(low) * math.log(cells)


@wrong("D2", into=_with_volume)
def _cells_of_one_axis(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """The volume of the box is divided by the number of cells along one axis. How many cells are there?"""
    return (high - low).log().sum() - math.log(cells)


@wrong("D2", into=_with_volume)
def _first_side_alone(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """A cell is counted with its first side alone. In two dimensions it is an area, in three a volume."""
    return ((high - low) / cells).log()[0]


@wrong("D2", into=_with_volume)
def _all_sides_like_the_first(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """A cell is counted as if all its sides were as long as the first. Boxes need not be cubes."""
    return len(low) * ((high - low) / cells).log()[0]


@wrong("D2")
def _without_the_largest(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """The largest value is taken out before the exponential, which is how overflow is avoided. It has to be given back
    at the end.
    """
    return _log_mass(log_density, low, high, cells) - _largest(log_density, low, high, cells)


@wrong("D2")
def _sum_of_logarithms(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Log-densities are added up, which multiplies densities. An integral adds them."""
    return log_density(_grid(_axes(low, high, cells))).sum() + _log_volume(low, high, cells)


@wrong("D2", into=_with_volume)
def _sides_added(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """The sides of a cell are added. Its volume is their product."""
    return ((high - low) / cells).sum().log()


@wrong("D2", into=_with_volume)
def _volume_divided_by(low: Tensor, high: Tensor, cells: int) -> Tensor | float:
    """The sum is divided by the volume of a cell. Smaller cells should make each point count less."""
    return -_log_volume(low, high, cells)


@wrong("D2")
def _mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """This is the integral. Asked for is its logarithm, which can be held where it cannot."""
    return _log_mass(log_density, low, high, cells).exp()


@wrong("D2")
def _integral_of_the_logarithm(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """This is an integral of log p. A density is one whose p integrates to one."""
    return log_density(_grid(_axes(low, high, cells))).sum() * _log_volume(low, high, cells).exp()


@wrong("D2")
def _negative(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """The sign is reversed: 0 is as good, but 5 would say that there is too little."""
    return -_log_mass(log_density, low, high, cells)


@wrong("D2")
def _of_the_energy(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """The function is read as an energy. It is given as log p, with no minus."""
    return _log_mass(lambda f: -log_density(f), low, high, cells)


@wrong("D2")
def _lower_corners(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Each cell is judged by its lower corner. The middle of a cell is a far better place: there what the slope adds on
    one side it takes away on the other.
    """
    points = _grid(_axes(low, high, cells, place=0.0))
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells)


@wrong("D2")
def _upper_corners(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Each cell is judged by its upper corner. The middle of a cell is a far better place: there what the slope adds on
    one side it takes away on the other.
    """
    points = _grid(_axes(low, high, cells, place=1.0))
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells)


def _between_both_ends(low: Tensor, high: Tensor, points: int) -> Tensor:
    """A grid with this many points along each axis, both ends included."""
    steps = torch.linspace(0, 1, points, dtype=torch.float64)
    return _grid(list((low + steps[:, None] * (high - low)).T))


@wrong("D2")
def _ends_for_middles(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """`linspace` from end to end puts points on the border of the box, and they stand further apart than the cells are
    wide. Where are the middles of n cells?
    """
    points = _between_both_ends(low, high, cells)
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells)


@wrong("D2")
def _ends_of_one_cell_less(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """n points from end to end have n − 1 gaps, and each point counts as a whole one here: the box is covered and half
    a cell beyond it. Where are the middles of n cells?
    """
    points = _between_both_ends(low, high, cells)
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells - 1)


@wrong("D2")
def _ends_of_all_cells(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """n + 1 points from end to end, each counted as a whole cell: the box is covered and half a cell beyond it. Where
    are the middles of n cells?
    """
    points = _between_both_ends(low, high, cells + 1)
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells)


def _trapezoids(log_density: LogDensity, low: Tensor, high: Tensor, points: int) -> Tensor:
    """Half the weight at both ends of each axis."""
    weights = torch.ones(points, dtype=torch.float64)
    weights[0] = weights[-1] = 0.5
    log_weights = _grid(len(low) * [weights.log()]).sum(-1)
    values = log_density(_between_both_ends(low, high, points))
    return (values + log_weights).logsumexp(0) + _log_volume(low, high, points - 1)


@wrong("D2")
def _trapezoids_on_the_points(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """This is the trapezoidal rule on n points. It is a good one; asked for are the middles of n cells."""
    return _trapezoids(log_density, low, high, cells)


@wrong("D2")
def _trapezoids_on_the_cells(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """This is the trapezoidal rule on n cells. It is a good one; asked for are their middles."""
    return _trapezoids(log_density, low, high, cells + 1)


@wrong("D2")
def _along_the_diagonal(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """The points all lie on the diagonal of the box. Every middle of one axis goes with every one of the others."""
    points = torch.stack(_axes(low, high, cells), -1)
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells)


@wrong("D2")
def _always_one(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> float:
    """This answers 0 whatever it is given: that everything is a density. Some of these functions are none, and some
    boxes do not hold all of one.
    """
    return 0.0


@wrong("D2")
def _largest(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """This is the largest value on the grid. A density may be high and hold little."""
    return log_density(_grid(_axes(low, high, cells))).max()


EXERCISE = Exercise(
    id="7.4",
    title="Does it integrate to one?",
    kind="experiment",
    section=_SECTION,
    reference=_log_mass,
    inputs=_functions_and_boxes,
    edge_cases=_edges,
    misconceptions=wrong,
)
