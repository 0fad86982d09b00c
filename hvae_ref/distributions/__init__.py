"""Distributions that torch lacks."""

from hvae_ref.distributions import gaussian_kl  # noqa: F401  (registers closed forms)
from hvae_ref.distributions.autoregressive import Autoregressive
from hvae_ref.distributions.correlated_normal import CorrelatedNormal
from hvae_ref.distributions.discretized_logistic import DiscretizedLogisticMixture
from hvae_ref.distributions.grey_levels import GreyLevels
from hvae_ref.distributions.relative_posteriors import precision_weighted
from hvae_ref.distributions.sphere.bessel import (
    bessel_ratio,
    log_bessel_i,
    log_bessel_ive,
    log_bessel_normalized,
    log_bessel_scaled,
)
from hvae_ref.distributions.sphere.hyperspherical_uniform import HypersphericalUniform
from hvae_ref.distributions.sphere.von_mises_fisher import VonMisesFisher

__all__ = [
    "Autoregressive",
    "CorrelatedNormal",
    "DiscretizedLogisticMixture",
    "GreyLevels",
    "HypersphericalUniform",
    "VonMisesFisher",
    "bessel_ratio",
    "log_bessel_i",
    "log_bessel_ive",
    "log_bessel_normalized",
    "log_bessel_scaled",
    "precision_weighted",
]
