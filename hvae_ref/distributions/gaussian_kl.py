"""KL between a Gaussian with full covariance and one with independent coordinates, which torch leaves out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, register_kl


@register_kl(MultivariateNormal, Independent)
def _kl_full_diagonal(q: MultivariateNormal, p: Independent) -> Tensor:
    """½ Σ_d [(Σ_dd + (μ_d − m_d)²) / s_d² − 1 + 2 log s_d] − ½ log det Σ, for p = Π N(m_d, s_d²)."""
    loc, scale = _diagonal(p)
    distance = (q.covariance_matrix.diagonal(dim1=-2, dim2=-1) + (q.loc - loc) ** 2) / scale**2
    return 0.5 * (distance - 1 + 2 * scale.log()).sum(-1) - _half_log_det(q)


@register_kl(Independent, MultivariateNormal)
def _kl_diagonal_full(q: Independent, p: MultivariateNormal) -> Tensor:
    """½ [tr(Σ⁻¹ diag s²) + (m − μ)ᵀ Σ⁻¹ (m − μ) − D + log det Σ] − Σ_d log s_d, for q = Π N(m_d, s_d²)."""
    loc, scale = _diagonal(q)
    whitened = torch.linalg.solve_triangular(p.scale_tril, torch.diag_embed(scale), upper=False)
    offset = torch.linalg.solve_triangular(p.scale_tril, (loc - p.loc).unsqueeze(-1), upper=False)
    distance = whitened.square().sum((-2, -1)) + offset.square().sum((-2, -1))
    return 0.5 * (distance - scale.shape[-1]) + _half_log_det(p) - scale.log().sum(-1)


def _diagonal(distribution: Independent) -> tuple[Tensor, Tensor]:
    base = distribution.base_dist
    if not isinstance(base, Normal) or distribution.reinterpreted_batch_ndims != 1:
        raise NotImplementedError(f"no closed form for a {type(base).__name__}")
    return base.loc, base.scale


def _half_log_det(distribution: MultivariateNormal) -> Tensor:
    return distribution.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
