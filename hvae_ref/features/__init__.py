"""Features of pretrained networks as a hierarchy: a pyramid of maps, its reduction, and densities over it."""

from hvae_ref.features.bundle import BundleError, FeatureBundle, load_bundle, save_bundle, shipped
from hvae_ref.features.decoder.decoder_fit import decode, fit_decoder
from hvae_ref.features.decoder.decoder_step import DecoderStep, decoder_loss, level_sets
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.features.decoder.synthesis import Synthesis, interpolate_features, synthesize
from hvae_ref.features.density.density_fit import DensityEpoch, fit_density
from hvae_ref.features.density.density_init import init_from_em
from hvae_ref.features.density.density_step import DensityStep
from hvae_ref.features.density.em import MixtureFit, fit_mixture
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.hierarchical_density import HierarchicalLatentDensity
from hvae_ref.features.density.level_density import LevelDensity
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MIN_SCALE, MixtureHead
from hvae_ref.features.density.spatial_graph import SpatialGraphDensity
from hvae_ref.features.latents.conv_two_level_vae import ConvTwoLevelVAE
from hvae_ref.features.latents.image_density import ImageDensity
from hvae_ref.features.measures.alignment import aligned
from hvae_ref.features.measures.anomaly import AnomalyScore, Auroc, image_aurocs, pixel_auroc
from hvae_ref.features.measures.baselines import NearestNeighbour, PositionGaussian, local_contrast
from hvae_ref.features.measures.estimator import FeatureEstimator
from hvae_ref.features.measures.feature_estimate import FeatureEstimate, FeaturePath
from hvae_ref.features.measures.texture_surprise import TextureSurprise
from hvae_ref.features.pyramid.backbones import WeightsUnavailable
from hvae_ref.features.pyramid.feature_pyramid import FeaturePyramid
from hvae_ref.features.pyramid.map_geometry import MapGeometry, tiles
from hvae_ref.features.pyramid.pca_residual import leading_components, residual_log_prob
from hvae_ref.features.pyramid.pixel_grid import crop_features, position_of, region_positions
from hvae_ref.features.pyramid.reduction import Reduction

__all__ = [
    "MIN_SCALE",
    "AnomalyScore",
    "Auroc",
    "BundleError",
    "ConvTwoLevelVAE",
    "DecoderStep",
    "DensityEpoch",
    "DensityStep",
    "FeatureBundle",
    "FeatureDecoder",
    "FeatureDensity",
    "FeatureEstimate",
    "FeatureEstimator",
    "FeaturePath",
    "FeaturePyramid",
    "GaussianMixture",
    "HierarchicalLatentDensity",
    "ImageDensity",
    "LevelDensity",
    "MapGeometry",
    "MixtureFit",
    "MixtureHead",
    "NearestNeighbour",
    "PositionGaussian",
    "Reduction",
    "SpatialGraphDensity",
    "Synthesis",
    "TextureSurprise",
    "WeightsUnavailable",
    "aligned",
    "crop_features",
    "decode",
    "decoder_loss",
    "fit_decoder",
    "fit_density",
    "fit_mixture",
    "image_aurocs",
    "init_from_em",
    "interpolate_features",
    "leading_components",
    "level_sets",
    "load_bundle",
    "local_contrast",
    "pixel_auroc",
    "position_of",
    "region_positions",
    "residual_log_prob",
    "save_bundle",
    "shipped",
    "synthesize",
    "tiles",
]
