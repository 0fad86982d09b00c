"""The usual nets of models of evoked responses: what their `dense` builders share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.response_heads import PeakHead, StaticHead
from hvae_ref.abr.models.response_parts import ConditionalResponse
from hvae_ref.errors import real_number, whole_number
from hvae_ref.models.base import Shape
from hvae_ref.nn.heads import ConditionalNormal
from hvae_ref.nn.layers import Joined, mlp

PRIORS = ("standard", "conditional")
EXPECTED_HIDDEN = 32


def samples(x_shape: Shape) -> int:
    """L, the samples of a signal of shape L or (L,).

    Raises:
        ValueError: for another number of dimensions, or a size below 1.
    """
    shape = (x_shape,) if isinstance(x_shape, int) else tuple(x_shape)
    if len(shape) != 1 or shape[0] < 1:
        raise ValueError(f"x_shape: expected the samples of a signal, L or (L,), at least 1, got {x_shape!r}")
    return shape[0]


def check_latent_dims(**dims: int) -> None:
    """Refuse sizes of latents that are no whole numbers of at least 1.

    Raises:
        ValueError: naming the argument.
    """
    for name, size in dims.items():
        whole_number(name, size)


def early_samples(length: int, ratio: float) -> int:
    """How many of a signal's samples its early part has.

    Raises:
        ValueError: for a share outside 0 … 1.
    """
    if not 0 <= real_number("early_signal_ratio", ratio) <= 1:
        raise ValueError(f"early_signal_ratio: expected a share of the signal, 0 … 1, got {ratio}")
    return round(length * ratio)


def encoder(inputs: int, latent_dim: int, hidden: Sequence[int], dropout: float) -> ConditionalNormal:
    """q(ẑ|·) from everything it reads, side by side, by a multilayer perceptron.

    Args:
        inputs: size of all that is read.
        latent_dim: size of ẑ.
        hidden: sizes of the hidden layers.
        dropout: probability of dropping a hidden unit while training.
    """
    return ConditionalNormal(Joined(mlp([inputs, *hidden, 2 * latent_dim], dropout)))


def decoder_ends(
    features: int,
    length: int,
    condition: ScaledCovariates,
    dims: Mapping[str, int],
    static_reads: Sequence[str],
    predict_peaks: bool,
    noise: str,
    prior: str,
) -> dict[str, Any]:
    """Arguments of `ResponseModel`: p(x|h, c), what c leads one to expect, and the heads.

    Args:
        features: size of h.
        length: L, samples of x.
        condition: of the model.
        dims: sizes of the latents, top to bottom.
        static_reads: levels from which a head reads the covariates; () for no such head.
        predict_peaks: whether there is a head for the peaks.
        noise: "white" or "correlated"; see `ConditionalResponse`.
        prior: "standard" or "conditional"; see `ResponseModel`.

    Raises:
        ValueError: for an unknown kind of noise or prior.
    """
    if prior not in PRIORS:
        raise ValueError(f"prior: expected one of {', '.join(PRIORS)}, got {prior!r}")
    count = condition.size
    nets: dict[str, Any] = {"p_x_given_features": ConditionalResponse(features, count, length, noise), "expected": None}
    if prior == "conditional":
        nets["expected"] = {
            level: ConditionalNormal(mlp([count, EXPECTED_HIDDEN, 2 * size])) for level, size in dims.items()
        }
    read = [dims[level] for level in dims if level in tuple(static_reads)]
    nets["static_head"] = StaticHead(read, count) if read else None
    nets["peak_head"] = PeakHead(features) if predict_peaks else None
    return nets | {"condition": condition, "static_reads": static_reads}
