"""Measurements on a trained model: bounds, use of each level, walks. None of them changes the model."""

from hvae_ref.evaluation.aggregate import aggregate_log_prob
from hvae_ref.evaluation.bound import importance_bound
from hvae_ref.evaluation.calibration import Coverage, conditional_draws, coverage, ranks
from hvae_ref.evaluation.dependency_graph import DependencyGraph, dependency_graph
from hvae_ref.evaluation.evaluate import Evaluation, evaluate
from hvae_ref.evaluation.image_quality import psnr, ssim
from hvae_ref.evaluation.information import active_units, mutual_information, posterior_mean_variance
from hvae_ref.evaluation.interpolation import interpolate, linear, spherical
from hvae_ref.evaluation.intervals import PairedTest, bootstrap_interval, paired_test
from hvae_ref.evaluation.latent_mixture import LatentMixture, fit_latent_mixture
from hvae_ref.evaluation.parameter_counts import parameter_counts
from hvae_ref.evaluation.probes import ProbeScore, probe
from hvae_ref.evaluation.reconstruction import reconstruction_errors
from hvae_ref.evaluation.swap import SwapShares, swap_shares, swap_test
from hvae_ref.evaluation.utilisation import LevelUse, posterior_means, posterior_samples, utilisation
from hvae_ref.nn.eval_mode import eval_mode

__all__ = [
    "DependencyGraph",
    "Coverage",
    "Evaluation",
    "LatentMixture",
    "LevelUse",
    "PairedTest",
    "ProbeScore",
    "SwapShares",
    "active_units",
    "aggregate_log_prob",
    "dependency_graph",
    "bootstrap_interval",
    "conditional_draws",
    "coverage",
    "evaluate",
    "fit_latent_mixture",
    "importance_bound",
    "interpolate",
    "linear",
    "mutual_information",
    "paired_test",
    "parameter_counts",
    "posterior_mean_variance",
    "posterior_means",
    "posterior_samples",
    "probe",
    "psnr",
    "eval_mode",
    "ranks",
    "reconstruction_errors",
    "spherical",
    "ssim",
    "swap_shares",
    "swap_test",
    "utilisation",
]
