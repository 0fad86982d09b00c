"""How a weight moves during training: constant, rising once (KL annealing), in cycles, or in three phases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hvae_ref.errors import real_number, whole_number
from hvae_ref.objectives.training_state import TrainingState

Schedule = Callable[[TrainingState], float]
"""A weight as a function of where training stands."""


@dataclass(frozen=True)
class Constant:
    """The same weight from the first step to the last: β(t) = value.

    >>> Constant(0.5)(TrainingState(step=7, total=10))
    0.5
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        real_number("value", self.value, least=0)

    def __call__(self, state: TrainingState) -> float:
        """The weight at this step."""
        return self.value


def as_schedule(value: float | Schedule, name: str = "value") -> Schedule:
    """A schedule as it is, a number as a constant one; `name` is for the error where it is neither."""
    return value if callable(value) else Constant(real_number(name, value, least=0))


def weight_at(value: float | Schedule, state: TrainingState, name: str) -> float:
    """The weight that a number or a schedule gives at this step, as Python's own float.

    Args:
        value: a number, or a schedule; one that returns a scalar of NumPy's or a tensor of shape () will do, but
            nothing is learned through it.
        state: where training stands.
        name: of the argument, for the error.

    Raises:
        ValueError: where that is no finite number ≥ 0.

    >>> weight_at(lambda state: 1 - 2 * state.fraction, TrainingState(step=9, total=10), "beta")
    Traceback (most recent call last):
    ValueError: beta at step 9: expected a finite number ≥ 0, got -0.8
    """
    weight: Any = as_schedule(value, name)(state)
    if isinstance(weight, Tensor | np.ndarray) and len(weight.shape) == 0:
        weight = weight.item()
    return real_number(f"{name} at step {state.step}" if callable(value) else name, weight, least=0)


@dataclass(frozen=True)
class LinearWarmup:
    """KL annealing: a weight that moves in a straight line from `start` to `end` and stays there.

    β(t) = start + (end − start) · clip((t − delay) / length, 0, 1)

    The length is given as `steps`, or as a `fraction` of the whole run; `delay` is in the same unit. A delay for
    each level makes the levels wake one after the other.

    Args:
        start: weight until `delay` has passed.
        end: weight once the warm-up is over.
        steps: length in optimiser steps.
        fraction: length as a share of the run, in (0, 1]. Without either of the two: 0.3.
        delay: wait before the rise, in steps or as a share of the run.

    Raises:
        ValueError: for a negative weight, both lengths at once, a length outside its range, or a delay and a rise that
            do not fit into the run together.

    Reference:
        Bowman et al. (2016), Generating Sentences from a Continuous Space, https://arxiv.org/abs/1511.06349;
        Sønderby et al. (2016), Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282

    >>> warmup = LinearWarmup(fraction=0.5)
    >>> [warmup(TrainingState(step, total=100)) for step in (0, 25, 50, 99)]
    [0.0, 0.5, 1.0, 1.0]
    """

    start: float = 0.0
    end: float = 1.0
    steps: int | None = None
    fraction: float | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("start", "end", "delay"):
            real_number(name, getattr(self, name), least=0)
        if self.steps is not None and self.fraction is not None:
            raise ValueError(
                f"steps, fraction: expected one of the two, got steps={self.steps}, fraction={self.fraction}"
            )
        if self.steps is not None:
            whole_number("steps", self.steps)
        if self.fraction is not None and not 0 < real_number("fraction", self.fraction) <= 1:
            raise ValueError(f"fraction: expected a share of the run in (0, 1], got {self.fraction}")
        if self.steps is None and self.delay + self._share > 1 + 1e-9:  # 0.3 + 0.7 may be a rounding error above 1
            raise ValueError(
                f"delay: expected a share of the run that leaves {self._share:g} for the rise, got {self.delay:g}; "
                "for a delay in steps give the length in steps too"
            )

    @property
    def _share(self) -> float:
        """Length as a share of the run, where it is not in steps."""
        return 0.3 if self.fraction is None else self.fraction

    def __call__(self, state: TrainingState) -> float:
        """The weight at this step."""
        if self.steps is not None:
            risen = (state.step - self.delay) / self.steps
        else:
            risen = (state.fraction - self.delay) / self._share
        return self.start + (self.end - self.start) * min(max(risen, 0.0), 1.0)


