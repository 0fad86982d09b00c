"""Models of evoked responses: two latents side by side, one above the other, or one alone; the heads beside them."""

from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.hierarchical_response_cvae import HierarchicalResponseCVAE
from hvae_ref.abr.models.response_cvae import ResponseCVAE
from hvae_ref.abr.models.response_heads import Heads
from hvae_ref.abr.models.response_model import ResponseModel
from hvae_ref.abr.models.top_down_response_cvae import TopDownResponseCVAE

__all__ = [
    "Heads",
    "HierarchicalResponseCVAE",
    "ResponseCVAE",
    "ResponseModel",
    "ScaledCovariates",
    "TopDownResponseCVAE",
]
