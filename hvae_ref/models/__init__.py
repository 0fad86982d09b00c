"""Latent-variable models, one file a model. The code of a model is its graphical model."""

from hvae_ref.models.autoregressive_vae import AutoregressiveVAE
from hvae_ref.models.base import Inference, LatentVariableModel
from hvae_ref.models.conditional_model import ConditionalModel
from hvae_ref.models.cvae import CVAE
from hvae_ref.models.deep_vae import DeepVAE
from hvae_ref.models.hierarchical_cvae import HierarchicalCVAE
from hvae_ref.models.hyperspherical_vae import HypersphericalVAE
from hvae_ref.models.image_density import ImageDensity
from hvae_ref.models.ladder_vae import LadderVAE
from hvae_ref.models.latent_vae import LatentVAE
from hvae_ref.models.linear_gaussian import LinearGaussianModel
from hvae_ref.models.numpy_vae import NumpyVAE
from hvae_ref.models.response_heads import Heads
from hvae_ref.models.same_marginal import same_marginal_family
from hvae_ref.models.top_down_vae import TopDownVAE
from hvae_ref.models.two_level_vae import TwoLevelVAE
from hvae_ref.models.vae import VAE

__all__ = [
    "CVAE",
    "VAE",
    "AutoregressiveVAE",
    "ConditionalModel",
    "DeepVAE",
    "Heads",
    "HierarchicalCVAE",
    "HypersphericalVAE",
    "ImageDensity",
    "Inference",
    "LadderVAE",
    "LatentVAE",
    "LatentVariableModel",
    "LinearGaussianModel",
    "NumpyVAE",
    "TopDownVAE",
    "TwoLevelVAE",
    "same_marginal_family",
]
