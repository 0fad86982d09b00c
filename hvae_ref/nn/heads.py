"""Heads: a net goes in, a call with what stands behind the bar gives a distribution.

Priors, posteriors and every other arrow between latents; p(x|·) stands in `hvae_ref.nn.likelihoods`. The only place in
the package that knows about `log_sigma` and its floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from hvae_ref.distributions import precision_weighted
from hvae_ref.distributions.diagonal_normal import DiagonalNormal, TransformedNormal
from hvae_ref.distributions.tracing import transform

MIN_LOG_SIGMA = -6.0
"""Floor of every `log_sigma` head, approached smoothly: scales stay above exp(−6) ≈ 0.0025."""

SOFT_LOG_SIGMA = 5.0
"""Above this value of log σ (σ ≈ 148) heads grow only logarithmically, so that no σ overflows early in training."""

MAX_LOG_RATIO = 5.0
"""A relative posterior's σ lies within a factor exp(±5) of its prior's, approached smoothly (NVAE's soft clamp)."""


def bounded_log_sigma(raw: Tensor) -> Tensor:
    """What every head does to its raw log σ: a smooth floor, and a slow growth where σ would soon overflow.

    In between it is the identity to three digits, and the gradient is never zero.
    """
    above = SOFT_LOG_SIGMA + torch.log1p(torch.relu(raw - SOFT_LOG_SIGMA))
    return MIN_LOG_SIGMA + nn.functional.softplus(torch.where(raw > SOFT_LOG_SIGMA, above, raw) - MIN_LOG_SIGMA)


def full_precision(h: Tensor) -> Tensor:
    """Lift half-precision outputs of a net to float32, so that densities and KLs under autocast keep their digits."""
    return h.to(torch.promote_types(h.dtype, torch.float32))


class StandardNormal(nn.Module):
    """The prior N(0, I) of a latent, whatever the condition is.

    Args:
        shape: event shape of z, (D,) or (C, H, W).
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("zero", torch.zeros(()), persistent=False)
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, n: int, *given: Tensor) -> Independent:
        """N(0, I), batch (n,), event `shape`."""
        shape = (n, *self.shape)
        return Independent(DiagonalNormal(self.zero.expand(shape), self.one.expand(shape)), len(self.shape))


class GivenCondition(nn.Module):
    """A prior of the top level that the condition decides: p(z_L|c).

    Args:
        head: gives the distribution from the condition.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, n: int, *given: Tensor) -> Independent:
        """p(z_L|c), batch (n,)."""
        return self.head(*given)


class ConditionalNormal(nn.Module):
    """N(μ(h), diag σ(h)²) from a net whose output is split into loc and log_sigma.

    Args:
        net: called with what stands behind the bar; returns (B, 2 D) or (B, 2 C, H, W): the locations, then as many
            values of log σ before the floor. A net of one argument takes several conditions as `Joined(net)`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *given: Tensor) -> Independent:
        """The distribution, batch (B,), event (D,) or (C, H, W)."""
        out = self.net(*given)
        loc, raw = out.to(torch.promote_types(out.dtype, torch.float32)).chunk(2, 1)
        normal = DiagonalNormal if transform() is None else TransformedNormal
        return Independent(normal(loc, bounded_log_sigma(raw).exp()), loc.ndim - 1)


class RelativePosterior(nn.Module):
    """q(z_l|z_>l, x) = N(μ + Δμ, (σ Δσ)²), a shift and a scaling of the level's prior N(μ, σ²); eq. 3.5 in the book.

    When the prior moves, the posterior moves with it. The divergence is ½ Σ (Δμ²/σ² + Δσ² − log Δσ² − 1), eq. 3.6.

    Args:
        net: maps r_l to Δμ and then log Δσ, which passes through 5 tanh(·/5).
        sees_state: call the net with the state above as well, as net(r_l, state); the top level has none.

    Reference:
        Vahdat and Kautz (2020), NVAE, section 3.2, https://arxiv.org/abs/2007.03898
    """

    def __init__(self, net: nn.Module, sees_state: bool = False) -> None:
        super().__init__()
        self.net, self.sees_state = net, sees_state

    def forward(self, p: Independent, r: Tensor, state: Tensor | None = None) -> Independent:
        """The posterior from the level's prior, the side path's r_l and the state above (None at the top)."""
        out = self.net(r, state) if self.sees_state and state is not None else self.net(r)
        delta_loc, raw = out.to(torch.promote_types(out.dtype, torch.float32)).chunk(2, 1)
        delta_log_sigma = MAX_LOG_RATIO * torch.tanh(raw / MAX_LOG_RATIO)
        loc, scale = p.base_dist.loc, p.base_dist.scale
        normal = DiagonalNormal if transform() is None else TransformedNormal
        return Independent(normal(loc + delta_loc, scale * delta_log_sigma.exp()), loc.ndim - 1)


class DirectPosterior(nn.Module):
    """q(z_l|z_>l, x) from what x and the levels above say, whatever the level's prior is.

    Args:
        head: gives the distribution from r_l.
        sees_state: call the head with the state above as well, as head(r_l, state); the top level has none.
    """

    def __init__(self, head: nn.Module, sees_state: bool = False) -> None:
        super().__init__()
        self.head, self.sees_state = head, sees_state

    def forward(self, p: Distribution, r: Tensor, state: Tensor | None = None) -> Distribution:
        """The posterior from the side path's r_l and the state above (None at the top)."""
        return self.head(r, state) if self.sees_state and state is not None else self.head(r)


class LadderPosterior(nn.Module):
    """q(z_l|z_>l, x): the normalised product of the level's prior and a Gaussian read from x; eq. 3.3–3.4 in the book.

    At the top level, which has no prior from above, it is the Gaussian read from x.

    Args:
        head: gives N(μ̂_l(x), σ̂_l(x)²) from r_l.

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, p: Independent, r: Tensor, state: Tensor | None = None) -> Independent:
        """The posterior from the level's prior and the side path's r_l; `state` is None at the top."""
        return self.head(r) if state is None else precision_weighted(p, self.head(r))
