"""Exercise 7.4: does it integrate to one?

Asked for is the logarithm of the integral of exp(log_density) over a box, by the midpoint rule. `specimens.py` has the
functions, densities and others.

The wrong answers, and the exercise itself, follow in `ex4_does_it_integrate_to_one_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.ch07.specimens import Bumps, Head
from hvae_ref.exercises.engine.inputs import normal, uniform

_SECTION = "What makes it a density?"
LogDensity = Callable[[Tensor], Tensor]
LogMass = Callable[[LogDensity, Tensor, Tensor, int], Tensor]


def _grid(axes: list[Tensor]) -> Tensor:
    """All points with one coordinate from each axis, (n^D, D)."""
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)


def _axes(low: Tensor, high: Tensor, cells: int, place: float = 0.5) -> list[Tensor]:
    """The middle of each cell along each axis, or another place in it."""
    steps = (torch.arange(cells, dtype=torch.float64) + place) / cells
    return list((low + steps[:, None] * (high - low)).T)


def _log_volume(low: Tensor, high: Tensor, cells: int) -> Tensor:
    return ((high - low) / cells).log().sum()


def _summed(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return log_density(_grid(_axes(low, high, cells))).logsumexp(0)


def _log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
    return _summed(log_density, low, high, cells) + _log_volume(low, high, cells)


def _functions_and_boxes(rng: np.random.Generator) -> tuple[LogDensity, Tensor, Tensor, int]:
    dim = int(rng.integers(1, 4))
    offset = float(rng.choice([0.0, -2.0, 900.0, -900.0]))  # e^900 is too large for float64
    function = _bumps(rng, dim, offset) if rng.random() < 0.5 else _head(rng, dim, offset)
    low = -uniform(rng, dim, low=1.5, high=4.5, dtype=torch.float64)
    return function, low, low + uniform(rng, dim, low=4, high=8, dtype=torch.float64), int(rng.integers(7, 40 // dim))


def _bumps(rng: np.random.Generator, dim: int, offset: float) -> Bumps:
    loc = uniform(rng, int(rng.integers(1, 4)), dim, low=-1, high=1, dtype=torch.float64)
    return Bumps(loc, float(rng.uniform(0.6, 1.2)), offset)


def _head(rng: np.random.Generator, dim: int, offset: float) -> Head:
    weight, bias, last = (normal(rng, *shape, dtype=torch.float64) for shape in ((5, dim), (5,), (5,)))
    return Head(weight, bias, last, offset)


def _with_volume(volume: Callable[[Tensor, Tensor, int], Tensor | float]) -> LogMass:
    """The sum over the cells, with something else for the logarithm of their volume."""

    def log_mass(log_density: LogDensity, low: Tensor, high: Tensor, cells: int) -> Tensor:
        return _summed(log_density, low, high, cells) + volume(low, high, cells)

    return log_mass


def _edges() -> list[tuple[LogDensity, Tensor, Tensor, int]]:
    """One cell, two, and very many; boxes of unequal sides, away from 0; e^±900; one dimension to three."""
    rng = np.random.default_rng(74)
    sides = torch.tensor([[-2.0, 3.0], [0.5, 0.9], [-7.0, -1.0]], dtype=torch.float64)
    found = []
    for cells, dim in ((1, 1), (1, 3), (2, 2), (3, 3), (21, 3), (64, 2), (3000, 1)):
        low, high = sides[:dim].T
        function = _bumps(rng, dim, 0.0) if cells % 2 else _head(rng, dim, 1.0)
        found.append((function, low.clone(), high.clone(), cells))
    low, high = sides[:2].flip(0).T
    narrower = Bumps(torch.zeros(1, 1, dtype=torch.float64), 0.0022, 2.0)  # no fewer cells will do
    found.append((narrower, torch.tensor([-4.0]).double(), torch.tensor([3.0]).double(), 3001))
    narrow = Bumps(torch.zeros(1, 1, dtype=torch.float64), 0.05, 0.0)  # its logarithm spans thousands
    found += [(narrow, torch.tensor([left]).double(), torch.tensor([3.0]).double(), 900) for left in (-4.0, 0.2)]
    found.append((_head(rng, 2, 0.0), low.float(), high.float(), 9))
    return [*found, *((_head(rng, 2, offset), low.clone(), high.clone(), 9) for offset in (900.0, -900.0))]
