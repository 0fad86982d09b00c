"""Latent-variable models, one file a model. The code of a model is its graphical model."""

from hvae_ref.models.autoregressive_vae import AutoregressiveVAE
from hvae_ref.models.base import Inference, LatentVariableModel
from hvae_ref.models.bottom_up_vae import BottomUpVAE
from hvae_ref.models.hyperspherical_vae import HypersphericalVAE
from hvae_ref.models.ladder_vae import LadderVAE
from hvae_ref.models.linear_gaussian import LinearGaussianModel
from hvae_ref.models.numpy_vae import NumpyVAE
from hvae_ref.models.same_marginal import same_marginal_family
from hvae_ref.models.top_down_vae import TopDownVAE
from hvae_ref.models.two_level_vae import TwoLevelVAE
from hvae_ref.models.vae import VAE

__all__ = [
    "VAE",
    "AutoregressiveVAE",
    "BottomUpVAE",
    "HypersphericalVAE",
    "Inference",
    "LadderVAE",
    "LatentVariableModel",
    "LinearGaussianModel",
    "NumpyVAE",
    "TopDownVAE",
    "TwoLevelVAE",
    "same_marginal_family",
]
