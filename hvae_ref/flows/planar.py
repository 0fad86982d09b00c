"""Planar flows: every step pushes points along one direction, as a function of one projection."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hvae_ref.flows.base import INIT_SCALE, AmortizedFlow
from hvae_ref.flows.tanh_solve import solve_tanh

MARGIN = 1e-3
"""wᵀû stays above −1 + MARGIN: no step flattens space by more than a factor of a thousand."""

TINY = 1e-20
"""Added to ‖w‖², so that w = 0 is no special case."""


def constrained_slope(a: Tensor) -> Tensor:
    """m(a) = softplus(a + c) − 1 + MARGIN, with c such that m(0) = 0: wᵀû as a function of a = wᵀu (book, eq. 4.6).

    It lies above −1 + MARGIN everywhere and approaches a + 0.54 for large a. The original paper has
    m(a) = softplus(a) − 1, which is −0.31 at a = 0: then û = u + (m(a) − a) w / ‖w‖² grows like 1 / ‖w‖ as w → 0, and
    so does the step. Implementations differ in which of the two they use.
    """
    return softplus(a + math.log(math.expm1(1 - MARGIN))) - 1 + MARGIN


class PlanarFlow(AmortizedFlow):
    """z_t = z_{t−1} + û tanh(wᵀ z_{t−1} + b), with u, w and b of every step from the context (book, eq. 4.5).

    log |det ∂z_t / ∂z_{t−1}| = log(1 + wᵀû · (1 − tanh²(wᵀ z_{t−1} + b)))

    A step is invertible if and only if wᵀû > −1; û = u + (m(wᵀu) − wᵀu) w / ‖w‖² has wᵀû = m(wᵀu), see
    `constrained_slope`. The way back solves one scalar equation a step.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps.

    Raises:
        ValueError: for a dimension or a number of steps that is too small.

    Reference:
        Rezende and Mohamed (2015), Variational Inference with Normalizing Flows, appendix A.1,
        https://arxiv.org/abs/1505.05770
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int = 4) -> None:
        self.check_sizes(latent_dim, context_dim, steps)
        # u starts small and w does not: a step that moves little has a direction that it can learn from.
        spread = torch.ones(2 * latent_dim + 1) / latent_dim**0.5
        spread[:latent_dim] *= INIT_SCALE
        super().__init__(latent_dim, context_dim, steps, spread)

    def _prepare(self, context: Tensor) -> list[tuple[Tensor, ...]]:
        dim = self.latent_dim
        u, w, b = self._raw(context).split([dim, dim, 1], -1)
        a, squares = (w * u).sum(-1, keepdim=True), (w * w).sum(-1, keepdim=True) + TINY
        m = constrained_slope(a)
        u_hat = u + (m - a) / squares * w
        # wᵀû from the formula: summing û's products again would lose what keeps it above −1 where a is large.
        slope = m + (a - m) * (TINY / squares)
        return list(zip(u_hat.unbind(1), w.unbind(1), b.unbind(1), slope.unbind(1), strict=True))

    def _step(self, step: int, z: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        u_hat, w, b, slope = parameters
        h = torch.tanh((w * z).sum(-1, keepdim=True) + b)
        return z + u_hat * h, torch.log1p(slope * (1 - h * h)).squeeze(-1)

    def _undo(self, step: int, z: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        u_hat, w, b, slope = parameters
        h = torch.tanh(solve_tanh(slope, (w * z).sum(-1, keepdim=True) + b))
        return z - u_hat * h, -torch.log1p(slope * (1 - h * h)).squeeze(-1)
