"""Models: one file each. Arrows come from outside, and `dense` or `convolutional` make the usual ones."""

from hvae_ref.models.autoregressive_vae import AutoregressiveVAE
from hvae_ref.models.base import LatentVariableModel
from hvae_ref.models.bottom_up_vae import BottomUpVAE
from hvae_ref.models.deep_top_down_vae import DeepTopDownVAE
from hvae_ref.models.hyperspherical_vae import HypersphericalVAE
from hvae_ref.models.ladder_vae import LadderVAE
from hvae_ref.models.latents import Inference, LatentSource
from hvae_ref.models.linear_gaussian import LinearGaussianModel
from hvae_ref.models.numpy_vae import NumpyVAE
from hvae_ref.models.same_marginal import same_marginal_family
from hvae_ref.models.top_down_model import TopDownModel
from hvae_ref.models.top_down_vae import TopDownVAE
from hvae_ref.models.two_level_vae import TwoLevelVAE
from hvae_ref.models.vae import VAE

__all__ = [
    "VAE",
    "AutoregressiveVAE",
    "BottomUpVAE",
    "DeepTopDownVAE",
    "HypersphericalVAE",
    "Inference",
    "LadderVAE",
    "LatentSource",
    "LatentVariableModel",
    "LinearGaussianModel",
    "NumpyVAE",
    "TopDownModel",
    "TopDownVAE",
    "TwoLevelVAE",
    "same_marginal_family",
]
