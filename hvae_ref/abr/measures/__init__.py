"""What a response, or a model of responses, is measured by."""

from hvae_ref.abr.measures.conditional_generation import (
    GenerationError,
    generation_errors,
    mean_response_errors,
    true_draws,
    without_noise,
)
from hvae_ref.abr.measures.noise_leakage import noise_leakage
from hvae_ref.abr.measures.peak_picking import Peaks, pick_wave
from hvae_ref.abr.measures.response_features import baseline, measure_wave, response_features, visible

__all__ = [
    "GenerationError",
    "Peaks",
    "baseline",
    "generation_errors",
    "mean_response_errors",
    "measure_wave",
    "noise_leakage",
    "pick_wave",
    "response_features",
    "true_draws",
    "visible",
    "without_noise",
]
