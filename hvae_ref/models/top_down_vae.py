"""The top-down VAE with relative posteriors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Independent

from hvae_ref.distributions import relative_normal
from hvae_ref.models.posteriors import Flow
from hvae_ref.models.top_down_model import TopDownModel
from hvae_ref.nn.heads import full_precision, soft_limit
from hvae_ref.nn.layers import mlp


class TopDownVAE(TopDownModel):
    """A top-down model whose posterior is a shift and a scaling of its prior; eq. 3.5–3.6 in the book.

    q(z_l|z_>l, x) = N(μ_l + Δμ_l, (σ_l Δσ_l)²) with (Δμ_l, log Δσ_l) read from the side path's r_l. When the prior
    moves, the posterior moves with it.

    Args:
        data_dim: D.
        latent_dims: sizes from the bottom up.
        hidden: width of the side path and of the state.
        residual: carry a deterministic state past each latent, so that x sees all levels.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".
        dropout: probability of dropping a hidden unit while training.
        flow: family of `hvae_ref.flows` that bends the Gaussian posteriors: one for all levels, or one by level,
            {"z1": "iaf"}. The KL of a level with a flow is a one-sample estimate.
        flow_steps: length of each flow.
        top: "gaussian", or "sphere" for a top level on the unit sphere, of m = its size coordinates.

    Reference:
        Vahdat and Kautz (2020), NVAE, https://arxiv.org/abs/2007.03898;
        Kingma et al. (2016), https://arxiv.org/abs/1606.04934 (ResNet VAE)

    >>> import torch
    >>> model = TopDownVAE(data_dim=64, latent_dims=(8, 4), hidden=32)
    >>> list(model.elbo(torch.zeros(5, 64)).kl)
    ['z2', 'z1']
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (16, 8),
        hidden: int = 256,
        residual: bool = True,
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
        dropout: float = 0.0,
        flow: Flow = None,
        flow_steps: int = 4,
        top: str = "gaussian",
    ) -> None:
        super().__init__(
            data_dim,
            latent_dims,
            hidden,
            residual,
            likelihood,
            num_values,
            components,
            dropout,
            flow,
            flow_steps,
            top,
        )
        self.delta = nn.ModuleDict(
            {level: mlp([hidden, hidden, 2 * self.dims[level]], dropout) for level in self.gaussian_levels}
        )

    def q_z_given_above_x(self, level: str, p: Independent, r: Tensor) -> Independent:
        """N(μ + Δμ(r), (σ Δσ(r))²) for the prior N(μ, σ²)."""
        delta_loc, delta_log_sigma = full_precision(self.delta[level](r)).chunk(2, -1)
        return relative_normal(p, delta_loc, soft_limit(delta_log_sigma))
