"""The numbers that describe a training run, checked when they are written down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch

from hvae_ref.objectives import TrainingState

WHOLE = ("epochs", "batch_size", "checkpoint_every", "patience", "steps_per_epoch", "seed")
REAL = ("learning_rate", "warmup", "weight_decay", "gradient_clip", "ema_decay")
OPTIONAL = ("patience", "steps_per_epoch", "gradient_clip", "ema_decay")
"""Fields that may be None."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train; what to minimise is the step's.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples in one step, over all processes together; the last batch of an epoch may be smaller. A
            `DataLoader` has its own.
        learning_rate: the rate at its highest.
        schedule: "constant", or "cosine" down to 0 at the end of the run.
        warmup: share of the run in which the rate rises from 0, in [0, 1).
        weight_decay: decoupled decay for a unit of learning rate.
        gradient_clip: largest norm of the gradient over the parameters of an optimiser; None for no limit.
        patience: stop after so many epochs without a better validation criterion (−ELBO, where that is trained) and go
            back to the best weights; None to train through and keep the last ones.
        ema_decay: keep an exponential moving average of the weights with this decay for a batch, in (0, 1), validate
            with it and end with it; None for the weights themselves.
        precision: "float32" for the model's own type, or "bfloat16" for autocast to it.
        device: "cpu", "cuda", or None for the device of an `accelerate.Accelerator` in this process, else for a GPU
            where there is one.
        seed: of the order of the batches and of all sampling.
        checkpoint_every: epochs between two checkpoints.
        steps_per_epoch: at most so many batches in an epoch, for data without an end; None for all of them.
        progress: show a progress bar; None for wherever somebody can see it move.

    Raises:
        ValueError: for a value outside its range, naming it.
    """

    epochs: int = 100
    batch_size: int = 100
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    gradient_clip: float | None = None
    patience: int | None = None
    ema_decay: float | None = None
    precision: str = "float32"
    device: str | None = None
    seed: int = 0
    checkpoint_every: int = 1
    steps_per_epoch: int | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        for name in (*WHOLE, *REAL):
            # Python's own numbers, which a checkpoint can hold.
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name in WHOLE:
            value, least = getattr(self, name), 0 if name == "seed" else 1
            _check(name, value, value is None or value >= least, f"a whole number ≥ {least}")
        _check("seed", self.seed, self.seed < 2**63, "a whole number from 0 to 2⁶³ − 1")
        _check("learning_rate", self.learning_rate, 0 < self.learning_rate < math.inf, "a number > 0")
        _check("schedule", self.schedule, self.schedule in ("constant", "cosine"), '"constant" or "cosine"')
        _check("warmup", self.warmup, 0 <= self.warmup < 1, "a share of the run in [0, 1)")
        _check("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "a number ≥ 0")
        clip, decay = self.gradient_clip, self.ema_decay
        _check("gradient_clip", clip, clip is None or 0 < clip < math.inf, "a number > 0 or None")
        _check("ema_decay", decay, decay is None or 0 < decay < 1, "a number in (0, 1) or None")
        if isinstance(self.device, torch.device) and self.device.index is None:
            object.__setattr__(self, "device", self.device.type)
        known = self.precision in ("float32", "bfloat16")
        _check("precision", self.precision, known, '"float32" or "bfloat16"')
        _check("device", self.device, self.device in (None, "cpu", "cuda"), '"cpu", "cuda" or None')
        shown = self.progress is None or isinstance(self.progress, bool)
        _check("progress", self.progress, shown, "True, False or None")

    @property
    def rate_moves(self) -> bool:
        """Whether the learning rate changes during a run."""
        return self.schedule != "constant" or self.warmup > 0

    def rate_factor_at(self, state: TrainingState) -> float:
        """The learning rate of one step as a share of its highest value.

        Raises:
            ValueError: where it moves, and the length of the run is not known.
        """
        if not self.rate_moves:
            return 1.0
        fraction = state.fraction
        warmup_steps = self.warmup * (state.total or 0)
        if state.step < warmup_steps:
            return (state.step + 1) / math.ceil(warmup_steps)
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (fraction - self.warmup) / (1 - self.warmup)))

    def learning_rate_at(self, state: TrainingState) -> float:
        """The learning rate of one step.

        >>> config = TrainConfig(learning_rate=1.0, schedule="cosine", warmup=0.5)
        >>> [round(config.learning_rate_at(TrainingState(step, total=100)), 2) for step in (0, 24, 49, 75, 100)]
        [0.02, 0.5, 1.0, 0.5, 0.0]
        """
        return self.learning_rate * self.rate_factor_at(state)


def _number(name: str, value: Any) -> int | float | None:  # noqa: ANN401
    """A number as Python's own int or float; numbers of NumPy's are numbers, truth values and strings are not."""
    if value is None and name in OPTIONAL:
        return None
    whole = name in WHOLE
    if isinstance(value, bool) or type(value).__name__ == "bool_" or not isinstance(value, Integral if whole else Real):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name}: expected {kind}{' or None' if name in OPTIONAL else ''}, got {value!r}")
    return int(value) if whole else float(value)


def _check(name: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
