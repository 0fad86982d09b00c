"""A conditional whose net is one matrix, and whose algebra is therefore known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from hvae_ref.distributions.gaussian_algebra import LinearGaussian


class ConditionalLinearGaussian(nn.Module):
    """N(W h + b, Σ) with trainable W, b and Σ: the linear sibling of `ConditionalNormal`, in float64.

    Args:
        weight: W, (D_out, D_in).
        scale: standard deviations, a number or (D_out,), where the noise is diagonal (and stays so in training).
        covariance: Σ, (D_out, D_out) positive definite, where it is not. Exactly one of the two is given.
        bias: b, (D_out,); zeros by default.

    Raises:
        ValueError: where the shapes do not fit, or the noise is not positive (definite).
    """

    def __init__(
        self,
        weight: Tensor,
        scale: Tensor | float | None = None,
        covariance: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> None:
        super().__init__()
        if weight.ndim != 2:
            raise ValueError(f"weight: expected a matrix (D_out, D_in), got shape {tuple(weight.shape)}")
        if (scale is None) == (covariance is None):
            raise ValueError("scale, covariance: expected exactly one of them")
        d = len(weight)
        bias = torch.zeros(d) if bias is None else bias
        if bias.shape != (d,):
            raise ValueError(f"bias: expected shape ({d},), got {tuple(bias.shape)}")
        self.lower: nn.Parameter | None = None
        if covariance is not None:
            if covariance.shape != (d, d):
                raise ValueError(f"covariance: expected shape ({d}, {d}), got {tuple(covariance.shape)}")
            tril, failed = torch.linalg.cholesky_ex(covariance.double())
            if failed or not torch.allclose(covariance, covariance.mT):
                raise ValueError("covariance: expected a symmetric positive definite matrix")
            diagonal, self.lower = tril.diagonal(), nn.Parameter(tril.tril(-1))
        else:
            diagonal = torch.as_tensor(scale, dtype=torch.float64)
            if diagonal.shape not in ((), (d,)):
                raise ValueError(f"scale: expected a number or shape ({d},), got shape {tuple(diagonal.shape)}")
            diagonal = diagonal.expand(d)
        if not (diagonal > 0).all():
            raise ValueError(f"scale: expected positive numbers, got {diagonal.tolist()}")
        self.weight, self.bias = nn.Parameter(weight.double().clone()), nn.Parameter(bias.double().clone())
        self.log_sigma = nn.Parameter(diagonal.log())

    @property
    def arrow(self) -> LinearGaussian:
        """The same conditional as a value that can be reversed and chained; gradients reach the parameters."""
        below = 0.0 if self.lower is None else self.lower.tril(-1)
        return LinearGaussian(self.weight, self.bias, torch.diag(self.log_sigma.exp()) + below)

    def forward(self, given: Tensor) -> MultivariateNormal:
        """`MultivariateNormal`, batch (B,), event (D_out,)."""
        return self.arrow(given)
