"""Distributions that torch lacks."""

from hvae_ref.distributions.autoregressive import Autoregressive
from hvae_ref.distributions.bessel import bessel_ratio, log_bessel_i
from hvae_ref.distributions.correlated_normal import CorrelatedNormal
from hvae_ref.distributions.discretized_logistic import DiscretizedLogisticMixture
from hvae_ref.distributions.flattened_event import FlattenedEvent
from hvae_ref.distributions.hyperspherical_uniform import HypersphericalUniform
from hvae_ref.distributions.relative_posteriors import precision_weighted, relative_normal
from hvae_ref.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "Autoregressive",
    "CorrelatedNormal",
    "DiscretizedLogisticMixture",
    "FlattenedEvent",
    "HypersphericalUniform",
    "VonMisesFisher",
    "bessel_ratio",
    "log_bessel_i",
    "precision_weighted",
    "relative_normal",
]
