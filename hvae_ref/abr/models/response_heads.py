"""What a model of evoked responses says besides the signal: static parameters and peaks, and how wrong it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS, SIGNAL_LENGTH, WAVES
from hvae_ref.distributions.tracing import values_are_known
from hvae_ref.nn.heads import full_precision
from hvae_ref.nn.layers import mlp

LATENCY_UNIT = 0.2
"""ms, the error of a latency that costs ½."""

AMPLITUDE_UNIT = 0.1
"""µV, the error of an amplitude that costs ½."""

STATIC_UNIT = 0.1
"""Error of a static parameter that costs ½, on the scale where its range is −1 … 1: a twentieth of the range."""

START_LATENCY = (1.6, 2.8, 3.8, 5.0, 5.7)
"""ms, where the peak head looks for waves I–V before it has learned anything."""

HEAD_HIDDEN = 64


class Heads(NamedTuple):
    """What the heads say; None for a head that the model does not have.

    Attributes:
        static: static parameters read from the latents, (B, C) in their own units.
        peak_latency: (B, 5) ms.
        peak_amplitude: (B, 5) µV.
        peak_present: logits of each wave's being there, (B, 5).
    """

    static: Tensor | None = None
    peak_latency: Tensor | None = None
    peak_amplitude: Tensor | None = None
    peak_present: Tensor | None = None


class StaticHead(nn.Module):
    """Scaled static parameters from latents alone: whatever it knows of the condition, it knows through z.

    Args:
        dims: sizes of the latents it reads.
        covariates: C.
    """

    def __init__(self, dims: Sequence[int], covariates: int) -> None:
        super().__init__()
        self.net = mlp([sum(dims), HEAD_HIDDEN, covariates])

    def forward(self, *z: Tensor) -> Tensor:
        """From latents (B, ·) to (B, C) on the scale of `ScaledCovariates`."""
        return full_precision(self.net(torch.cat(z, -1)))


class PeakHead(nn.Module):
    """Latency, amplitude and presence of waves I–V from the decoder's features.

    Args:
        features: size of h.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.net = mlp([features, HEAD_HIDDEN, 3 * len(WAVES)])
        self.register_buffer("start", torch.tensor(START_LATENCY), persistent=False)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From h (B, features): latency in ms, amplitude in µV, logits of presence, (B, 5) each."""
        latency, amplitude, present = full_precision(self.net(h)).chunk(3, -1)
        return self.start + LATENCY_UNIT * latency, AMPLITUDE_UNIT * amplitude, present


def check_peaks(peaks: Tensor, present: Tensor, rows: int) -> None:
    """Refuse targets of a wrong shape or type, and present peaks that are no numbers or outside of the recording.

    Raises:
        ValueError: naming the target, what was expected and what came.
    """
    waves = len(WAVES)
    for name, value in (("peaks", peaks), ("present", present)):
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}")
    if peaks.shape != (rows, waves, 2) or not peaks.is_floating_point():
        expected = f"floats (latency in ms, amplitude in µV) of shape ({rows}, {waves}, 2)"
        raise ValueError(f"peaks: expected {expected}, got {peaks.dtype} of shape {tuple(peaks.shape)}")
    if present.shape != (rows, waves) or present.dtype != torch.bool:
        expected = f"booleans of shape ({rows}, {waves})"
        raise ValueError(f"present: expected {expected}, got {present.dtype} of shape {tuple(present.shape)}")
    if not values_are_known():
        return
    wrong = (~torch.isfinite(peaks).all(-1) & present).nonzero()
    if len(wrong):
        row, wave = wrong[0].tolist()
        got = f"{peaks[row, wave].tolist()} for wave {WAVES[wave]} in row {row}"
        raise ValueError(f"peaks: expected finite values where present, got {got}")
    end = SIGNAL_LENGTH * SAMPLE_INTERVAL_MS
    wrong = (((peaks[..., 0] < 0) | (peaks[..., 0] > end)) & present).nonzero()
    if len(wrong):
        row, wave = wrong[0].tolist()
        got = f"{peaks[row, wave, 0].item():g} ms for wave {WAVES[wave]} in row {row}"
        raise ValueError(f"peaks: expected latencies within the recording, 0 to {end:g} ms, got {got}")


def peak_error(
    latency: Float[Tensor, "batch waves"],
    amplitude: Float[Tensor, "batch waves"],
    peaks: Float[Tensor, "batch waves 2"],
    present: Bool[Tensor, "batch waves"],
) -> Float[Tensor, " batch"]:
    """The part `peak` of a loss: mean over an example's *present* peaks; eq. 6.8 in the book.

    ½ [(Δlatency / 0.2 ms)² + (Δamplitude / 0.1 µV)²]

    Absent peaks have no latency; whatever stands in their place, NaN included, has no part in the value or the
    gradient. With none present the value is exactly 0.

    Args:
        latency: (B, W) ms.
        amplitude: (B, W) µV.
        peaks: (B, W, 2), latency and amplitude.
        present: (B, W).
    """
    said = torch.stack((latency / LATENCY_UNIT, amplitude / AMPLITUDE_UNIT), -1)
    true = torch.where(present[..., None], peaks, 0) / peaks.new_tensor([LATENCY_UNIT, AMPLITUDE_UNIT])
    squares = torch.where(present[..., None], said - true, 0).square().sum((-1, -2)) / 2
    return squares / present.sum(-1).clamp(min=1)


def presence_nll(logits: Float[Tensor, "batch waves"], present: Bool[Tensor, "batch waves"]) -> Float[Tensor, " batch"]:
    """The part `presence` of a loss: −log of the probability given to which waves are there, (B,) nats."""
    return nn.functional.binary_cross_entropy_with_logits(logits, present.to(logits.dtype), reduction="none").sum(-1)


def static_error(
    said: Float[Tensor, "batch covariates"], true: Float[Tensor, "batch covariates"]
) -> Float[Tensor, " batch"]:
    """The part `static` of a loss: Σ ½ (Δ / 0.1)² over the scaled static parameters, (B,)."""
    return ((said - true) / STATIC_UNIT).square().sum(-1) / 2
