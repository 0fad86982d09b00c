"""Features of pretrained networks as a hierarchy: a pyramid of maps, its reduction, and densities over it."""

from hvae_ref.features.all_directions import leading, rest_log_prob
from hvae_ref.features.backbones import WeightsUnavailable
from hvae_ref.features.baselines import NearestNeighbour, PositionGaussian, aligned, local_contrast
from hvae_ref.features.bundle import BundleError, FeatureBundle, load_bundle, save_bundle, shipped
from hvae_ref.features.decoder import FeatureDecoder
from hvae_ref.features.decoder_fit import DecoderStep, decode, decoder_loss, fit_decoder, level_sets
from hvae_ref.features.density_fit import DensityEpoch, fit_density
from hvae_ref.features.em import MixtureFit, fit_mixture
from hvae_ref.features.estimator import FeatureEstimate, FeatureEstimator, FeaturePath, gaussian_entropy
from hvae_ref.features.feature_density import FeatureDensity
from hvae_ref.features.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.level_density import LevelDensity
from hvae_ref.features.mixture import GaussianMixture
from hvae_ref.features.mixture_head import SCALE_FLOOR, MixtureHead
from hvae_ref.features.places import crop_features, position_of, region_positions
from hvae_ref.features.pyramid import FeaturePyramid
from hvae_ref.features.reduction import Reduction
from hvae_ref.features.spatial_graph import SpatialGraphDensity
from hvae_ref.features.synthesis import Synthesis, interpolate_features, synthesize

__all__ = [
    "SCALE_FLOOR",
    "BundleError",
    "DecoderStep",
    "DensityEpoch",
    "FeatureBundle",
    "FeatureDecoder",
    "FeatureDensity",
    "FeatureEstimate",
    "FeatureEstimator",
    "FeaturePath",
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
    "Synthesis",
    "WeightsUnavailable",
    "aligned",
    "crop_features",
    "decode",
    "decoder_loss",
    "fit_decoder",
    "fit_density",
    "fit_mixture",
    "gaussian_entropy",
    "interpolate_features",
    "leading",
    "level_sets",
    "load_bundle",
    "local_contrast",
    "position_of",
    "region_positions",
    "rest_log_prob",
    "save_bundle",
    "shipped",
    "synthesize",
]
