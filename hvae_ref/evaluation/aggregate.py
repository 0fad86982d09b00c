"""The aggregated posterior: the mixture of the posteriors of all given examples, as a density."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution


def aggregate_log_prob(posteriors: Distribution, z: Tensor, rows: int = 64) -> Tensor:
    """log q(z) = log (1/N) Σ_j q(z|x_j), the density of the aggregated posterior of N examples at given points.

    The mean over z ~ q(z|x_i) and i of  log q(z|x_i) − log q(z)  is I_q(x; z), and that of  log q(z) − log p(z)  is
    KL(q(z) ‖ p(z)); they add up to the mean KL(q(z|x) ‖ p(z)). With N examples the first is at most log N.

    Args:
        posteriors: q(z|x_j), batch (N,).
        z: (M, *event shape), the points.
        rows: points compared with all posteriors at once.

    Returns:
        (M,) nats.

    Raises:
        ValueError: for points of another event shape, or posteriors whose batch is no list.

    Reference:
        Hoffman and Johnson (2016), ELBO surgery: yet another way to carve up the variational evidence lower bound,
        http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
    """
    if len(posteriors.batch_shape) != 1 or z.shape[1:] != posteriors.event_shape:
        raise ValueError(
            f"posteriors, z: expected batch (N,) and points of shape {tuple(posteriors.event_shape)}, got batch "
            f"{tuple(posteriors.batch_shape)} and points of shape {tuple(z.shape[1:])}"
        )
    parts = [torch.logsumexp(posteriors.log_prob(part.unsqueeze(1)), dim=1) for part in z.split(rows)]
    return torch.cat(parts) - math.log(posteriors.batch_shape[0])
