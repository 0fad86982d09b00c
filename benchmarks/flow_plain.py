"""Sylvester flows by plain matrix algebra, as the public code of their paper does it; measured by `flow_times`.

All matrices are formed: R and R̃ of every step by masks from a square of outputs, Q by multiplying Householder
matrices (D, D) or by an iteration that orthogonalises (D, M) until it has converged. In that code the arrays of all
steps stand in one tensor whose last dimension counts the steps, so that every matrix is gathered from far apart; with
`steps_first` the same algebra runs on matrices that lie together. Written for this comparison; nothing is copied.

Reference:
    van den Berg, Hasenclever, Tomczak and Welling (2018), https://arxiv.org/abs/1803.05649
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

REFLECTIONS, COLUMNS = 8, 32
TOLERANCE, MOST_ITERATIONS = 1e-6, 100


def householder_matrices(vectors: Tensor) -> Tensor:
    """Q of every row, (N, D, D), the product of H reflections whose vectors are (N, H, D)."""
    dim = vectors.shape[-1]
    unit = vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    reflections = torch.eye(dim, dtype=unit.dtype) - 2 * unit.unsqueeze(-1) * unit.unsqueeze(-2)
    product = reflections[:, 0]
    for j in range(1, vectors.shape[1]):
        product = torch.bmm(product, reflections[:, j])
    return product


def orthogonalised(raw: Tensor) -> Tensor:
    """Orthonormal columns (N, D, M) from raw ones by Q ← Q (I + ½ (I − QᵀQ)), until every row has converged.

    Raises:
        RuntimeError: where the iteration has not converged after `MOST_ITERATIONS`.
    """
    columns = raw / torch.linalg.matrix_norm(raw, keepdim=True)
    identity = torch.eye(raw.shape[-1], dtype=raw.dtype)
    for _ in range(MOST_ITERATIONS):
        rest = identity - torch.bmm(columns.mT, columns)
        columns = columns + 0.5 * torch.bmm(columns, rest)
        with torch.no_grad():
            left = torch.linalg.matrix_norm(identity - torch.bmm(columns.mT, columns)).max()
        if left <= TOLERANCE * raw.shape[-1]:
            return columns
    raise RuntimeError(f"raw: the columns are not orthonormal after {MOST_ITERATIONS} iterations, off by {left:.1e}")


def matrix_step(z: Tensor, q: Tensor | None, r: Tensor, r_tilde: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """One step of (B, D) by matrices: Q (B, D, M) or None for the identity, R and R̃ (B, M, M), b (B, M)."""
    left, right = (r, r_tilde) if q is None else (torch.bmm(q, r), torch.bmm(q, r_tilde.mT).mT)
    t = torch.tanh(torch.bmm(right, z.unsqueeze(-1)).squeeze(-1) + shift)
    slopes = r.diagonal(dim1=-2, dim2=-1) * r_tilde.diagonal(dim1=-2, dim2=-1)
    log_det = (1 + (1 - t * t) * slopes).abs().log().sum(-1)
    return z + torch.bmm(left, t.unsqueeze(-1)).squeeze(-1), log_det


def triangles(squares: Tensor, r_diagonal: Tensor, r_tilde_diagonal: Tensor) -> tuple[Tensor, Tensor]:
    """R and R̃ (…, M, M) from one square (…, M, M): the part above its diagonal, and the part below it."""
    mask = torch.ones(squares.shape[-2:], dtype=squares.dtype).triu(1)
    at = torch.arange(squares.shape[-1])
    r, r_tilde = squares * mask, squares.mT * mask
    r[..., at, at], r_tilde[..., at, at] = r_diagonal, r_tilde_diagonal
    return r, r_tilde


class PlainSylvester(nn.Module):
    """The three families: "householder", "orthogonal", "triangular"; D and M are 64 except for M = 32 in the second.

    Args:
        kind: the family.
        dim: D.
        context_dim: C.
        steps: T.
        steps_first: whether the numbers of one step lie together.
    """

    def __init__(self, kind: str, dim: int, context_dim: int, steps: int, steps_first: bool) -> None:
        super().__init__()
        self.kind, self.dim, self.steps, self.steps_first = kind, dim, steps, steps_first
        self.width = COLUMNS if kind == "orthogonal" else dim
        self.squares = nn.Linear(context_dim, self.width**2 * steps)
        self.r_diagonal = nn.Sequential(nn.Linear(context_dim, self.width * steps), nn.Tanh())
        self.r_tilde_diagonal = nn.Sequential(nn.Linear(context_dim, self.width * steps), nn.Tanh())
        self.shift = nn.Linear(context_dim, self.width * steps)
        basis = {"householder": REFLECTIONS, "orthogonal": COLUMNS, "triangular": 0}[kind]
        self.basis = nn.Linear(context_dim, basis * dim * steps) if basis else None

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Move z (B, D) given the context (B, C); answer it and the log-determinant (B,)."""
        squares = self.by_step(self.squares(context), self.width, self.width)
        diagonals = (self.by_step(net(context), self.width) for net in (self.r_diagonal, self.r_tilde_diagonal))
        r, r_tilde = triangles(squares, *diagonals)
        return self.run(z, self.columns(context), r, r_tilde, self.by_step(self.shift(context), self.width))

    def by_step(self, raw: Tensor, *shape: int) -> Tensor:
        """Outputs of a net as (B, T, *shape), a view of either layout."""
        if self.steps_first:
            return raw.view(-1, self.steps, *shape)
        return raw.view(-1, *shape, self.steps).movedim(-1, 1)

    def columns(self, context: Tensor) -> Tensor | None:
        """Q of every row and step, (B, T, D, M)."""
        if self.basis is None:
            return None
        raw = self.basis(context)
        if self.kind == "householder":
            q = householder_matrices(raw.view(-1, REFLECTIONS, self.dim))
        else:
            q = orthogonalised(raw.view(-1, self.dim, COLUMNS))
        return q.unflatten(0, (-1, self.steps))

    def run(self, z: Tensor, q: Tensor | None, r: Tensor, r_tilde: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """All steps; arrays are (B, T, …), Q is None for the identity and the reversal in turns."""
        log_det = z.new_zeros(len(z))
        for step in range(self.steps):
            parts = r[:, step], r_tilde[:, step], shift[:, step]
            turned = self.kind == "triangular" and step % 2 == 1
            z, change = matrix_step(z.flip(-1) if turned else z, None if q is None else q[:, step], *parts)
            z, log_det = z.flip(-1) if turned else z, log_det + change
        return z, log_det
