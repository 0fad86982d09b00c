"""The step of a Sylvester flow in its own coordinates: two triangular products that share one square of numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hvae_ref.flows.monotone import solve_tanh

MARGIN = 1e-3
"""Diagonals of R and R̃ stay within ±(1 − MARGIN): r r̃ > −1 + 2 MARGIN − MARGIN²."""


def bounded(raw: Tensor) -> Tensor:
    """A diagonal of R or R̃ from any real numbers."""
    return (1 - MARGIN) * torch.tanh(raw)


class TriangularPair(torch.autograd.Function):
    """(s, log det) of s = R tanh(R̃ y + b), with a backward pass that forms each gradient once.

    The square A (B, M, M) holds R in its upper triangle and R̃ᵀ below the diagonal. Its own diagonal is that of R
    before `bounded`, and the diagonal of R̃ stands beside it. With t = tanh(R̃ y + b), h = 1 − t² and p = r r̃,

        log det = Σ_i log(1 + h_i p_i)   (book, eq. 4.6)
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(square: Tensor, raw_diagonal: Tensor, shift: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Answer s and log det, then t, r and r̃ for the way back."""
        r, r_tilde = bounded(square.diagonal(dim1=-2, dim2=-1)), bounded(raw_diagonal)
        t = torch.tanh((square.tril(-1).mT @ y.unsqueeze(-1)).squeeze(-1) + (r_tilde * y + shift))
        s = (square.triu(1) @ t.unsqueeze(-1)).squeeze(-1) + r * t
        log_det = torch.log1p((1 - t * t) * r * r_tilde).sum(-1)
        return s, log_det, t, r, r_tilde

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401
        """Keep what the gradients need."""
        square, _, _, y = inputs
        _, _, t, r, r_tilde = output
        ctx.mark_non_differentiable(t, r, r_tilde)
        ctx.save_for_backward(square, y, t, r, r_tilde)

    @staticmethod
    def backward(ctx: Any, grad_s: Tensor, grad_log_det: Tensor, *_: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        """Gradients of the four inputs."""
        square, y, t, r, r_tilde = ctx.saved_tensors
        h = 1 - t * t
        per_slope = grad_log_det.unsqueeze(-1) / (1 + h * r * r_tilde)  # of each h p
        grad_t = (square.triu(1).mT @ grad_s.unsqueeze(-1)).squeeze(-1) + r * (grad_s - 2 * t * r_tilde * per_slope)
        grad_w = grad_t * h
        grad_y = (square.tril(-1) @ grad_w.unsqueeze(-1)).squeeze(-1) + r_tilde * grad_w
        grad_square = (grad_s.unsqueeze(-1) * t.unsqueeze(-2)).triu(1)
        grad_square += (y.unsqueeze(-1) * grad_w.unsqueeze(-2)).tril(-1)
        scale = 1 / (1 - MARGIN)
        grad_r = (grad_s * t + per_slope * h * r_tilde) * ((1 - MARGIN) - scale * r * r)
        grad_square.diagonal(dim1=-2, dim2=-1).copy_(grad_r)
        grad_raw = (grad_w * y + per_slope * h * r) * ((1 - MARGIN) - scale * r_tilde * r_tilde)
        return grad_square, grad_raw, grad_w, grad_y


def triangular_step(square: Tensor, raw_diagonal: Tensor, shift: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """R tanh(R̃ y + b), (B, M), and log det(I + diag(h) R̃ R), (B,).

    Args:
        square: R and R̃ᵀ, (B, M, M); see `TriangularPair`.
        raw_diagonal: the diagonal of R̃ before `bounded`, (B, M).
        shift: b, (B, M).
        y: (B, M).
    """
    s, log_det, *_ = TriangularPair.apply(square, raw_diagonal, shift, y)
    return s, log_det


def triangular_solve(square: Tensor, raw_diagonal: Tensor, shift: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """R tanh(w), (B, M), and −log det for the point before a step, from the point y behind it.

    With y_0 the point before, y = y_0 + R tanh(w) and w = R̃ y_0 + b, so that w + R̃ R tanh(w) = R̃ y + b: upper
    triangular with slopes p_i = r_i r̃_i > −1 on its diagonal, solved from the last entry to the first.
    """
    r, r_tilde = bounded(square.diagonal(dim1=-2, dim2=-1)), bounded(raw_diagonal)
    upper, upper_tilde = square.triu(1) + torch.diag_embed(r), square.tril(-1).mT + torch.diag_embed(r_tilde)
    wanted = (upper_tilde @ y.unsqueeze(-1)).squeeze(-1) + shift
    product = upper_tilde @ upper
    t: list[Tensor] = []  # tanh(w_i), from the last i to the first
    for i in reversed(range(y.shape[-1])):
        rest = wanted[:, i]
        if t:
            rest = rest - (product[:, i, i + 1 :] * torch.stack(t[::-1], -1)).sum(-1)
        t.append(torch.tanh(solve_tanh(r[:, i] * r_tilde[:, i], rest)))
    solved = torch.stack(t[::-1], -1)
    log_det = torch.log1p((1 - solved * solved) * r * r_tilde).sum(-1)
    return (upper @ solved.unsqueeze(-1)).squeeze(-1), -log_det
