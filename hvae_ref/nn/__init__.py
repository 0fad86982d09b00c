"""Layers and networks, heads that return distributions, likelihoods and conditions."""

from hvae_ref.nn.conditions import Condition, Covariates, Labels
from hvae_ref.nn.eval_mode import eval_mode
from hvae_ref.nn.grey_levels import Categorical, LogisticMixture
from hvae_ref.nn.heads import (
    ConditionalNormal,
    DirectPosterior,
    GivenCondition,
    LadderPosterior,
    RelativePosterior,
    StandardNormal,
)
from hvae_ref.nn.layers import FiLM, Flattened, Joined, Scale, mlp
from hvae_ref.nn.likelihoods import Bernoulli, ConditionalLikelihood, Likelihood, Normal
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian
from hvae_ref.nn.made import MADE, ConditionalAutoregressive
from hvae_ref.nn.sphere_heads import ConditionalVonMisesFisher, UniformSphere

__all__ = [
    "MADE",
    "Bernoulli",
    "Categorical",
    "Condition",
    "ConditionalAutoregressive",
    "ConditionalLikelihood",
    "ConditionalLinearGaussian",
    "ConditionalNormal",
    "ConditionalVonMisesFisher",
    "Covariates",
    "DirectPosterior",
    "FiLM",
    "Flattened",
    "GivenCondition",
    "Joined",
    "Labels",
    "LadderPosterior",
    "Likelihood",
    "LogisticMixture",
    "Normal",
    "RelativePosterior",
    "Scale",
    "StandardNormal",
    "UniformSphere",
    "eval_mode",
    "mlp",
]