@dataclass(frozen=True)
class Cyclic:
    """Cyclical KL annealing: the warm-up starts over `cycles` times in the run.

    Within a cycle the weight rises in a straight line during the first `rise` of it, then stays at `end`.

    Args:
        start: weight at the beginning of a cycle.
        end: weight once risen.
        cycles: how many cycles the run holds.
        rise: share of a cycle spent rising, in (0, 1].

    Raises:
        ValueError: for a negative weight, no cycle, or `rise` outside (0, 1].

    Reference:
        Fu et al. (2019), Cyclical Annealing Schedule, https://arxiv.org/abs/1903.10145

    >>> cyclic = Cyclic(cycles=2, rise=0.5)
    >>> [cyclic(TrainingState(step, total=80)) for step in (0, 10, 30, 40, 50, 79, 80)]
    [0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 1.0]
    """

    start: float = 0.0
    end: float = 1.0
    cycles: int = 4
    rise: float = 0.5

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            real_number(name, getattr(self, name), least=0)
        whole_number("cycles", self.cycles)
        if not 0 < real_number("rise", self.rise) <= 1:
            raise ValueError(f"rise: expected a share of the cycle in (0, 1], got {self.rise}")

    def __call__(self, state: TrainingState) -> float:
        """The weight at this step."""
        # The run's last point belongs to the last cycle, it does not open a new one.
        within = 1.0 if state.fraction >= 1 else (state.fraction * self.cycles) % 1.0
        return self.start + (self.end - self.start) * min(within / self.rise, 1.0)


@dataclass(frozen=True)
class ThreePhases:
    """A weight held, moved and held again: `start`, a straight line, `end`.

    w(t) = start + (end − start) · clip((t − first) / second, 0, 1),  t the share of the run   (book, eq. 6.10)

    The first phase lets the parts with a full weight settle, the second brings this part in (or takes it out, where
    `end` is the smaller), the third trains with what is wanted in the end.

    Args:
        start: weight in the first phase.
        end: weight in the third phase.
        first: length of the first phase, as a share of the run in [0, 1).
        second: length of the second phase, as a share of the run in (0, 1].

    Raises:
        ValueError: for a negative weight, or phases that don't fit into the run.

    >>> phases = ThreePhases(0.1, 1.0, first=0.25, second=0.5)
    >>> [round(phases(TrainingState(step, total=100)), 2) for step in (0, 25, 50, 75, 100)]
    [0.1, 0.1, 0.55, 1.0, 1.0]
    """

    start: float
    end: float
    first: float = 0.3
    second: float = 0.4

    def __post_init__(self) -> None:
        for name in ("start", "end", "first", "second"):
            real_number(name, getattr(self, name), least=0 if name in ("start", "end") else -math.inf)
        if not 0 <= self.first < 1:
            raise ValueError(f"first: expected a share of the run in [0, 1), got {self.first!r}")
        if not 0 < self.second <= 1:
            raise ValueError(f"second: expected a share of the run in (0, 1], got {self.second!r}")
        # 0.3 + 0.7 may come out a rounding error above 1.
        if self.first + self.second > 1 + 1e-9:
            raise ValueError(
                f"first, second: expected shares that add up to at most 1, got {self.first} + {self.second}"
            )

    def __call__(self, state: TrainingState) -> float:
        """The weight at this step."""
        risen = (state.fraction - self.first) / self.second
        return self.start + (self.end - self.start) * min(max(risen, 0.0), 1.0)
