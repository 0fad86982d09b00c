"""Features of pretrained networks as a hierarchy: a pyramid of maps, its reduction, and densities over it."""

from hvae_ref.features.all_directions import leading, rest_log_prob
from hvae_ref.features.backbones import WeightsUnavailable
from hvae_ref.features.baselines import NearestNeighbour, PositionGaussian, aligned, local_contrast
from hvae_ref.features.density_fit import DensityEpoch, fit_density
from hvae_ref.features.em import MixtureFit, fit_mixture
from hvae_ref.features.feature_density import FeatureDensity
from hvae_ref.features.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.level_density import LevelDensity
from hvae_ref.features.mixture import GaussianMixture
from hvae_ref.features.mixture_head import SCALE_FLOOR, MixtureHead
from hvae_ref.features.pyramid import FeaturePyramid
from hvae_ref.features.reduction import Reduction
from hvae_ref.features.spatial_graph import SpatialGraphDensity

__all__ = [
    "SCALE_FLOOR",
    "DensityEpoch",
    "FeatureDensity",
    "FeaturePyramid",
    "GaussianMixture",
    "HierarchicalLatentDensity",
    "LevelDensity",
    "MixtureFit",
    "MixtureHead",
    "NearestNeighbour",
    "PositionGaussian",
    "Reduction",
    "SpatialGraphDensity",
    "WeightsUnavailable",
    "aligned",
    "fit_density",
    "fit_mixture",
    "leading",
    "local_contrast",
    "rest_log_prob",
]
