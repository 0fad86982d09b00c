"""Exercise 7.2: the log-density of a mixture.

Asked for is log p(f) (B,) in nats of a mixture of K Gaussians with Cholesky factors (K, D, D), for rows that may be
sixty standard deviations away, and for determinants too small for a float.

The wrong answers, and the exercise itself, follow in `ex2_log_density_of_a_mixture_wrong.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.inputs import normal, size, uniform

_SECTION = "What makes it a density?"
_LOG_2_PI = math.log(2 * math.pi)
Part = Callable[[Tensor, Tensor, Tensor], Tensor]
Join = Callable[[Tensor, Tensor], Tensor]


def _white(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """L⁻¹ (f − μ) of every component, (B, K, D)."""
    centred = (f[:, None] - loc).unsqueeze(-1)
    return torch.linalg.solve_triangular(scale_tril, centred, upper=False).squeeze(-1)


def _squares(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return -_white(f, loc, scale_tril).square().sum(-1) / 2


def _log_scales(scale_tril: Tensor) -> Tensor:
    """log det L, half of log det Σ."""
    return scale_tril.diagonal(dim1=1, dim2=2).log().sum(-1)


def _gaussians(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _squares(f, loc, scale_tril) - _log_scales(scale_tril) - f.shape[1] * _LOG_2_PI / 2


def _joined(logits: Tensor, gaussians: Tensor) -> Tensor:
    return (logits.log_softmax(0) + gaussians).logsumexp(-1)


def _log_density(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    return _joined(logits, _gaussians(f, loc, scale_tril))


def _features_and_mixture(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    many = rng.random() < 0.2  # with 110 channels of so small a spread a determinant is too small for float64
    batch, components, dim = size(rng), size(rng, high=4), 110 if many else size(rng, high=6)
    spread = 1e-3 if many else float(rng.uniform(0.3, 1.5))
    loc = normal(rng, components, dim, scale=2 * spread, dtype=torch.float64)
    below = normal(rng, components, dim, dim, scale=spread / dim**0.5, dtype=torch.float64).tril(-1)
    diagonal = uniform(rng, components, dim, low=0.5 * spread, high=1.5 * spread, dtype=torch.float64)
    distance = float(rng.choice([1.0, 60.0]))  # at a distance of 60 the density is 0 in floating point
    away = normal(rng, batch, dim, scale=distance * spread, dtype=torch.float64)
    f = loc[rng.integers(components, size=batch)] + away
    return f, normal(rng, components, scale=1.5, dtype=torch.float64), loc, below + torch.diag_embed(diagonal)


def _with(part: Part = _gaussians, join: Join = _joined) -> Callable[..., Tensor]:
    """The density, with another formula for the components or for their sum."""

    def log_density(f: Tensor, logits: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
        return join(logits, part(f, loc, scale_tril))

    return log_density


def _with_join(join: Join) -> Callable[..., Tensor]:
    """The density, with another formula for the sum of the components."""
    return _with(join=join)


def _with_part(part: Part) -> Callable[..., Tensor]:
    """The density, with another formula for the components."""
    return _with(part)


def _with_added(by: Callable[[Tensor, int], Tensor | float]) -> Callable[..., Tensor]:
    """The density, with something added to each component: a function of its factor and of the dimensions."""
    return _with(lambda f, loc, tril: _gaussians(f, loc, tril) + by(tril, f.shape[1]))


def _with_squares(squares_of: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The density, with another function of the factor and of f − μ (B, K, D, 1) in place of the squares."""

    def gaussians(f: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
        squares = squares_of(scale_tril, (f[:, None] - loc).unsqueeze(-1)).flatten(2).sum(-1)
        return -squares / 2 - _log_scales(scale_tril) - f.shape[1] * _LOG_2_PI / 2

    return _with(gaussians)


def _edges() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Sixty standard deviations away, in few and in 110 channels; logits of ±900; one component and nine; float32."""
    rng = np.random.default_rng(72)

    def drawn(batch: int, components: int, dim: int, spread: float, away: float) -> list[Tensor]:
        """Features `away` spreads from the first component, logits, means and Cholesky factors."""
        loc = normal(rng, components, dim, scale=spread, dtype=torch.float64)
        tril = normal(rng, components, dim, dim, scale=spread / dim, dtype=torch.float64).tril(-1)
        tril = tril + spread * torch.diag_embed(uniform(rng, components, dim, low=0.5, high=1.5, dtype=torch.float64))
        f = loc[:1] + away * spread * normal(rng, batch, dim, dtype=torch.float64)
        return [f, normal(rng, components, dtype=torch.float64), loc, tril]

    sizes = (
        (3, 2, 110, 1e-3, 1.0),
        (2, 3, 110, 1e-3, 60.0),
        (2, 3, 110, 1e3, 1.0),
        (5, 1, 1, 1.0, 60.0),
        (3, 2, 2, 1e-6, 1.0),
    )
    found = [drawn(*each) for each in (*sizes, (1, 9, 8, 0.5, 1.0), (140, 2, 2, 1.0, 2.0), (4, 4, 4, 2.0, 1.0))]
    for components in (9, 17, 40):  # nearly all of the weight is the last one's
        f, logits, loc, tril = drawn(3, components, 2, 1.0, 1.0)
        logits[-1], loc[:-1] = 5.0, loc[:-1] + 30
        found.append([f - f.mean(0) + loc[-1], logits, loc, tril])
    for logits in ((900.0, -900.0, 0.0), (-900.0, -900.0, -901.0), (50.0, 51.0, 52.0)):
        f, _, loc, tril = drawn(3, 3, 2, 1.0, 1.0)
        found.append([f, torch.tensor(logits, dtype=torch.float64), loc, tril])
    f, _, loc, tril = drawn(3, 2, 2, 1.0, 1.0)
    loc[0] += 100  # all rows are at the component that has nearly no weight
    found.append([f, torch.tensor([900.0, -900.0], dtype=torch.float64), loc, tril])
    found[-1][0] = f - f.mean(0) + loc[1]
    return [*map(tuple, found), tuple(part.float() for part in drawn(4, 3, 2, 1.0, 1.0))]
