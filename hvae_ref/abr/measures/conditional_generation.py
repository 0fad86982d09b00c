"""Generation under a condition against the truth: draws of a model beside draws of the generator it learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.abr.data import AbrDataset, generate
from hvae_ref.abr.measures.response_features import measure_wave
from hvae_ref.evaluation.calibration import conditional_draws
from hvae_ref.evaluation.intervals import bootstrap_interval

FOUND = 0.5
"""A condition is compared where at least this share of each set of draws has the wave."""


@dataclass(frozen=True, eq=False)
class GenerationError:
    """One measure of one wave, at those C of the given conditions where all sets of draws have it.

    Attributes:
        unit: "ms" or "µV".
        error: |mean over the model's draws − mean over the generator's|, (C,).
        signed: the same without the absolute value, (C,).
        spread: standard deviation between the generator's draws, from trial to trial, (C,).
        model_spread: the same of the model's, (C,).
        floor: `error` of other draws of the generator in the model's place: what chance alone leaves, (C,).
        compared: which of the given conditions these are, bool.
    """

    unit: str
    error: np.ndarray
    signed: np.ndarray
    spread: np.ndarray
    model_spread: np.ndarray
    floor: np.ndarray
    compared: np.ndarray

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap interval of the mean error, conditions resampled."""
        return bootstrap_interval(self.error, seed=seed)

    def summary(self) -> dict[str, float]:
        """Means over the conditions, the interval of the error, and how often it is within twice the spread."""
        low, high = self.interval()
        return {
            "error": float(self.error.mean()),
            "low": low,
            "high": high,
            "bias": float(self.signed.mean()),
            "spread": float(self.spread.mean()),
            "model_spread": float(self.model_spread.mean()),
            "floor": float(self.floor.mean()),
            "within_twice_spread": float((self.error <= 2 * self.spread).mean()),
            "conditions": float(len(self.error)),
        }


def without_noise(data: AbrDataset) -> Tensor:
    """The generated responses without their noise: waves and drift, (N, 200) µV.

    Raises:
        ValueError: for recordings, of which nobody knows it.
    """
    if data.truth is None:
        raise ValueError("data: expected generated responses, got recordings, whose truth is unknown")
    phase = torch.arange(data.data_dim, dtype=data.x.dtype) * (math.pi / data.data_dim)
    return data.truth.clean + data.truth.factors["drift"].unsqueeze(1) * phase.cos()


def true_draws(condition: Tensor, draws: int = 100, noise: bool = True, seed: int = 0) -> Tensor:
    """Draw responses from the generator at each condition: other listeners, other trials, other noise.

    Args:
        condition: (N, 7) raw units.
        draws: K, for each row.
        noise: with the noise of the recording; False leaves it out.
        seed: of all draws.

    Returns:
        (K, N, 200) µV.
    """
    data = generate(condition.cpu().repeat(draws, 1), seed=seed)
    signals = data.x if noise else without_noise(data)
    return signals.to(condition).view(draws, len(condition), -1)


def _mean_and_spread(values: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Over the draws that have the wave: mean, standard deviation, and their share; (C,) each.
    table = values.double().cpu()
    known = ~table.isnan()
    count = known.sum(0)
    mean = table.nansum(0) / count.clamp(min=1)
    square = torch.where(known, (table - mean) ** 2, 0).sum(0) / (count - 1).clamp(min=1)
    return mean.numpy(), square.sqrt().numpy(), (count / len(table)).numpy()


def compare_draws(model: Tensor, truth: Tensor, reference: Tensor, unit: str) -> GenerationError:
    """The means and spreads of a measure in two sets of draws, condition by condition.

    Args:
        model: (K, C), NaN where a draw does not have the wave.
        truth: (K', C), of the generator.
        reference: (K, C), of the generator too, independent of `truth`.
        unit: of the measure.

    Raises:
        ValueError: for other shapes, or where no condition has the wave in half of the draws of all three.
    """
    if model.ndim != 2 or truth.ndim != 2 or reference.shape != model.shape or truth.shape[1] != model.shape[1]:
        shapes = ", ".join(str((*one.shape,)) for one in (model, truth, reference))
        raise ValueError(f"model, truth, reference: expected shapes (K, C), (K', C), (K, C), got {shapes}")
    (mean, spread, share), (true, true_spread, true_share), (other, _, other_share) = map(
        _mean_and_spread, (model, truth, reference)
    )
    keep = np.minimum(np.minimum(share, true_share), other_share) >= FOUND
    if not keep.any():
        raise ValueError("model, truth: expected a condition where half of all draws have the wave, found none")
    signed = (mean - true)[keep]
    return GenerationError(
        unit, np.abs(signed), signed, true_spread[keep], spread[keep], np.abs(other - true)[keep], keep
    )


def _three_sets(
    model: nn.Module, condition: Tensor, draws: int, noise: bool, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Draws of the model, of the generator, and of the generator once more, (K, C, 200) each."""
    if draws < 2:
        raise ValueError(f"draws: expected at least 2, got {draws}")
    return (
        conditional_draws(model, condition, draws, noise, seed),
        true_draws(condition, draws, noise, seed),
        true_draws(condition, draws, noise, seed + 1_000_003),
    )


def mean_response_errors(model: nn.Module, condition: Tensor, draws: int = 100, seed: int = 0) -> dict[str, Tensor]:
    """How far the model's mean response under a condition is from the generator's, over the whole signal.

    Nothing is picked and nothing is expected at any place. Two other errors say what the number is worth: that of as
    many other draws of the generator, and that of one mean response for all conditions.

    Args:
        model: with `sample_latents` and `decode`.
        condition: (C, 7) raw units, at least two.
        draws: K responses without noise, for each condition.
        seed: of all draws.

    Returns:
        "model", "chance" and "ignoring the condition", (C,) each: root mean square over the samples, µV.

    Raises:
        ValueError: with fewer than two draws or conditions.
    """
    if len(condition) < 2:
        raise ValueError(f"condition: expected at least 2 rows, got {len(condition)}")
    model_mean, true_mean, other = (one.mean(0) for one in _three_sets(model, condition, draws, False, seed))
    compared = {"model": model_mean, "chance": other, "ignoring the condition": true_mean.mean(0)}
    return {name: (mean - true_mean).square().mean(-1).sqrt().cpu() for name, mean in compared.items()}


def generation_errors(
    model: nn.Module, condition: Tensor, wave: str = "V", draws: int = 100, noise: bool = True, seed: int = 0
) -> dict[str, GenerationError]:
    """Latency and amplitude of one wave in responses generated under given conditions, against the generator.

    Model and generator draw as often, and one picker measures both. The mean of K draws has an error of its own, the
    spread / √K; `floor` shows what it comes to.

    Args:
        model: with `sample(n, condition=…)`, and for `noise=False` with `sample_latents` and `decode`.
        condition: (C, 7) raw units, held out from training; see `visible` for where a wave is to be expected.
        wave: "I" or "V".
        draws: K.
        noise: compare whole responses; False compares E[x|z, c] at drawn z with the generator without its noise.
        seed: of all draws.

    Returns:
        "latency" and "amplitude".

    Raises:
        ValueError: for an unknown wave, fewer than two draws, a condition out of range, or a wave nowhere found.
    """
    sets = _three_sets(model, condition, draws, noise, seed)
    picked = [measure_wave(signals.flatten(0, 1), wave) for signals in sets]
    return {
        measure: compare_draws(*(getattr(peaks, measure).view(draws, -1) for peaks in picked), unit)
        for measure, unit in (("latency", "ms"), ("amplitude", "µV"))
    }
