"""The record of a set of responses: signals, conditions, marked peaks, and the truth where it is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae_ref.abr.data.parameters import SIGNAL_LENGTH
from hvae_ref.errors import is_whole


@dataclass(frozen=True, eq=False)
class AbrTruth:
    """What generated responses were made of.

    Attributes:
        clean: (N, 200) µV, the waves alone: no drift, no noise.
        latency: (N, 5) ms, of the components.
        amplitude: (N, 5) µV, of the components, peak to trough; what is left of a wave that nobody would see too.
        width: (N, 5) ms, of the components.
        present: (N, 5) bool, components of at least 0.04 µV. A peak is *marked* (`targets["present"]`) only if it
            has a maximum of its own in the sum as well.
        factors: hidden factors of subject and trial by name, (N,) each; see `generator.FACTORS`.
    """

    clean: Tensor
    latency: Tensor
    amplitude: Tensor
    width: Tensor
    present: Tensor
    factors: dict[str, Tensor]

    def __getitem__(self, rows: slice | Tensor) -> AbrTruth:
        """Some of the rows."""
        fields = (self.clean, self.latency, self.amplitude, self.width, self.present)
        return AbrTruth(*(field[rows] for field in fields), {name: value[rows] for name, value in self.factors.items()})


@dataclass(frozen=True, eq=False)
class AbrDataset:
    """Averaged auditory brainstem responses with the conditions they were recorded under.

    Attributes:
        x: (N, 200) float32 µV; sample i at i · 0.05 ms after the click.
        condition: (N, 7) float32 in raw units, columns in the order of `STATIC_NAMES`.
        targets: "peaks" (N, 5, 2) float32, latency in ms and amplitude in µV of each wave, zeros where it is absent;
            "present" (N, 5) bool.
        truth: what the responses were made of; None for recordings.
        name: of the set.
        split: "train", "validation", "test" or anything that tells.
    """

    x: Tensor
    condition: Tensor
    targets: dict[str, Tensor]
    truth: AbrTruth | None = None
    name: str = "abr"
    split: str = "all"

    num_values = None

    def __len__(self) -> int:
        """Number of responses N."""
        return len(self.x)

    @property
    def data_dim(self) -> int:
        """Samples in a response, 200."""
        return SIGNAL_LENGTH

    def subset(self, n: int) -> AbrDataset:
        """The first n responses.

        Args:
            n: how many, 1 … N.

        Raises:
            ValueError: when n is no whole number in that range.
        """
        if not is_whole(n) or n > len(self):
            raise ValueError(f"n: expected 1 to {len(self)} responses, got {n!r}")
        return replace(
            self,
            x=self.x[:n],
            condition=self.condition[:n],
            targets={name: value[:n] for name, value in self.targets.items()},
            truth=None if self.truth is None else self.truth[:n],
        )

    def batch_transform(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What a model sees of the rows x: the rows themselves."""
        return x

    def __repr__(self) -> str:
        """Name, split and size; never the samples."""
        known = "generated" if self.truth is not None else "recorded"
        return f"AbrDataset({self.name} {self.split}: {len(self)} {known} responses of {self.data_dim} samples)"
