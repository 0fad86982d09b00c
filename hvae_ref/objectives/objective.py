"""What every objective can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from hvae_ref.elbo import Elbo
from hvae_ref.objectives.mmd import LatentSamples
from hvae_ref.objectives.training_state import TrainingState


class Objective(ABC):
    """A scalar to minimise, made of an `Elbo`.

    Calling an objective changes nothing; `update` is called once for each optimiser step and moves what the objective
    itself learns (the multiplier of `Geco`). `fit` calls `reset` before the first step of a run, so that the same
    objective can be used for another run.
    """

    @abstractmethod
    def __call__(self, elbo: Elbo, state: TrainingState | None = None, latents: LatentSamples | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            elbo: the bound's terms, (B,) each, nats.
            state: where training stands; None for its very beginning.
            latents: samples for the MMD penalty; needed where `needs_latents`.

        Returns:
            A scalar, nats for an example.
        """

    @abstractmethod
    def report(self, levels: tuple[str, ...], state: TrainingState) -> dict[str, float]:
        """The weights in force by name, and what the objective learns, for the history."""

    @property
    def needs_latents(self) -> bool:
        """Whether calling needs samples of the latents."""
        return False

    def update(self, elbo: Elbo, state: TrainingState) -> None:  # noqa: B027  (nothing to learn is a valid answer)
        """Learn from one step's terms; called once after each optimiser step."""

    def reset(self) -> None:  # noqa: B027  (nothing to forget is a valid answer)
        """Forget what was learned; called before a run begins, or takes over what `state_dict` has kept."""

    def state_dict(self) -> dict[str, Tensor]:
        """What the objective has learned, as tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            ValueError: where the state belongs to another objective.
        """
        own = self.state_dict()
        if set(state) != set(own):
            raise ValueError(f"state: expected the keys {sorted(own)}, got {sorted(state)}")
