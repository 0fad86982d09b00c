"""Exercise of chapter 7 on whether something is a density: 7.4."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.ch07.specimens import Bumps, Head
from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, uniform

_DENSITY = "What makes it a density?"

LogDensity = Callable[[Tensor], Tensor]
LogMass = Callable[[LogDensity, Tensor, Tensor, int], Tensor]


def _functions_and_boxes(rng: np.random.Generator) -> tuple[LogDensity, Tensor, Tensor, int]:
    dim = int(rng.integers(1, 4))
    offset = float(rng.choice([0.0, -2.0, 900.0, -900.0]))  # e to the power of 900 is more than float64 can hold
    function = _bumps(rng, dim, offset) if rng.random() < 0.5 else _head(rng, dim, offset)
    low = -uniform(rng, dim, low=1.5, high=4.5, dtype=torch.float64)
    return function, low, low + uniform(rng, dim, low=4, high=8, dtype=torch.float64), int(rng.integers(7, 40 // dim))


def _bumps(rng: np.random.Generator, dim: int, offset: float) -> Bumps:
    loc = uniform(rng, int(rng.integers(1, 4)), dim, low=-1, high=1, dtype=torch.float64)
    return Bumps(loc, float(rng.uniform(0.6, 1.2)), offset)


def _head(rng: np.random.Generator, dim: int, offset: float) -> Head:
    weight, bias, last = (normal(rng, *shape, dtype=torch.float64) for shape in ((5, dim), (5,), (5,)))
    return Head(weight, bias, last, offset)


def _grid(axes: list[Tensor]) -> Tensor:
    """All points with one coordinate from each axis, (n^D, D)."""
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)


def _axes(low: Tensor, high: Tensor, cells: int, place: float = 0.5) -> list[Tensor]:
    """Where the cells of each axis have their middle, or another place in them."""
    steps = (torch.arange(cells, dtype=torch.float64) + place) / cells
    return list((low + steps[:, None] * (high - low)).T)


def _log_volume(low: Tensor, high: Tensor, cells: int) -> Tensor:
    return ((high - low) / cells).log().sum()


def _summed(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return log_density(_grid(_axes(low, high, cells))).logsumexp(0)


def _log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return _summed(log_density, low, high, cells) + _log_volume(low, high, cells)


def _with_volume(volume: Callable[[Tensor, Tensor, int], Tensor | float]) -> LogMass:
    """The sum over the cells, with something else for the logarithm of their volume."""

    def log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
        return _summed(log_density, low, high, cells) + volume(low, high, cells)

    return log_mass


def _without_logarithms(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    density = log_density(_grid(_axes(low, high, cells))).exp()
    return density.sum().log() + _log_volume(low, high, cells)


def _mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return _log_mass(log_density, low, high, cells).exp()


def _integral_of_the_logarithm(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return log_density(_grid(_axes(low, high, cells))).sum() * _log_volume(low, high, cells).exp()


def _sum_of_logarithms(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return log_density(_grid(_axes(low, high, cells))).sum() + _log_volume(low, high, cells)


def _without_the_largest(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return _log_mass(log_density, low, high, cells) - _largest(log_density, low, high, cells)


def _negative(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return -_log_mass(log_density, low, high, cells)


def _of_the_energy(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return _log_mass(lambda f: -log_density(f), low, high, cells)


def _at_another_place(place: float) -> LogMass:
    """The sum over points at another place of each cell."""

    def log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
        points = _grid(_axes(low, high, cells, place))
        return log_density(points).logsumexp(0) + _log_volume(low, high, cells)

    return log_mass


def _with_both_ends(points: Callable[[int], int], divisor: Callable[[int], int]) -> LogMass:
    """The sum over points that include both ends of each axis."""

    def log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
        steps = torch.linspace(0, 1, points(cells), dtype=torch.float64)
        grid = _grid(list((low + steps[:, None] * (high - low)).T))
        return log_density(grid).logsumexp(0) + _log_volume(low, high, divisor(cells))

    return log_mass


def _trapezoids(points: Callable[[int], int]) -> LogMass:
    """Half the weight at both ends of each axis."""

    def log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
        count = points(cells)
        steps, weights = torch.linspace(0, 1, count, dtype=torch.float64), torch.ones(count, dtype=torch.float64)
        weights[0] = weights[-1] = 0.5
        grid = _grid(list((low + steps[:, None] * (high - low)).T))
        log_weights = _grid(len(low) * [weights.log()]).sum(-1)
        return (log_density(grid) + log_weights).logsumexp(0) + _log_volume(low, high, count - 1)

    return log_mass


def _along_the_diagonal(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    points = torch.stack(_axes(low, high, cells), -1)
    return log_density(points).logsumexp(0) + _log_volume(low, high, cells)


def _largest(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return log_density(_grid(_axes(low, high, cells))).max()


ON_INTEGRALS: tuple[Exercise, ...] = (
    Exercise(
        id="7.4",
        title="Does it integrate to one?",
        kind="experiment",
        section=_DENSITY,
        reference=_log_mass,
        inputs=_functions_and_boxes,
        misconceptions=(
            Misconception(
                "D2",
                _without_logarithms,
                "Right where e to the power of the log-density can be held in floating point. A net that was trained "
                "to answer large numbers answers 900 sooner or later, and one far from all features answers −900.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: 0.0),
                "The values are added up, but a sum is no integral: with twice the cells it would be larger. How much "
                "room does each point stand for?",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: -len(low) * math.log(cells)),
                "This is the *mean* of the density over the box. A larger box holds more.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: (high - low).log().sum() - math.log(cells)),
                "The volume of the box is divided by the number of cells along one axis. How many cells are there?",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: ((high - low) / cells).log()[0]),
                "A cell is counted with its first side alone. In two dimensions it is an area, in three a volume.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: len(low) * ((high - low) / cells).log()[0]),
                "A cell is counted as if all its sides were as long as the first. Boxes need not be cubes.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _without_the_largest,
                "The largest value is taken out before the exponential, which is how overflow is avoided. It has to "
                "be given back at the end.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _sum_of_logarithms,
                "Log-densities are added up, which multiplies densities. An integral adds them.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: ((high - low) / cells).sum().log()),
                "The sides of a cell are added. Its volume is their product.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_volume(lambda low, high, cells: -_log_volume(low, high, cells)),
                "The sum is divided by the volume of a cell. Smaller cells should make each point count less.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _mass,
                "This is the integral. Asked for is its logarithm, which can be held where it cannot.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _integral_of_the_logarithm,
                "This is an integral of log p. A density is one whose p integrates to one.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _negative,
                "The sign is reversed: 0 is as good, but 5 would say that there is too little.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _of_the_energy,
                "The function is read as an energy. It is given as log p, with no minus.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _at_another_place(0.0),
                "Each cell is judged by its lower corner. The middle of a cell is a far better place: there what the "
                "slope adds on one side it takes away on the other.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _at_another_place(1.0),
                "Each cell is judged by its upper corner. The middle of a cell is a far better place: there what the "
                "slope adds on one side it takes away on the other.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_both_ends(lambda cells: cells, lambda cells: cells),
                "`linspace` from end to end puts points on the border of the box, and they stand further apart than "
                "the cells are wide. Where are the middles of n cells?",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_both_ends(lambda cells: cells, lambda cells: cells - 1),
                "n points from end to end have n − 1 gaps, and each point counts as a whole one here: the box is "
                "covered and half a cell beyond it. Where are the middles of n cells?",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _with_both_ends(lambda cells: cells + 1, lambda cells: cells),
                "n + 1 points from end to end, each counted as a whole cell: the box is covered and half a cell "
                "beyond it. Where are the middles of n cells?",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _trapezoids(lambda cells: cells),
                "This is the trapezoidal rule on n points. It is a good one; asked for are the middles of n cells.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _trapezoids(lambda cells: cells + 1),
                "This is the trapezoidal rule on n cells. It is a good one; asked for are their middles.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _along_the_diagonal,
                "The points all lie on the diagonal of the box. Every middle of one axis goes with every one of the "
                "others.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                lambda log_density, low, high, cells: 0.0,
                "This answers 0 whatever it is given: that everything is a density. Some of these functions are none, "
                "and some boxes do not hold all of one.",
                _DENSITY,
            ),
            Misconception(
                "D2",
                _largest,
                "This is the largest value on the grid. A density may be high and hold little.",
                _DENSITY,
            ),
        ),
    ),
)
