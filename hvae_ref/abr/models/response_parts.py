"""What models of evoked responses are built from: the decoder's trunk, and p(x|z, c)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from hvae_ref.abr.models.observed_response import SIGNAL_UNIT
from hvae_ref.distributions import CorrelatedNormal
from hvae_ref.distributions.tracing import compiling, transform
from hvae_ref.nn.heads import bounded_log_sigma, full_precision
from hvae_ref.nn.layers import FiLM, mlp

NOISES = ("white", "correlated")
LEVEL_HIDDEN = 16

LAGS = 4
"""Deviations that the next one is predicted from; on the generator's noise more than four gain nothing."""

DRIVE_UNIT = 0.02
"""µV, the size of what is new in a sample of a wave, once the four before it are known."""

COEFFICIENT_RATE = 5.0
"""Adam moves every parameter by about its learning rate a step; these coefficients have further to go than weights."""


def _layers(inputs: int, hidden: Sequence[int]) -> nn.ModuleList:
    """The linear layers of a trunk; refuses a size below 1."""
    if any(size < 1 for size in hidden):
        raise ValueError(f"hidden: expected sizes of at least 1, got {list(hidden)}")
    sizes = [inputs, *hidden]
    return nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))


class ConcatenationTrunk(nn.Module):
    """Features of a decoder from everything it reads, side by side: h = f([v_1, v_2, …]).

    Args:
        inputs: size of all that is read.
        hidden: sizes of the layers; the last one is the size of the features. Without any, the features are the inputs.
        dropout: probability of dropping a hidden unit while training.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.features = [inputs, *hidden][-1]
        self.layers = _layers(inputs, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, *given: Tensor) -> Tensor:
        """Features (B, F) of what is given, (B, ·) each."""
        h = torch.cat(given, -1)
        for layer in self.layers:
            h = self.dropout(nn.functional.silu(layer(h)))
        return h


class FilmTrunk(nn.Module):
    """Features of a decoder that reads one input and is modulated by another at each layer; eq. 6.6 in the book.

    Args:
        modulator: size of z, which stretches and shifts the features.
        inputs: size of all that is read.
        hidden: sizes of the layers, at least one; the last one is the size of the features.
        dropout: probability of dropping a hidden unit while training.

    Raises:
        ValueError: without a hidden layer, where there is nothing to modulate.
    """

    def __init__(self, modulator: int, inputs: int, hidden: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden: expected at least one layer for FiLM to modulate, got none; or use_film=False")
        self.features = [inputs, *hidden][-1]
        self.layers = _layers(inputs, hidden)
        self.film = nn.ModuleList(FiLM(size, modulator) for size in hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Tensor, *given: Tensor) -> Tensor:
        """Features (B, F) of what is given, (B, ·) each, modulated by z (B, modulator)."""
        h = torch.cat(given, -1)
        for layer, film in zip(self.layers, self.film, strict=True):
            h = self.dropout(nn.functional.silu(film(layer(h), z)))
        return h


class ConditionalResponse(nn.Module):
    """p(x|z, c) in µV: a mean from the decoder's features, a noise level from c.

    log σ_t(c) = s_t + g(c), with numbers s_t and a small net g of the covariates alone. The average of n sweeps has
    noise that falls as 1/√n, and g can say so. z does not enter σ, so an error is never made cheaper by raising it.

    - "white": Π_t N(x_t; μ_t(h), σ_t(c)²), with an s_t for each sample. Noise that is not white, as that of the brain,
      then costs less when a latent describes it than when it is left over: some of z is noise.
    - "correlated": Π_t N(x_t; Σ_k φ_k x_{t−k} + u_t(h), σ_t(c)²). A deviation from the mean is predicted from the four
      before it, with learned coefficients, the same at all times but for the first four samples, as is s_t. Slow
      noise then belongs to the likelihood, and z is left with the response. The decoder puts out u, what is new in each
      sample, and the mean follows from it; see `CorrelatedNormal.driven`.

    Args:
        features: size of h.
        covariates: C.
        length: L, samples of x.
        noise: "white" or "correlated".

    Raises:
        ValueError: for an unknown kind of noise, or correlated noise on fewer than two samples.
    """

    def __init__(self, features: int, covariates: int, length: int, noise: str = "white") -> None:
        super().__init__()
        if noise not in NOISES:
            raise ValueError(f"noise: expected one of {', '.join(NOISES)}, got {noise!r}")
        self.out = nn.Linear(features, length)
        self.level = mlp([covariates, LEVEL_HIDDEN, 1])
        self.coefficients: nn.Parameter | None = None
        lags, times = 0, length
        if noise == "correlated":
            if length < 2:
                raise ValueError(f"noise: expected at least 2 samples to be correlated, got {length}")
            lags = min(LAGS, length - 1)
            times = lags + 1
            self.coefficients = nn.Parameter(torch.zeros(times, lags))
        self.log_sigma = nn.Parameter(torch.zeros(times))
        # Which of the numbers each sample has: its own, or at later times the common last one.
        self.register_buffer("time", torch.arange(length).clamp(max=times - 1), persistent=False)

    def forward(self, h: Tensor, c: Tensor) -> Independent | CorrelatedNormal:
        """From features h (B, features) and scaled covariates c (B, C): batch (B,), event (L,)."""
        out, level = full_precision(self.out(h)), full_precision(self.level(c))
        scale = SIGNAL_UNIT * bounded_log_sigma(self.log_sigma[self.time] + level).exp()
        if self.coefficients is None:
            checks = False if compiling() or transform() is not None else None
            return Independent(Normal(SIGNAL_UNIT * out, scale, validate_args=checks), 1)
        return CorrelatedNormal.driven(DRIVE_UNIT * out, scale, COEFFICIENT_RATE * self.coefficients[self.time])
