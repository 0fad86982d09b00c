"""A density of all principal directions out of one of the leading few: the rest is taken for independent Gaussians."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from hvae_ref.data.examples import in_words
from hvae_ref.features.validation import checked_tensor


def leading_components(whitened: Mapping[str, Tensor], dims: Mapping[str, int]) -> dict[str, Tensor]:
    """The first D_l coordinates of each level, those of largest variance: (B, D_l, H_l, W_l).

    Args:
        whitened: (B, A_l, H_l, W_l), as `Reduction(…, whiten=True).transform` returns it.
        dims: D_l ≤ A_l of the levels that are wanted.

    Raises:
        ValueError: for a level that is not there, or more coordinates than it has.
    """
    _check(whitened, dims)
    return {level: whitened[level][:, :dim] for level, dim in dims.items()}


def residual_log_prob(whitened: Mapping[str, Tensor], dims: Mapping[str, int]) -> dict[str, Tensor]:
    r"""log N(r_i; 0, I) of the coordinates r that `leading_components` drops, at every position: (B, H_l, W_l), nats.

    log p(u, r) = log p(u) + log N(r; 0, I)

    is a normalised density of all coordinates, whatever density the leading ones u have. Principal components keep what
    varies most among normal images; an anomaly shows where these never vary, and that is in r.

    Args:
        whitened: (B, A_l, H_l, W_l).
        dims: D_l ≤ A_l of the levels that are wanted; with D_l = A_l there is no rest, and its log-density is 0.

    Raises:
        ValueError: for a level that is not there, or more coordinates than it has.

    Reference:
        Rippel, Mertens and Merhof (2021), Modeling the Distribution of Normal Data in Pre-Trained Deep Features for
        Anomaly Detection, https://arxiv.org/abs/2005.14140
    """
    _check(whitened, dims)
    log_p = {}
    for level, dim in dims.items():
        rest = whitened[level][:, dim:]
        log_p[level] = -0.5 * (rest.square().sum(1) + rest.shape[1] * math.log(2 * math.pi))
    return log_p


def _check(whitened: Mapping[str, Tensor], dims: Mapping[str, int]) -> None:
    if not isinstance(whitened, Mapping) or not isinstance(dims, Mapping):
        raise ValueError(f"whitened, dims: expected both by level, got {in_words(whitened)} and {in_words(dims)}")
    for level, dim in dims.items():
        if level not in whitened:
            raise ValueError(f"dims: expected some of the levels {list(whitened)}, got {level!r}")
        checked_tensor(f"whitened[{level!r}]", whitened[level], "a tensor (B, A, H, W)")
        if whitened[level].ndim != 4 or not 1 <= dim <= whitened[level].shape[1]:
            raise ValueError(f"dims: expected 1 to {whitened[level].shape[1]} on {level}, got {dim}")
