"""Distributions that torch lacks."""

from hvae_ref.distributions.autoregressive import Autoregressive
from hvae_ref.distributions.discretized_logistic import DiscretizedLogisticMixture
from hvae_ref.distributions.merge import precision_weighted, relative_normal

__all__ = ["Autoregressive", "DiscretizedLogisticMixture", "precision_weighted", "relative_normal"]
