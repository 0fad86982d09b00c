"""A Gaussian over a time series whose deviations from the mean follow each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from hvae_ref.distributions.base import all_true, checked_now, checked_shape, expanded, first_wrong, floating_parameters

LOST = 0.05
"""Rounding of an innovation, in units of its standard deviation or of itself, beyond which log p means nothing."""


class CorrelatedNormal(Distribution):
    """A Gaussian of deviations that are predicted from those before them: an autoregression with exact start.

    x_t = μ_t + e_t,  e_t = Σ_{k=1}^{p} φ_{t,k} e_{t−k} + s_t ε_t,  ε_t ~ N(0, 1),  e_t = 0 for t < 1

    Its precision matrix has a Cholesky factor with p bands below the diagonal, so log p needs no factorisation and no
    determinant but Σ log s_t, and any real φ gives a density that integrates to one. With φ = 0 it is
    `Independent(Normal(μ, s), 1)`.

    Args:
        loc: μ (…, L).
        scale: s (…, L), positive, what is left of each deviation once the ones before are known.
        coefficients: φ (L, p), shared by the batch; those that would reach before the start are ignored.

    Raises:
        ValueError: where the shapes do not belong together, or a parameter is no floating-point tensor.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "scale": constraints.independent(constraints.positive, 1),
        "coefficients": constraints.independent(constraints.real, 2),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, coefficients: Tensor, validate_args: bool | None = None) -> None:
        loc, scale, coefficients = floating_parameters(loc=loc, scale=scale, coefficients=coefficients)
        length = loc.shape[-1] if loc.ndim else -1
        if scale.shape != loc.shape or coefficients.ndim != 2 or len(coefficients) != length:
            raise ValueError(
                f"loc, scale, coefficients: expected (…, L), (…, L) and (L, p), got {tuple(loc.shape)}, "
                f"{tuple(scale.shape)} and {tuple(coefficients.shape)}"
            )
        if not 1 <= coefficients.shape[1] < length:
            raise ValueError(f"coefficients: expected 1 … {length - 1} lags, got {coefficients.shape[1]}")
        self.loc, self.scale, self.coefficients = loc, scale, coefficients
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=checked_now(validate_args))

    @classmethod
    def driven(cls, drive: Tensor, scale: Tensor, coefficients: Tensor) -> CorrelatedNormal:
        """The same autoregression on x itself, driven by u: x_t = Σ_k φ_{t,k} x_{t−k} + u_t + s_t ε_t.

        Its mean is μ = A⁻¹ u. Where deviations are smooth, log p sees little of a smooth change of μ, and a net that
        puts out μ learns it last; in u all changes weigh alike.

        Args:
            drive: u (…, L).
            scale: s (…, L).
            coefficients: φ (L, p).
        """
        at_zero = cls(torch.zeros_like(drive), scale, coefficients)
        return cls(at_zero._accumulated(drive), scale, coefficients)

    def expand(self, batch_shape: Sequence[int], _instance: CorrelatedNormal | None = None) -> CorrelatedNormal:
        """The same distribution for a larger batch."""
        return expanded(self, batch_shape, _instance, loc=1, scale=1)

    @property
    def mean(self) -> Tensor:
        """μ, (…, L)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Variance of each x_t by itself, (…, L)."""
        eye = torch.eye(self.event_shape[0], dtype=self.loc.dtype, device=self.loc.device)
        weights = self._accumulated(eye).mT
        with torch.autocast(self.loc.device.type, enabled=False):
            return self.scale.square() @ weights.square().mT

    def _prediction(self) -> Tensor:
        """A (L, L), unit lower triangular with A e = s ε."""
        length, lags = self.coefficients.shape
        matrix = torch.eye(length, dtype=self.loc.dtype, device=self.loc.device)
        for lag in range(1, lags + 1):
            matrix = matrix - torch.diag(self.coefficients[lag:, lag - 1], -lag)
        return matrix

    def _accumulated(self, innovation: Tensor) -> Tensor:
        """A⁻¹ applied to the last dimension of (…, L)."""
        columns = innovation.reshape(-1, innovation.shape[-1]).mT
        matrix = self._prediction()
        # Triangular systems of half precision are solved in single precision.
        wide = torch.promote_types(matrix.dtype, torch.float32)
        e = torch.linalg.solve_triangular(matrix.to(wide), columns.to(wide), upper=False, unitriangular=True)
        return e.to(matrix.dtype).mT.reshape(innovation.shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw x, differentiable by all parameters."""
        shape = self._extended_shape(checked_shape("sample_shape", sample_shape))
        return self.loc + self._accumulated(
            self.scale * torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; μ, Σ), (…).

        Raises:
            ValueError: for another last dimension than L; and, unless checks are off, for deviations so large beside s
                that the rounding of their dtype hides what is left of them. Where φ grows (|φ| > 1), draws come
                there after 150 steps at φ = 1.1 in float32.
        """
        if not isinstance(value, Tensor) or value.shape[-1:] != self.event_shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"value: expected a last dimension of {self.event_shape[0]}, got {got}")
        if self._validate_args and value.numel():  # torch cannot check an empty vector
            self._validate_sample(value)
        e = value - self.loc
        lags = self.coefficients.shape[1]
        before = torch.nn.functional.pad(e, (lags, 0)).unfold(-1, lags, 1)[..., :-1, :].flip(-1)
        terms = before * self.coefficients
        innovation = (e - terms.sum(-1)) / self.scale
        if self._validate_args:
            self._check_digits((e.abs() + terms.abs().sum(-1)).detach(), innovation.detach())
        logs = 0.5 * innovation.square() + self.scale.log() + 0.5 * math.log(2 * math.pi)
        return -logs.sum(-1)

    def _check_digits(self, size: Tensor, innovation: Tensor) -> None:
        """Refuse innovations that are differences of numbers whose rounding is as large as they are."""
        rounding = torch.finfo(size.dtype).eps * size / self.scale
        lost = rounding > LOST * (1 + innovation.abs())
        if not all_true(~lost):
            raise ValueError(
                f"value: expected deviations that {size.dtype} holds to a fraction of the scale, got "
                f"{first_wrong(rounding, lost):.8} of it as their rounding; use float64, or smaller coefficients"
            )
