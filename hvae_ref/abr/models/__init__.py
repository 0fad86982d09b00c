"""Models of evoked responses: two latents or one, and the heads beside them."""

from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.hierarchical_response_cvae import HierarchicalResponseCVAE
from hvae_ref.abr.models.response_cvae import ResponseCVAE
from hvae_ref.abr.models.response_heads import Heads
from hvae_ref.abr.models.response_model import ResponseModel

__all__ = [
    "Heads",
    "HierarchicalResponseCVAE",
    "ResponseCVAE",
    "ResponseModel",
    "ScaledCovariates",
]
