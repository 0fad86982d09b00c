"""GECO: reconstruct to a given quality, and spend as few nats on that as possible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae_ref.elbo import Elbo
from hvae_ref.errors import real_number
from hvae_ref.objectives.mmd import LatentSamples
from hvae_ref.objectives.rate import RateObjective
from hvae_ref.objectives.training_state import TrainingState

_SMALLEST, _LARGEST = 1e-4, 1e4


@dataclass
class Geco(RateObjective):
    """Minimise the KL subject to E[−log p(x|z)] ≤ `constraint`, by a Lagrange multiplier that is learned.

    L = λ · (E_b[−log p(x|z)] − κ) + Σ_l β_l(t) · KL_l        after each step:
    C ← decay · C + (1 − decay) · (E_b[−log p(x|z)] − κ),      λ ← λ · exp(rate_of_change · C), within [1e-4, 1e4]

    While reconstructions are worse than asked for, λ grows and their error dominates; once they are good enough it
    shrinks and the KL is brought down. At the solution 1/λ plays the part of β. The moving average C keeps the noise
    of a single batch out of λ.

    Args:
        beta: as in `NegativeElbo`.
        free_bits: as in `NegativeElbo`.
        mmd: as in `NegativeElbo`.
        constraint: κ, nats for an example that −log p(x|z) may cost.
        rate_of_change: how fast log λ moves, 1/nats for a step.
        decay: of the moving average C, in [0, 1).

    Raises:
        ValueError: for a constraint that is not finite, a rate that is not positive, or decay outside [0, 1).

    Reference:
        Rezende and Viola (2018), Taming VAEs, algorithm 1, https://arxiv.org/abs/1810.00597

    >>> elbo = Elbo(torch.tensor([-30.0]), {"z1": torch.tensor([4.0])})
    >>> geco = Geco(constraint=20.0)
    >>> float(geco(elbo))
    14.0
    """

    constraint: float = field(kw_only=True)
    rate_of_change: float = field(default=1e-3, kw_only=True)
    decay: float = field(default=0.99, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        real_number("constraint", self.constraint)
        real_number("rate_of_change", self.rate_of_change, above=0)
        if not 0 <= real_number("decay", self.decay) < 1:
            raise ValueError(f"decay: expected a number in [0, 1), got {self.decay!r}")
        self.reset()

    def reset(self) -> None:
        """λ = 1 and no moving average."""
        self._multiplier = torch.ones(())
        self._excess: Tensor | None = None

    def __call__(self, elbo: Elbo, state: TrainingState | None = None, latents: LatentSamples | None = None) -> Tensor:
        """The loss of a batch, a scalar."""
        excess = -elbo.log_px.mean() - self.constraint
        return self._multiplier.to(excess.device) * excess + self.rate(elbo, state or TrainingState(), latents)

    @torch.no_grad()
    def update(self, elbo: Elbo, state: TrainingState) -> None:
        """Move λ by what this step's reconstructions miss the constraint by."""
        excess = state.average(-elbo.log_px.mean().float() - self.constraint)
        if self._excess is not None:
            excess = self.decay * self._excess.to(excess.device) + (1 - self.decay) * excess
        self._excess = excess
        moved = self._multiplier.to(excess.device) * torch.exp(self.rate_of_change * excess)
        self._multiplier = moved.clamp(_SMALLEST, _LARGEST)

    def report(self, levels: tuple[str, ...], state: TrainingState) -> dict[str, float]:
        """The weights in force: β of each level and λ under "multiplier"."""
        return super().report(levels, state) | {"multiplier": float(self._multiplier)}

    def state_dict(self) -> dict[str, Tensor]:
        """λ and the moving average of the constraint (not a number before the first step)."""
        excess = torch.tensor(math.nan) if self._excess is None else self._excess
        return {"multiplier": self._multiplier.clone(), "excess": excess.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over λ and the moving average."""
        super().load_state_dict(state)
        self._multiplier = state["multiplier"].clone()
        self._excess = None if bool(torch.isnan(state["excess"])) else state["excess"].clone()
