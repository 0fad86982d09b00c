"""How a posterior can start from the prior of its level: the precision-weighted merge of the ladder."""

from __future__ import annotations

import torch
from torch.distributions import Independent

from hvae_ref.distributions.diagonal_normal import DiagonalNormal, TransformedNormal
from hvae_ref.distributions.tracing import transform


def precision_weighted(prior: Independent, estimate: Independent) -> Independent:
    """The ladder's merge of prior and bottom-up estimate: the normalised product of the two Gaussians.

    1/σ² = 1/σ_p² + 1/σ_d²,  μ = σ² (μ_p/σ_p² + μ_d/σ_d²)   (book, eq. 3.3)

    The merged scale is never larger than the prior's.

    Args:
        prior: `Independent(Normal)`, batch (B,), event (D,) or (C, H, W).
        estimate: likewise, from the deterministic bottom-up path.

    Returns:
        `Independent(Normal)`, batch (B,), event (D,) or (C, H, W).

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, eq. 17–18, https://arxiv.org/abs/1602.02282
    """
    p, d = prior.base_dist, estimate.base_dist
    precision_p, precision_d = p.scale**-2, d.scale**-2
    precision = precision_p + precision_d
    loc = (p.loc * precision_p + d.loc * precision_d) / precision
    normal = DiagonalNormal if transform() is None else TransformedNormal
    return Independent(normal(loc, torch.rsqrt(precision)), prior.reinterpreted_batch_ndims)
