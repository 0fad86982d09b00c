"""Where training stands, as schedules, objectives and training steps are told it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


def _own(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class TrainingState:
    """Where training stands when a batch comes.

    Attributes:
        step: batches that were trained on so far, 0 at the first batch.
        total: batches in the whole run; None in the first epoch over data that do not know their length.
        average: mean of a batch's mean over the processes that share the batch; the tensor itself with one process.
        phase: name of the optimiser whose turn it is; "train" where there is one.

    Raises:
        ValueError: by `fraction`, where the length of the run is not known.

    >>> TrainingState(step=25, total=100).fraction
    0.25
    """

    step: int = 0
    total: int | None = 1
    average: Callable[[Tensor], Tensor] = _own
    phase: str = "train"

    @property
    def fraction(self) -> float:
        """Share of the run that is done, in [0, 1]."""
        if self.total is None:
            raise ValueError(
                "fraction: expected a run of known length, because a schedule reads how much of it is done, got data "
                "that do not tell their number of batches; set config.steps_per_epoch, or count the schedule in steps"
            )
        return min(self.step / max(self.total, 1), 1.0)
