"""What a model of evoked responses is given: a signal in µV, whose faults are named, and its condition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.distributions.tracing import values_are_known
from hvae_ref.nn.likelihoods import Observation

SIGNAL_UNIT = 0.2
"""µV, the size of a typical wave: nets read and write signals in this unit, everything outside them is in µV."""


class ObservedResponse(Observation):
    """Checks a signal (B, L) in µV and its condition, and returns both as nets see them: in units of `SIGNAL_UNIT`.

    Args:
        x_shape: (L,).
        condition: checks and scales the covariates.
    """

    def __init__(self, x_shape: Sequence[int], condition: ScaledCovariates) -> None:
        super().__init__(x_shape, None, condition)
        self.scale = 1 / SIGNAL_UNIT

    def forward(self, x: Tensor, condition: Tensor | None, like: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As in `Observation`; a value that is no number is named by its row and sample.

        Raises:
            ValueError: as `Observation`.
        """
        fits = isinstance(x, Tensor) and x.shape[1:] == self.x_shape
        fits = fits and (x.dtype, x.device) == (like.dtype, like.device)
        if fits and values_are_known() and len(wrong := (~torch.isfinite(x)).nonzero()):
            row, sample = wrong[0].tolist()
            raise ValueError(
                f"x: expected finite values in µV, got {x[row, sample].item()} in row {row}, sample {sample} "
                f"({sample * SAMPLE_INTERVAL_MS:.2f} ms)"
            )
        return super().forward(x, condition, like)
