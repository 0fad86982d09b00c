"""Free bits: a level may hold a few nats without being charged for less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from hvae_ref.objectives.training_state import TrainingState


@dataclass(frozen=True)
class FreeBits:
    """A floor under the KL of each level, below which pushing it further down earns nothing.

    over="batch":    max(λ_l, mean_b KL_l,b)     the floor holds for the level's mean over the batch
    over="example":  mean_b max(λ_l, KL_l,b)     the floor holds for each example by itself

    The floor is for a *level*, in nats: never for a latent dimension and never for the sum of the levels. With several
    processes the batch mean is the mean over all of them, so the gradient is that of one process with the whole
    batch.

    Args:
        nats: λ, one number for every level or a mapping with one for each.
        over: "batch" (as in the paper) or "example".

    Raises:
        ValueError: for a negative floor or another `over`.

    Reference:
        Kingma et al. (2016), Improved Variational Inference with Inverse Autoregressive Flow, appendix C.8,
        https://arxiv.org/abs/1606.04934

    >>> kl = torch.tensor([0.0, 4.0])
    >>> float(FreeBits(1.0)("z1", kl)), float(FreeBits(1.0, over="example")("z1", kl))
    (2.0, 2.5)
    """

    nats: float | Mapping[str, float] = 0.5
    over: str = "batch"

    def __post_init__(self) -> None:
        values = self.nats.values() if isinstance(self.nats, Mapping) else (self.nats,)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < math.inf:
                raise ValueError(f"nats: expected numbers ≥ 0, got {self.nats!r}")
        if self.over not in ("batch", "example"):
            raise ValueError(f'over: expected "batch" or "example", got {self.over!r}')

    def __call__(self, level: str, kl: Tensor, state: TrainingState | None = None) -> Tensor:
        """The level's charged KL.

        Args:
            level: name of the level, such as "z1".
            kl: (B,) nats.
            state: knows how to average over processes; None with one.

        Returns:
            A scalar, nats.
        """
        floor = self._floor(level)
        if self.over == "example":
            return kl.clamp(min=floor).mean()
        mean = kl.mean()
        everywhere = mean.detach() if state is None else state.average(mean.detach())
        # The floor is written with the mean's own graph, so that every parameter still gets its (zero) gradient.
        return torch.where(everywhere > floor, mean, 0 * mean + floor)

    def _floor(self, level: str) -> float:
        if not isinstance(self.nats, Mapping):
            return self.nats
        if level not in self.nats:
            raise ValueError(f"nats: expected a number for level {level!r}, got one for {sorted(self.nats)}")
        return self.nats[level]
