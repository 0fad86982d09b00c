"""An objective whose parts have names and a weight each: the bound's terms and what a model learns beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real

from torch import Tensor

from hvae_ref.elbo import Elbo
from hvae_ref.errors import did_you_mean
from hvae_ref.objectives.mmd import LatentSamples
from hvae_ref.objectives.objective import Objective
from hvae_ref.objectives.schedules import Schedule, weight_at
from hvae_ref.objectives.training_state import TrainingState

RECONSTRUCTION = "reconstruction"


def kl_part(level: str) -> str:
    """Name of the part that holds a level's KL.

    >>> kl_part("z_global"), kl_part("z2")
    ('global_kl', 'z2_kl')
    """
    return f"{level.removeprefix('z_')}_kl"


def part_names(levels: Iterable[str], auxiliary: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of all parts, in the order in which they are added up.

    >>> part_names(("z_global", "z_local"), ("peak",))
    ('reconstruction', 'global_kl', 'local_kl', 'peak')
    """
    return (RECONSTRUCTION, *(kl_part(level) for level in levels), *auxiliary)


@dataclass
class WeightedLoss(Objective):
    """A weighted sum of named parts, averaged over the batch.

    L(t) = Σ_name w_name(t) · mean_b part_name,b   (book, eq. 6.7)

    The parts are

    * `reconstruction`: −log p(x|z), nats;
    * `global_kl` and `local_kl` for the levels `z_global` and `z_local`, `z2_kl` for a level `z2`, …: KL, nats;
    * what the bound brings beside its terms, by the names it gives: `static`, `peak`, `presence`, `alignment`.

    With a weight of 1 for the reconstruction and every KL and 0 for all else the loss is −ELBO. Every part needs its
    weight: what is to be left out gets 0, so that no part goes missing by a slip. A part with weight 0 still reaches
    its parameters, with gradients of 0.

    Args:
        weights: a number ≥ 0 or a schedule for each part, by name.

    Raises:
        ValueError: for a weight that is no number ≥ 0; at the first call, for a name that is no part of the bound, or
            a part without a weight.

    >>> import torch
    >>> elbo = Elbo(torch.tensor([-3.0]), {"z_global": torch.tensor([2.0])}, {"peak": torch.tensor([10.0])})
    >>> float(WeightedLoss({"reconstruction": 1.0, "global_kl": 0.5, "peak": 0.1})(elbo))
    5.0
    """

    weights: Mapping[str, float | Schedule]

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping):
            raise ValueError(f"weights: expected a weight for every part by name, got {self.weights!r}")
        if not self.weights:
            raise ValueError(f"weights: expected a weight for every part, such as {RECONSTRUCTION!r}, got none")
        for name, value in self.weights.items():
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (callable(value) or (number and math.isfinite(value) and value >= 0)):
                raise ValueError(f"weights[{name!r}]: expected a finite number ≥ 0 or a schedule, got {value!r}")
        # A copy, which nobody else can change.
        self.weights = dict(self.weights)

    def __call__(self, elbo: Elbo, state: TrainingState | None = None, latents: LatentSamples | None = None) -> Tensor:
        """The loss of a batch, a scalar."""
        weighted = list(self.weighted(elbo, state or TrainingState()).values())
        return sum(weighted[1:], start=weighted[0])

    def parts(self, elbo: Elbo) -> dict[str, Tensor]:
        """The mean of each part over the batch, a scalar each, before any weight.

        Raises:
            ValueError: where the parts and the weights don't have the same names.
        """
        values = {RECONSTRUCTION: -elbo.log_px}
        values |= {kl_part(level): kl for level, kl in elbo.kl.items()}
        values |= elbo.auxiliary
        self.check(tuple(values))
        return {name: value.mean() for name, value in values.items()}

    def weighted(self, elbo: Elbo, state: TrainingState) -> dict[str, Tensor]:
        """What each part adds to the loss at this step; in this order they add up to it exactly."""
        return {name: self.weight_of(name, state) * part for name, part in self.parts(elbo).items()}

    def weight_of(self, name: str, state: TrainingState) -> float:
        """w_name(t), the weight of one part at this step."""
        return weight_at(self.weights[name], state, f"weights[{name!r}]")

    def check(self, parts: tuple[str, ...]) -> None:
        """Refuse weights for other parts than these, and parts without a weight."""
        for name in self.weights:
            if name not in parts:
                hint = did_you_mean(name, parts)
                raise ValueError(f"weights: expected names among {', '.join(parts)}, got {name!r}{hint}")
        missing = [name for name in parts if name not in self.weights]
        if missing:
            raise ValueError(
                f"weights: expected a weight for every part, got none for {', '.join(missing)}; 0 leaves a part out"
            )

    def report(self, levels: tuple[str, ...], state: TrainingState) -> dict[str, float]:
        """The weights in force: one `weight/<part>` a part."""
        return {f"weight/{name}": self.weight_of(name, state) for name in self.weights}
