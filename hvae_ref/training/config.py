"""The numbers that describe a training run, checked when they are written down."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hvae_ref.objectives import Progress


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train; what to minimise is the objective's.

    The optimiser is Adam with decoupled weight decay (AdamW; plain Adam where the decay is 0).

    Attributes:
        epochs: passes over the training set.
        batch_size: examples in one step, over all processes together.
        learning_rate: the rate at its highest.
        schedule: "constant", or "cosine" down to 0 at the end of the run.
        warmup: share of the run in which the rate rises from 0, in [0, 1).
        weight_decay: decoupled decay for a unit of learning rate.
        gradient_clip: largest norm of the gradient over all parameters; None for no limit.
        patience: stop after so many epochs without a better validation −ELBO and go back to the best weights;
            None to train through and keep the last ones.
        ema_decay: keep an exponential moving average of the weights with this decay for a step, in (0, 1), validate
            with it and end with it; None for the weights themselves.
        precision: "float32", or "bfloat16" for autocast to it.
        device: "cpu", "cuda", or None for a GPU where there is one.
        seed: of the order of the batches and of all sampling.
        checkpoint_every: epochs between two checkpoints.
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
    progress: bool | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "checkpoint_every", "patience"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1) and not (name == "patience" and value is None):
                raise ValueError(f"{name}: expected a whole number ≥ 1, got {value!r}")
        _check("learning_rate", self.learning_rate, 0 < self.learning_rate < math.inf, "a number > 0")
        _check("schedule", self.schedule, self.schedule in ("constant", "cosine"), '"constant" or "cosine"')
        _check("warmup", self.warmup, 0 <= self.warmup < 1, "a share of the run in [0, 1)")
        _check("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "a number ≥ 0")
        clip, decay = self.gradient_clip, self.ema_decay
        _check("gradient_clip", clip, clip is None or 0 < clip < math.inf, "a number > 0 or None")
        _check("ema_decay", decay, decay is None or 0 < decay < 1, "a number in (0, 1) or None")
        known = self.precision in ("float32", "bfloat16")
        _check("precision", self.precision, known, '"float32" or "bfloat16"')
        _check("device", self.device, self.device in (None, "cpu", "cuda"), '"cpu", "cuda" or None')
        _check("seed", self.seed, isinstance(self.seed, int) and self.seed >= 0, "a whole number ≥ 0")

    def learning_rate_at(self, progress: Progress) -> float:
        """The learning rate of one step.

        >>> config = TrainConfig(learning_rate=1.0, schedule="cosine", warmup=0.5)
        >>> [round(config.learning_rate_at(Progress(step, total=100)), 2) for step in (0, 24, 49, 75, 100)]
        [0.02, 0.5, 1.0, 0.5, 0.0]
        """
        warmup_steps = self.warmup * progress.total
        if progress.step < warmup_steps:
            return self.learning_rate * (progress.step + 1) / math.ceil(warmup_steps)
        if self.schedule == "constant":
            return self.learning_rate
        fallen = (progress.fraction - self.warmup) / (1 - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * fallen))


def _check(name: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
