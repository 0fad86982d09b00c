"""Two ways in which a posterior can start from the prior of its level instead of from nothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, Normal


def relative_normal(prior: Independent, delta_loc: Tensor, delta_log_sigma: Tensor) -> Independent:
    """The relative (residual) posterior q = N(μ + Δμ, (σ Δσ)²) for a prior p = N(μ, σ²).

    Its divergence from the prior is ½ Σ (Δμ²/σ² + Δσ² − log Δσ² − 1), eq. 3.6 in the book: the first term is
    measured in units of the *prior's* scale.

    Args:
        prior: `Independent(Normal, 1)`, batch (B,), event (D,).
        delta_loc: Δμ, (B, D), in the units of z.
        delta_log_sigma: log Δσ, (B, D), the log of a ratio of scales.

    Returns:
        `Independent(Normal, 1)`, batch (B,), event (D,).

    Reference:
        Vahdat and Kautz (2020), NVAE, section 3.2, https://arxiv.org/abs/2007.03898
    """
    p = prior.base_dist
    return Independent(Normal(p.loc + delta_loc, p.scale * delta_log_sigma.exp()), 1)


def precision_weighted(prior: Independent, estimate: Independent) -> Independent:
    """The ladder's merge of prior and bottom-up estimate: the normalised product of the two Gaussians.

    1/σ² = 1/σ_p² + 1/σ_d²,  μ = σ² (μ_p/σ_p² + μ_d/σ_d²)   (book, eq. 3.3)

    The merged scale is never larger than the prior's.

    Args:
        prior: `Independent(Normal, 1)`, batch (B,), event (D,).
        estimate: likewise, from the deterministic bottom-up path.

    Returns:
        `Independent(Normal, 1)`, batch (B,), event (D,).

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, eq. 17–18, https://arxiv.org/abs/1602.02282
    """
    p, d = prior.base_dist, estimate.base_dist
    precision_p, precision_d = p.scale**-2, d.scale**-2
    precision = precision_p + precision_d
    loc = (p.loc * precision_p + d.loc * precision_d) / precision
    return Independent(Normal(loc, torch.rsqrt(precision)), 1)
