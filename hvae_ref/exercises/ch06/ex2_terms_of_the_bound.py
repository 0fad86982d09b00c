"""Exercise 6.2: the conditional bound, term by term.

Asked for are log p(x|z, c) and the KL of both latents in nats, each (B,), from signals (B, T) and the encoder's heads
(B, 2d). The gradients are compared too.

The wrong answers, and the exercise itself, follow in `ex2_terms_of_the_bound_wrong.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.inputs import normal, size

_SECTION = "What is left for a latent, once the condition is given?"
_LOG_2_PI = math.log(2 * math.pi)
Terms = tuple[Tensor, Tensor, Tensor]
Likelihood = Callable[[Tensor, Tensor, Tensor], Tensor]
Divergence = Callable[[Tensor, Tensor], Tensor]


def _log_px(x: Tensor, loc: Tensor, log_sigma: Tensor) -> Tensor:
    return -(((x - loc) / log_sigma.exp()) ** 2 / 2 + log_sigma + _LOG_2_PI / 2).sum(-1)


def _kl(loc: Tensor, log_sigma: Tensor) -> Tensor:
    return ((loc**2 + (2 * log_sigma).exp() - 1) / 2 - log_sigma).sum(-1)


def _terms(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
    return _log_px(x, loc, log_sigma), _kl(*global_head.chunk(2, -1)), _kl(*local_head.chunk(2, -1))


def _signals_and_heads(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, samples = size(rng), size(rng, low=2, high=12)
    loc = normal(rng, batch, samples, scale=0.3, dtype=torch.float64)
    log_sigma = normal(rng, batch, samples, scale=0.4, dtype=torch.float64) - 1.2
    x = loc + log_sigma.exp() * normal(rng, batch, samples, dtype=torch.float64)
    heads = (normal(rng, batch, 2 * size(rng, low=2), scale=0.8, dtype=torch.float64) for _ in range(2))
    return x, loc, log_sigma, *heads


def _with(likelihood: Likelihood = _log_px, kl: Divergence = _kl) -> Callable[..., Terms]:
    """The terms, with one of the formulas replaced."""

    def terms(x: Tensor, loc: Tensor, log_sigma: Tensor, global_head: Tensor, local_head: Tensor) -> Terms:
        return likelihood(x, loc, log_sigma), kl(*global_head.chunk(2, -1)), kl(*local_head.chunk(2, -1))

    return terms


def _with_kl(kl: Divergence) -> Callable[..., Terms]:
    """The terms, with another formula for both divergences."""
    return _with(kl=kl)


def _with_log_px(likelihood: Likelihood) -> Callable[..., Terms]:
    """The terms, with another likelihood."""
    return _with(likelihood)


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Scales from e^−60 to e^45, of noise and latents; values far from the mean; one value and many; float32."""
    rng = np.random.default_rng(62)

    def drawn(
        batch: int, samples: int, dims: tuple[int, int], dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, ...]:
        signals = [normal(rng, batch, samples, dtype=dtype) for _ in range(3)]
        return *signals, *(normal(rng, batch, 2 * dim, dtype=dtype) for dim in dims)

    found = []
    for log_sigma in (-60.0, -30.0, -12.0, 12.0, 30.0, 45.0):
        _, loc, _, *heads = drawn(2, 3, (2, 3))
        for head in heads:
            head[:, head.shape[1] // 2 :] = log_sigma
        sigma = torch.full_like(loc, log_sigma)
        found.append((2 * sigma.exp(), 0 * loc, sigma, *heads))
    x, loc, log_sigma, *heads = drawn(1, 4, (1, 1))
    single = [drawn(1, 1, (1, 7)), drawn(1, 90, (20, 1)), drawn(140, 2, (1, 2)), drawn(4, 4, (2, 2), torch.float32)]
    return [*found, (x + 500, loc, log_sigma, *heads), *single]
