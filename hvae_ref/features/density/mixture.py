"""A mixture of Gaussians with full covariances, one for all positions or one for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from hvae_ref.distributions.base import all_true, checked_shape, expanded, floating_parameters
from hvae_ref.features.validation import checked_tensor

MODE_STEPS = 100
"""Fixed-point steps towards a mode. Each raises the density; few are needed unless components nearly melt together."""


class GaussianMixture(Distribution):
    r"""p(f) = Σ_k π_k N(f; μ_k, L_k L_kᵀ), a density over feature vectors f of D numbers.

    Parameters that are the same for all positions have batch shape (); those that a net gives for each position have
    the positions' shape. Points beyond the batch shape share one triangular solve, so the first kind costs no copies.

    Args:
        logits: log π_k up to a constant, batch shape + (K,).
        loc: μ_k, batch shape + (K, D).
        scale_tril: L_k, lower triangular with a positive diagonal, batch shape + (K, D, D).
        validate_args: whether to check the parameters, and points for NaN and their shape; None for torch's default.

    Raises:
        ValueError: where shapes do not fit, or L_k is no Cholesky factor.

    Reference:
        Carreira-Perpiñán (2000), Mode-finding for mixtures of Gaussian distributions, https://doi.org/10.1109/34.888716

    >>> mixture = GaussianMixture(torch.zeros(2), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1))
    >>> mixture.mean, mixture.covariance
    (tensor([0.]), tensor([[2.]]))
    """

    arg_constraints = {
        "logits": constraints.real_vector,
        "loc": constraints.independent(constraints.real, 2),
        "scale_tril": constraints.independent(constraints.lower_cholesky, 1),
    }
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, logits: Tensor, loc: Tensor, scale_tril: Tensor, validate_args: bool | None = None) -> None:
        for name, part in (("logits", logits), ("loc", loc), ("scale_tril", scale_tril)):
            checked_tensor(name, part)
        logits, loc, scale_tril = floating_parameters(logits=logits, loc=loc, scale_tril=scale_tril)
        if logits.ndim < 1 or not logits.shape[-1]:
            raise ValueError(f"logits: expected shape (…, K) with K of at least 1, got {tuple(logits.shape)}")
        if loc.shape[:-1] != logits.shape or not loc.shape[-1]:
            raise ValueError(f"loc: expected shape {(*logits.shape, 'D')}, got {tuple(loc.shape)}")
        if scale_tril.shape != (*loc.shape, loc.shape[-1]):
            raise ValueError(f"scale_tril: expected shape {(*loc.shape, loc.shape[-1])}, got {tuple(scale_tril.shape)}")
        self.logits = logits - logits.logsumexp(-1, keepdim=True)
        self.loc, self.scale_tril = loc, scale_tril
        # Torch's checks reshape with −1, which an empty batch does not allow.
        super().__init__(logits.shape[:-1], loc.shape[-1:], validate_args=validate_args if logits.numel() else False)

    @property
    def probs(self) -> Tensor:
        """Weights π_k, batch shape + (K,)."""
        return self.logits.exp()

    @property
    def components(self) -> int:
        """K."""
        return self.logits.shape[-1]

    def expand(self, batch_shape: Sequence[int], _instance: GaussianMixture | None = None) -> GaussianMixture:
        """The same distribution with a larger batch shape, without copying the parameters."""
        return expanded(self, batch_shape, _instance, logits=1, loc=2, scale_tril=3)

    def unflatten(self, axis: int, sizes: Sequence[int]) -> GaussianMixture:
        """Split an axis of the batch, counted from the front, into several."""
        parts = (part.unflatten(axis, tuple(sizes)) for part in (self.logits, self.loc, self.scale_tril))
        return GaussianMixture(*parts, validate_args=False)

    def component_log_prob(self, value: Tensor) -> Tensor:
        """log π_k + log N(value; μ_k, Σ_k) of every component; value (…, D) broadcasts with the batch shape, (…, K)."""
        checked_tensor("value", value, f"a tensor (…, {self.event_shape[0]})")
        if not value.is_floating_point():
            raise ValueError(f"value: expected floating-point numbers, got {value.dtype}")
        if value.shape[-1:] != self.event_shape:
            raise ValueError(f"value: expected a last dimension of {self.event_shape[0]}, got {tuple(value.shape)}")
        if self._validate_args and value.numel():
            self._validate_sample(value)
        count = len(self.batch_shape)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        draws, batch = shape[: len(shape) - count], shape[len(shape) - count :]
        mixture = self if batch == self.batch_shape else self.expand(batch)
        points = value.expand(*shape, -1).reshape(draws.numel(), *batch, value.shape[-1]).movedim(0, -1)
        centred = points.unsqueeze(-3) - mixture.loc.unsqueeze(-1)
        # Triangular systems of half precision are solved in single precision.
        wide = torch.promote_types(centred.dtype, torch.float32)
        white = torch.linalg.solve_triangular(mixture.scale_tril.to(wide), centred.to(wide), upper=False)
        log_det = mixture.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = mixture.logits - log_det - 0.5 * self.event_shape[0] * math.log(2 * math.pi)
        log_prob = constant.unsqueeze(-1) - 0.5 * white.square().sum(-2)
        return log_prob.movedim(-1, 0).reshape(*shape, self.components).to(mixture.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value) for value (…, D), nats."""
        return self.component_log_prob(value).logsumexp(-1)

    def responsibilities(self, value: Tensor) -> Tensor:
        """P(component k | value) for value (…, D), (…, K); equal where no type of number holds the densities."""
        parts = self.component_log_prob(value)
        lost = (parts == -math.inf).all(-1, keepdim=True)
        if not all_true(~lost):
            mixture = self.double()
            parts = mixture.component_log_prob(value.to(mixture.loc))
            lost = (parts == -math.inf).all(-1, keepdim=True)
        return parts.masked_fill(lost, 0.0).softmax(-1).to(self.loc)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw a component, then a point of it: sample_shape + batch shape + (D,), without gradients."""
        with torch.no_grad():
            # The largest of log π_k − log e_k, with e_k exponential: a draw that also allows for an empty shape.
            logits = self.logits.expand(*checked_shape("sample_shape", sample_shape), *self.logits.shape)
            chosen = (logits - torch.empty_like(logits).exponential_().log()).argmax(-1)
            index = chosen[..., None, None]
            dim = self.event_shape[0]
            loc = self.loc.expand(*chosen.shape, -1, -1).gather(-2, index.expand(*chosen.shape, 1, dim)).squeeze(-2)
            scale = self.scale_tril.expand(*chosen.shape, -1, -1, -1)
            scale = scale.gather(-3, index[..., None].expand(*chosen.shape, 1, dim, dim)).squeeze(-3)
            return loc + (scale @ torch.randn_like(loc).unsqueeze(-1)).squeeze(-1)

    def tempered(self, temperature: float) -> GaussianMixture:
        """The mixture with every component's standard deviations times `temperature`; weights and locations stay."""
        if isinstance(temperature, bool) or not isinstance(temperature, Real) or not 0 < temperature < math.inf:
            raise ValueError(f"temperature: expected a positive number, got {temperature!r}")
        temperature = float(temperature)
        return GaussianMixture(self.logits, self.loc, self.scale_tril * temperature, validate_args=False)

    def double(self) -> GaussianMixture:
        """The same mixture in float64, on the CPU where the device has none (Apple's GPUs)."""
        parts = (self.logits, self.loc, self.scale_tril)
        parts = (part.cpu() if part.device.type == "mps" else part for part in parts)
        return GaussianMixture(*(part.double() for part in parts), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """E[f], batch shape + (D,)."""
        return (self.probs.unsqueeze(-1) * self.loc).sum(-2)

    @property
    def covariance(self) -> Tensor:
        """Cov[f]: what the components have, and how far they lie apart; batch shape + (D, D)."""
        apart = self.loc - self.mean.unsqueeze(-2)
        within = self.scale_tril @ self.scale_tril.mT
        return (self.probs[..., None, None] * (within + apart.unsqueeze(-1) * apart.unsqueeze(-2))).sum(-3)

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate, batch shape + (D,)."""
        return self.covariance.diagonal(dim1=-2, dim2=-1)

    @property
    def mode(self) -> Tensor:
        """The point of highest density among those that an ascent from each μ_k ends in, batch shape + (D,).

        The ascent is f ← (Σ_k r_k Λ_k)⁻¹ Σ_k r_k Λ_k μ_k with r_k = P(k | f) and Λ_k = Σ_k⁻¹, which is EM for f. In
        two dimensions and more a mixture can have modes that no μ_k leads to; the highest one rarely is one of them.
        In float64: one tiny variance beside a large one leaves float32 with a singular Σ_k r_k Λ_k.
        """
        with torch.no_grad():
            mixture = self.double()
            precision = torch.cholesky_inverse(mixture.scale_tril)
            pull = (precision @ mixture.loc.unsqueeze(-1)).squeeze(-1)
            points = mixture.loc.movedim(-2, 0)
            for _ in range(MODE_STEPS):
                r = mixture.responsibilities(points)
                total = torch.einsum("...k,...kde->...de", r, precision)
                moved = torch.linalg.solve(total, torch.einsum("...k,...kd->...d", r, pull))
                small = 1e-6 * (points.abs().max().item() + 1) if points.numel() else 1.0
                done = points.numel() == 0 or (moved - points).abs().max().item() < small
                points = moved
                if done:
                    break
            best = mixture.log_prob(points).argmax(0)
            return points.gather(0, best[None, ..., None].expand(1, *points.shape[1:])).squeeze(0).to(self.loc)
