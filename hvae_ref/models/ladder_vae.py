"""The ladder VAE: prior and bottom-up estimate merged by their precisions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Independent

from hvae_ref.distributions import precision_weighted
from hvae_ref.models.posteriors import Flow
from hvae_ref.models.top_down_model import TopDownModel
from hvae_ref.nn.heads import ConditionalNormal
from hvae_ref.nn.layers import mlp


class LadderVAE(TopDownModel):
    """A top-down model whose posterior is the normalised product of its prior and a Gaussian read from x.

    q(z_l|z_>l, x) ∝ p(z_l|z_>l) N(z_l; μ̂_l(x), σ̂_l(x)²) for l < L, and N(μ̂_L(x), σ̂_L(x)²) at the top;
    eq. 3.3–3.4 in the book. The KL is taken against the *prior* of the level, not against the bottom-up estimate.

    Args:
        data_dim: D.
        latent_dims: sizes from the bottom up.
        hidden: width of the side path and of the state.
        residual: carry a deterministic state past each latent; the paper's ladder has none.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".
        dropout: probability of dropping a hidden unit while training.
        flow: family of `hvae_ref.flows` that bends the Gaussian posteriors: one for all levels, or one by level,
            {"z1": "iaf"}. The KL of a level with a flow is a one-sample estimate.
        flow_steps: length of each flow.
        top: "gaussian", or "sphere" for a top level on the unit sphere, of m = its size coordinates.

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (16, 8),
        hidden: int = 256,
        residual: bool = False,
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
        self.estimate_given_x = nn.ModuleDict(
            {
                level: ConditionalNormal(mlp([hidden, hidden, 2 * self.dims[level]], dropout))
                for level in self.gaussian_levels
            }
        )

    def q_z_given_above_x(self, level: str, p: Independent, r: Tensor) -> Independent:
        """The bottom-up estimate at the top level, merged with the prior below it."""
        estimate = self.estimate_given_x[level](r)
        return estimate if level == self.levels[0] else precision_weighted(p, estimate)
