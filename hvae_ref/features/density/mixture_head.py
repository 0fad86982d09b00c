"""From a net's numbers to a mixture of Gaussians: what alone knows of logits, softplus and the floor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.nn.heads import full_precision

SCALE_FLOOR = 1e-3
"""Default floor under the diagonal of every `scale_tril`, in the units of the features.

It is what keeps a component from closing in on one point, where the density has no upper end. A feature that never
changes gets this standard deviation. Features far smaller than it need a smaller one.
"""


def inverse_softplus(y: Tensor) -> Tensor:
    """x with softplus(x) = y, for y > 0."""
    return y + torch.log(-torch.expm1(-y))


class MixtureHead(nn.Module):
    r"""A mixture of Gaussians whose parameters are affine in a context h, before what makes them valid.

    μ_k = c + s ∘ m_k(h),   L_k = diag(s) T_k(h) + floor · I,   diag T_k = softplus(t_k(h)) > 0

    with c and s the mean and standard deviation of the features the head was started on. L_k is therefore a Cholesky
    factor for every h: lower triangular, with a diagonal of at least the floor. What lies below the diagonal is free.

    The weights on h begin at zero: a head starts as the same mixture for every context, and learns what h changes.

    Args:
        context_dim: size of h; 0 for a mixture that depends on nothing.
        dim: D.
        components: K.
        floor: lower bound of the diagonal of `scale_tril`, in the units of the features.

    Raises:
        ValueError: for a size or a floor that is too small.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, context_dim: int, dim: int, components: int, floor: float = SCALE_FLOOR) -> None:
        super().__init__()
        for name, value, least in (("context_dim", context_dim, 0), ("dim", dim, 1), ("components", components, 1)):
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if not floor > 0:
            raise ValueError(f"floor: expected a positive number, got {floor}")
        self.context_dim, self.dim, self.components, self.floor = context_dim, dim, components, floor
        self._sizes = [components, components * dim, components * dim, components * dim * (dim - 1) // 2]
        self.weight = nn.Parameter(torch.zeros(sum(self._sizes), context_dim))
        standard = [torch.zeros(self._sizes[0]), torch.randn(self._sizes[1])]
        standard += [inverse_softplus(torch.ones(self._sizes[2])), torch.zeros(self._sizes[3])]
        self.bias = nn.Parameter(torch.cat(standard))
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.register_buffer("below", torch.tril_indices(dim, dim, -1), persistent=False)

    def forward(self, context: Tensor) -> GaussianMixture:
        """Answer the mixture for contexts (…, context_dim): batch shape (…), event (D,)."""
        if context.shape[-1:] != (self.context_dim,):
            raise ValueError(f"context: expected a last dimension of {self.context_dim}, got {tuple(context.shape)}")
        raw = full_precision(nn.functional.linear(context, self.weight, self.bias))
        logits, loc, diagonal, below = raw.split(self._sizes, -1)
        by_component = (self.components, -1)
        tril = torch.diag_embed(softplus(diagonal.unflatten(-1, by_component)))
        if self.dim > 1:
            # Filled in place of zeros nobody has read: no second matrix for each position.
            tril[..., self.below[0], self.below[1]] = below.unflatten(-1, by_component)
        tril = self.spread.unsqueeze(-1) * tril + self.floor * torch.eye(self.dim, dtype=raw.dtype, device=raw.device)
        loc = self.centre + self.spread * loc.unflatten(-1, by_component)
        return GaussianMixture(logits, loc, tril, validate_args=False)

    @torch.no_grad()
    def start(self, mixture: GaussianMixture) -> None:
        """Take over a mixture of batch shape (): every context gives it, until training makes a difference.

        The head's units become the mixture's own mean and standard deviations. A diagonal that lies on the floor is
        put a thousandth of the floor above it, where softplus still has a slope.
        """
        shape = (self.components, self.dim)
        if mixture.loc.shape != shape:
            raise ValueError(f"mixture: expected locations of shape {shape}, got {tuple(mixture.loc.shape)}")
        spread = mixture.variance.sqrt()
        self.centre.copy_(mixture.mean)
        self.spread.copy_(torch.where(spread > 2 * self.floor, spread, torch.ones_like(spread)))
        centre, spread = self.centre.to(mixture.loc), self.spread.to(mixture.loc)
        tril = mixture.scale_tril / spread.unsqueeze(-1)
        free = mixture.scale_tril.diagonal(dim1=-2, dim2=-1) - self.floor
        diagonal = inverse_softplus(free.clamp_min(1e-3 * self.floor) / spread)
        below = tril[..., self.below[0], self.below[1]]
        parts = [mixture.logits, (mixture.loc - centre) / spread, diagonal, below]
        self.bias.copy_(torch.cat([part.flatten() for part in parts]))
        self.weight.zero_()
