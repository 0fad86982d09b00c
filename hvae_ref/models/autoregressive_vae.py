"""A VAE whose decoder is so strong that it can do without the latent."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.distributions import Independent

from hvae_ref.models.one_level_model import OneLevelModel
from hvae_ref.models.posteriors import Flow, conditional_posterior, flow_names
from hvae_ref.nn.heads import ConditionalAutoregressive, outputs_per_pixel, standard_normal
from hvae_ref.nn.layers import Rescale, mlp
from hvae_ref.nn.made import MADE


class AutoregressiveVAE(OneLevelModel):
    """p(x|z1) = Π_i p(x_i | x_1 … x_{i−1}, z1): each pixel sees those before it *and* the latent.

    With or without z1 the decoder can represent any distribution over x, so maximum likelihood no longer asks for
    anything to be stored in z1; section 1.6 of the book measures what it does instead.

    Args:
        data_dim: D.
        latent_dims: one size, (z1,).
        hidden: sizes of the encoder's hidden layers.
        made_hidden: sizes of the hidden layers of the masked decoder.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".
        flow: family of `hvae_ref.flows` that bends the Gaussian posterior: "planar", "orthogonal", "householder",
            "triangular" or "iaf". The KL is then a one-sample estimate.
        flow_steps: length of the flow.

    Reference:
        Chen et al. (2017), Variational Lossy Autoencoder, https://arxiv.org/abs/1611.02731
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (16,),
        hidden: Sequence[int] = (256, 256),
        made_hidden: Sequence[int] = (512, 512),
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
        flow: Flow = None,
        flow_steps: int = 4,
    ) -> None:
        super().__init__(data_dim, latent_dims, num_values)
        if len(latent_dims) != 1:
            raise ValueError(f"latent_dims: expected one level, got {len(latent_dims)}")
        size, rescale = latent_dims[0], Rescale(num_values - 1)
        made = MADE(data_dim, outputs_per_pixel(likelihood, num_values, components), made_hidden, context_dim=size)

        def encoder(outputs: int) -> nn.Module:
            return nn.Sequential(rescale, mlp([data_dim, *hidden, outputs]))

        family = flow_names(flow, self.levels)["z1"]
        self.q_z1_given_x = conditional_posterior(encoder, size, family, flow_steps)
        self.p_x_given_z1 = ConditionalAutoregressive(made, likelihood, num_values, rescale)

    def p_z1(self, n: int) -> Independent:
        """The prior N(0, I), batch (n,)."""
        return standard_normal(n, self.dims["z1"], like=self.like)
