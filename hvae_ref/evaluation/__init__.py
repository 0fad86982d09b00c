"""Measurements on a trained model: bounds, use of each level, walks. None of them changes the model."""

from hvae_ref.evaluation.arrows import Arrows, arrows
from hvae_ref.evaluation.bound import importance_bound
from hvae_ref.evaluation.evaluate import Evaluation, evaluate
from hvae_ref.evaluation.information import active_units, mutual_information, posterior_mean_variance
from hvae_ref.evaluation.interpolation import interpolate, linear, spherical
from hvae_ref.evaluation.quiet import quiet
from hvae_ref.evaluation.reconstruction import reconstruction_errors

__all__ = [
    "Arrows",
    "Evaluation",
    "active_units",
    "arrows",
    "evaluate",
    "importance_bound",
    "interpolate",
    "linear",
    "mutual_information",
    "posterior_mean_variance",
    "quiet",
    "reconstruction_errors",
    "spherical",
]
