"""The variational autoencoder with one level of latents."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.distributions import Independent

from hvae_ref.models.one_level_model import OneLevelModel
from hvae_ref.models.posteriors import Flow, conditional_posterior, flow_names
from hvae_ref.nn.heads import conditional_pixels, outputs_per_pixel, standard_normal
from hvae_ref.nn.layers import Rescale, mlp


class VAE(OneLevelModel):
    """p(x, z1) = p(x|z1) p(z1) with q(z1|x); eq. 1.5 in the book.

    Args:
        data_dim: D.
        latent_dims: one size, (z1,).
        hidden: sizes of the hidden layers from x to z; the decoder has them in reverse.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V, grey levels of the data; 2 for binarised data.
        components: logistics a pixel, for "logistic_mixture".
        dropout: probability of dropping a hidden unit while training.
        flow: family of `hvae_ref.flows` that bends the Gaussian posterior: "planar", "orthogonal", "householder",
            "triangular" or "iaf". The KL is then a one-sample estimate.
        flow_steps: length of the flow.

    Reference:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114

    >>> import torch
    >>> model = VAE(data_dim=64, latent_dims=(8,), hidden=(32,))
    >>> model.elbo(torch.zeros(5, 64)).value.shape
    torch.Size([5])
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (16,),
        hidden: Sequence[int] = (256, 256),
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
        dropout: float = 0.0,
        flow: Flow = None,
        flow_steps: int = 4,
    ) -> None:
        super().__init__(data_dim, latent_dims, num_values)
        if len(latent_dims) != 1:
            raise ValueError(f"latent_dims: expected one level, got {len(latent_dims)}; see BottomUpVAE and TopDownVAE")
        size, out = latent_dims[0], data_dim * outputs_per_pixel(likelihood, num_values, components)

        def encoder(outputs: int) -> nn.Module:
            return nn.Sequential(Rescale(num_values - 1), mlp([data_dim, *hidden, outputs], dropout))

        family = flow_names(flow, self.levels)["z1"]
        self.q_z1_given_x = conditional_posterior(encoder, size, family, flow_steps)
        decoder = mlp([size, *reversed(hidden), out], dropout)
        self.p_x_given_z1 = conditional_pixels(decoder, likelihood, num_values, components)

    def p_z1(self, n: int) -> Independent:
        """The prior N(0, I), batch (n,)."""
        return standard_normal(n, self.dims["z1"], like=self.like)
