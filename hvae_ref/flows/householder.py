"""Orthonormal columns from Householder reflections, applied as vectors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class OrthonormalColumns(NamedTuple):
    """Q, the first M columns of a product of H reflections (I − 2 v_1 v_1ᵀ/‖v_1‖²) … (I − 2 v_H v_Hᵀ/‖v_H‖²).

    The product is I − V T Vᵀ with V = (v_1 … v_H) and an upper triangular T (H, H): nothing of size D × D is formed,
    and the columns are orthonormal to rounding for every V, without a convergence test.

    Attributes:
        vectors: Vᵀ, (…, H, D).
        mixing: T, (…, H, H).
        columns: M ≤ D.

    Reference:
        Schreiber and Van Loan (1989), A storage-efficient WY representation for products of Householder
        transformations, https://doi.org/10.1137/0910005
    """

    vectors: Tensor
    mixing: Tensor
    columns: int

    def project(self, z: Tensor) -> Tensor:
        """Qᵀ z: (B, D) to (B, M)."""
        inner = self.mixing.mT @ (self.vectors @ z.unsqueeze(-1))
        return z[:, : self.columns] - (self.vectors[..., : self.columns].mT @ inner).squeeze(-1)

    def lift(self, s: Tensor) -> Tensor:
        """Q s: (B, M) to (B, D)."""
        inner = self.mixing @ (self.vectors[..., : self.columns] @ s.unsqueeze(-1))
        padded = torch.nn.functional.pad(s, (0, self.vectors.shape[-1] - self.columns))
        return padded - (self.vectors.mT @ inner).squeeze(-1)


def unit_lower_vectors(raw: Tensor) -> Tensor:
    """Reflection vectors (…, H, D) with zeros before entry j, a one at it and raw numbers after it.

    Every product of H reflections is one of such vectors, up to signs of columns, and none of them can be zero.
    """
    rows, columns = raw.shape[-2:]
    ones = torch.ones(rows, columns, dtype=raw.dtype, device=raw.device)
    return torch.addcmul(torch.eye(rows, columns, dtype=raw.dtype, device=raw.device), raw, ones.triu(1))


def mixing_matrix(vectors: Tensor) -> Tensor:
    """T (…, H, H) of the product of the reflections Vᵀ (…, H, D): T⁻¹ = striu(VᵀV) + ½ diag(VᵀV)."""
    gram = (vectors @ vectors.mT).triu()
    inverse = gram - torch.diag_embed(0.5 * gram.diagonal(dim1=-2, dim2=-1))
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve_triangular(inverse, identity.expand_as(inverse), upper=True)
