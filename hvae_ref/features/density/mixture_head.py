"""From a net's outputs to the parameters of a mixture of Gaussians."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.nn.heads import full_precision

MIN_SCALE = 1e-3
"""Default lower bound of the diagonal of every `scale_tril`, in the units of the features.

It keeps a component from shrinking onto one point, where the density would grow without end. A feature that never
changes gets this standard deviation. Features far smaller than it need a smaller one.
"""


def inverse_softplus(y: Tensor) -> Tensor:
    """x with softplus(x) = y, for y > 0."""
    return y + torch.log(-torch.expm1(-y))


class MixtureHead(nn.Module):
    r"""A mixture of Gaussians whose parameters are affine in a context h, before what makes them valid.

    μ_k = b + s ∘ m_k(h),   L_k = diag(s) T_k(h) + min_scale · I,   diag T_k = softplus(t_k(h)) > 0

    where b (`shift`) and s (`scale`) are the mean and standard deviation of the features that the head was initialised
    with. L_k is therefore a Cholesky factor for every h: lower triangular, with a diagonal of at least `min_scale`.
    What lies below the diagonal is free.

    The weights on h begin at zero: at first the mixture is the same for every context, and training finds what h
    changes.

    Args:
        context_dim: size of h; 0 for a mixture that depends on nothing.
        dim: D.
        components: K.
        min_scale: lower bound of the diagonal of `scale_tril`, in the units of the features.

    Raises:
        ValueError: for a size or a `min_scale` that is too small.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, context_dim: int, dim: int, components: int, min_scale: float = MIN_SCALE) -> None:
        super().__init__()
        for name, value, least in (("context_dim", context_dim, 0), ("dim", dim, 1), ("components", components, 1)):
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if not min_scale > 0:
            raise ValueError(f"min_scale: expected a positive number, got {min_scale}")
        self.context_dim, self.dim, self.components, self.min_scale = context_dim, dim, components, min_scale
        self._sizes = [components, components * dim, components * dim, components * dim * (dim - 1) // 2]
        self.weight = nn.Parameter(torch.zeros(sum(self._sizes), context_dim))
        standard = [torch.zeros(self._sizes[0]), torch.randn(self._sizes[1])]
        standard += [inverse_softplus(torch.ones(self._sizes[2])), torch.zeros(self._sizes[3])]
        self.bias = nn.Parameter(torch.cat(standard))
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("below", torch.tril_indices(dim, dim, -1), persistent=False)

    def forward(self, context: Tensor) -> GaussianMixture:
        """The mixture for contexts (…, context_dim): batch shape (…), event (D,)."""
        if context.shape[-1:] != (self.context_dim,):
            raise ValueError(f"context: expected a last dimension of {self.context_dim}, got {tuple(context.shape)}")
        raw = full_precision(nn.functional.linear(context, self.weight, self.bias))
        logits, loc, diagonal, below = raw.split(self._sizes, -1)
        by_component = (self.components, -1)
        tril = torch.diag_embed(softplus(diagonal.unflatten(-1, by_component)))
        if self.dim > 1:
            # In place, because autograd has not used these zeros: no second matrix for each position.
            tril[..., self.below[0], self.below[1]] = below.unflatten(-1, by_component)
        identity = torch.eye(self.dim, dtype=raw.dtype, device=raw.device)
        tril = self.scale.unsqueeze(-1) * tril + self.min_scale * identity
        loc = self.shift + self.scale * loc.unflatten(-1, by_component)
        return GaussianMixture(logits, loc, tril, validate_args=False)

    @torch.no_grad()
    def init_from_mixture(self, mixture: GaussianMixture) -> None:
        """Take over a mixture of batch shape (): every context gives it, until training makes a difference.

        `shift` and `scale` become the mixture's mean and standard deviations. A diagonal entry equal to `min_scale` is
        put a thousandth of it above, where softplus still has a slope.
        """
        shape = (self.components, self.dim)
        if mixture.loc.shape != shape:
            raise ValueError(f"mixture: expected locations of shape {shape}, got {tuple(mixture.loc.shape)}")
        spread = mixture.variance.sqrt()
        self.shift.copy_(mixture.mean)
        self.scale.copy_(torch.where(spread > 2 * self.min_scale, spread, torch.ones_like(spread)))
        shift, scale = self.shift.to(mixture.loc), self.scale.to(mixture.loc)
        tril = mixture.scale_tril / scale.unsqueeze(-1)
        free = mixture.scale_tril.diagonal(dim1=-2, dim2=-1) - self.min_scale
        diagonal = inverse_softplus(free.clamp_min(1e-3 * self.min_scale) / scale)
        below = tril[..., self.below[0], self.below[1]]
        parts = [mixture.logits, (mixture.loc - shift) / scale, diagonal, below]
        self.bias.copy_(torch.cat([part.flatten() for part in parts]))
        self.weight.zero_()
