"""The step of a Sylvester flow in its own coordinates: two triangular products that share one square of numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hvae_ref.distributions.base import apply, once_forwards
from hvae_ref.flows.tanh_solve import FEW_ITERATIONS, solve_tanh

MARGIN = 1e-3
"""Diagonals of R and R̃ stay within ±(1 − MARGIN): r r̃ > −1 + 2 MARGIN − MARGIN²."""


def bounded(raw: Tensor) -> Tensor:
    """A diagonal of R or R̃ from any real numbers."""
    return (1 - MARGIN) * torch.tanh(raw)


class _PairBackwards(torch.autograd.Function):
    """`TriangularPair` without a forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(square: Tensor, raw_diagonal: Tensor, shift: Tensor, y: Tensor, above: Tensor) -> tuple[Tensor, ...]:
        """Return s, log det and t; `above` (M, M) is 1 above the diagonal and 0 elsewhere."""
        r, r_tilde = bounded(square.diagonal(dim1=-2, dim2=-1)), bounded(raw_diagonal)
        t = torch.tanh(_times((square * above.mT).mT, y) + (r_tilde * y + shift))
        s = _times(square * above, t) + r * t
        log_det = torch.log1p((1 - t * t) * r * r_tilde).sum(-1)
        return s, log_det, t

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401
        """Keep what the gradients need."""
        square, raw_diagonal, _, y, above = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(square, raw_diagonal, y, above, output[2])
        ctx.save_for_forward(square, raw_diagonal, y, above, output[2])

    @staticmethod
    def backward(ctx: Any, grad_s: Tensor | None, grad_log_det: Tensor | None, grad_t: Tensor | None) -> tuple:  # noqa: ANN401
        """Gradients of the four inputs, by operations that can be differentiated again."""
        square, raw_diagonal, y, above, t = ctx.saved_tensors
        r, r_tilde = bounded(square.diagonal(dim1=-2, dim2=-1)), bounded(raw_diagonal)
        grad_s = torch.zeros_like(t) if grad_s is None else grad_s
        grad_log_det = t.new_zeros(t.shape[:-1]) if grad_log_det is None else grad_log_det
        h = 1 - t * t
        per_slope = grad_log_det.unsqueeze(-1) / (1 + h * r * r_tilde)  # of each h p
        through_t = _times((square * above).mT, grad_s) + r * (grad_s - 2 * t * r_tilde * per_slope)
        grad_w = (through_t if grad_t is None else through_t + grad_t) * h
        grad_y = _times(square * above.mT, grad_w) + r_tilde * grad_w
        grad_square = torch.where(
            above.bool(), grad_s.unsqueeze(-1) * t.unsqueeze(-2), y.unsqueeze(-1) * grad_w.unsqueeze(-2)
        )
        scale = 1 / (1 - MARGIN)
        grad_r = (grad_s * t + per_slope * h * r_tilde) * ((1 - MARGIN) - scale * r * r)
        grad_square = grad_square.diagonal_scatter(grad_r, dim1=-2, dim2=-1)
        grad_raw = (grad_w * y + per_slope * h * r) * ((1 - MARGIN) - scale * r_tilde * r_tilde)
        return grad_square, grad_raw, grad_w, grad_y, None


class TriangularPair(_PairBackwards):
    """(s, log det, t) of s = R tanh(R̃ y + b), with a backward pass that forms each gradient once.

    The square A (B, M, M) holds R in its upper triangle and R̃ᵀ below the diagonal. Its own diagonal is that of R
    before `bounded`, and the diagonal of R̃ stands beside it. With t = tanh(R̃ y + b), h = 1 − t² and p = r r̃,

        log det = Σ_i log(1 + h_i p_i)   (book, eq. 4.8)
    """

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:  # noqa: ANN401
        """Tangents of s, log det and t along those of the square, the raw diagonal, the shift and y."""
        once_forwards()
        square, raw_diagonal, y, above, t = ctx.saved_tensors
        like = (square, raw_diagonal, t, y)
        along = [torch.zeros_like(a) if b is None else b for a, b in zip(like, tangents[:4], strict=True)]
        d_square, d_raw, d_shift, d_y = along
        r, r_tilde = bounded(square.diagonal(dim1=-2, dim2=-1)), bounded(raw_diagonal)
        scale = 1 / (1 - MARGIN)
        d_r = d_square.diagonal(dim1=-2, dim2=-1) * ((1 - MARGIN) - scale * r * r)
        d_r_tilde = d_raw * ((1 - MARGIN) - scale * r_tilde * r_tilde)
        h = 1 - t * t
        below = above.mT
        moved = _times((d_square * below).mT, y) + _times((square * below).mT, d_y)
        d_t = h * (moved + d_r_tilde * y + r_tilde * d_y + d_shift)
        d_s = _times(d_square * above, t) + _times(square * above, d_t) + d_r * t + r * d_t
        change = h * (d_r * r_tilde + r * d_r_tilde) - 2 * t * d_t * r * r_tilde
        return d_s, (change / (1 + h * r * r_tilde)).sum(-1), d_t


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Products of (B, M, N) and (B, N), row by row."""
    return (matrices @ vectors.unsqueeze(-1)).squeeze(-1)


def triangular_step(square: Tensor, raw_diagonal: Tensor, shift: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """R tanh(R̃ y + b), (B, M), and log det(I + diag(h) R̃ R), (B,).

    Args:
        square: R and R̃ᵀ, (B, M, M); see `TriangularPair`.
        raw_diagonal: the diagonal of R̃ before `bounded`, (B, M).
        shift: b, (B, M).
        y: (B, M).
    """
    above = torch.ones(square.shape[-2:], dtype=square.dtype, device=square.device).triu(1)
    s, log_det, _ = apply(TriangularPair, _PairBackwards, square, raw_diagonal, shift, y, above)
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
        t.append(torch.tanh(solve_tanh(r[:, i] * r_tilde[:, i], rest, FEW_ITERATIONS)))
    solved = torch.stack(t[::-1], -1)
    log_det = torch.log1p((1 - solved * solved) * r * r_tilde).sum(-1)
    return (upper @ solved.unsqueeze(-1)).squeeze(-1), -log_det
