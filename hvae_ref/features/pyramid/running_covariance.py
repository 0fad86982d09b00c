"""Mean and covariance of vectors that arrive in pieces, in float64."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class RunningCovariance:
    """The number, mean and scatter Σ (x − mean)(x − mean)ᵀ of vectors, updated piece by piece.

    Two sets with means a, b of n and m vectors have the scatter S_a + S_b + (b − a)(b − a)ᵀ n m / (n + m): no large
    squares are subtracted from each other, so a mean far from 0 costs no digits. Memory is C², and one piece.

    Args:
        dim: C, the length of the vectors.

    Reference:
        Chan, Golub and LeVeque (1983), Algorithms for Computing the Sample Variance,
        https://doi.org/10.1080/00031305.1983.10483115

    >>> running = RunningCovariance(1)
    >>> for piece in ([[1.0], [2.0]], [[6.0]]):
    ...     running.update(torch.tensor(piece))
    >>> running.count, float(running.mean), float(running.covariance)
    (3, 3.0, 4.666666666666667)
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.scatter = torch.zeros(dim, dim, dtype=torch.float64)

    def update(self, vectors: Float[Tensor, "count dim"]) -> None:
        """Add vectors (n, C) of any precision and device; the first ones decide the device of the sums."""
        n = len(vectors)
        if not n:
            return
        # Apple's GPUs have no float64.
        vectors = (vectors.cpu() if vectors.device.type == "mps" else vectors).detach().to(torch.float64)
        if not self.count:
            self.mean, self.scatter = self.mean.to(vectors), self.scatter.to(vectors)
        mean = vectors.mean(0)
        centred = vectors - mean
        shift = mean - self.mean
        total = self.count + n
        self.scatter += centred.T @ centred + torch.outer(shift, shift) * (self.count * n / total)
        self.mean = self.mean + shift * (n / total)
        self.count = total

    @property
    def covariance(self) -> Float[Tensor, "dim dim"]:
        """The scatter divided by the number of vectors: what maximises a Gaussian's likelihood, (C, C)."""
        return self.scatter / self.count
