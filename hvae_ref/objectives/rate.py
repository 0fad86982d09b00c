"""The weighted KL terms, free bits and the MMD penalty: what an objective charges for the latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from hvae_ref.elbo import Elbo
from hvae_ref.objectives.free_bits import FreeBits
from hvae_ref.objectives.mmd import LatentSamples, MmdPenalty
from hvae_ref.objectives.objective import Objective
from hvae_ref.objectives.schedules import Schedule, as_schedule, weight_at
from hvae_ref.objectives.training_state import TrainingState

Beta = float | Schedule | Mapping[str, float | Schedule]
"""One weight or schedule for all levels, or one for each level by name."""


@dataclass
class RateObjective(Objective):
    """An objective that charges for the latents level by level.

    rate = Σ_l β_l(t) · freebits_l(KL_l) + MMD penalty

    Attributes:
        beta: weight of the KL terms: a number, a schedule, or a mapping from level to one of them.
        free_bits: floors under the levels' KL, or None.
        mmd: penalty on the distance between aggregate posterior and prior, or None.
    """

    beta: Beta = 1.0
    free_bits: FreeBits | None = field(default=None, kw_only=True)
    mmd: MmdPenalty | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        several = isinstance(self.beta, Mapping)
        for level, value in self.beta.items() if several else [("", self.beta)]:
            as_schedule(
                value, f"beta[{level!r}]" if several else "beta"
            )  # a bad number is refused here, not at the first step
        if not isinstance(self.free_bits, FreeBits | None):
            raise ValueError(f"free_bits: expected FreeBits(…) or None, got {self.free_bits!r}")
        if not isinstance(self.mmd, MmdPenalty | None):
            raise ValueError(f"mmd: expected MmdPenalty(…) or None, got {self.mmd!r}")

    @property
    def needs_latents(self) -> bool:
        """Whether calling needs samples of the latents."""
        return self.mmd is not None

    def beta_of(self, level: str, state: TrainingState) -> float:
        """β_l(t), the weight of one level at this step."""
        if not isinstance(self.beta, Mapping):
            return weight_at(self.beta, state, "beta")
        if level not in self.beta:
            raise ValueError(f"beta: expected a weight for level {level!r}, got weights for {sorted(self.beta)}")
        return weight_at(self.beta[level], state, f"beta[{level!r}]")

    def rate(self, elbo: Elbo, state: TrainingState, latents: LatentSamples | None) -> Tensor:
        """Everything that is charged for the latents, a scalar in nats."""
        if isinstance(self.beta, Mapping) and (unknown := sorted(set(self.beta) - set(elbo.kl))):
            raise ValueError(f"beta: expected the levels {list(elbo.kl)}, got {unknown} as well")
        terms = []
        for level, kl in elbo.kl.items():
            beta = self.beta_of(level, state)
            charged = kl.mean() if self.free_bits is None else self.free_bits(level, kl, state)
            terms.append(charged if beta == 1.0 else beta * charged)
        if self.mmd is not None:
            if latents is None:
                raise ValueError("latents: expected LatentSamples because the objective has an MMD penalty, got None")
            terms.append(self.mmd(latents))
        return sum(terms[1:], start=terms[0])

    def report(self, levels: tuple[str, ...], state: TrainingState) -> dict[str, float]:
        """The weights in force, for the history: one `beta/<level>` a level, and what the objective learns."""
        return {f"beta/{level}": self.beta_of(level, state) for level in levels}
