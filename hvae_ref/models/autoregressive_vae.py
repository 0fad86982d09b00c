"""A VAE whose decoder is so strong that it can do without the latent."""

from __future__ import annotations

from collections.abc import Sequence

from hvae_ref.models.base import Shape
from hvae_ref.models.nets import dense
from hvae_ref.models.vae import VAE
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.heads import StandardNormal
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood, event_shape
from hvae_ref.nn.made import MADE, ConditionalAutoregressive


class AutoregressiveVAE(VAE):
    """A `VAE` whose builder lets each pixel see those before it *and* the latent: Π_i p(x_i | x_1 … x_{i−1}, z1).

    With or without z1 the decoder can represent any distribution over x, so maximum likelihood no longer asks for
    anything to be stored in z1; section 1.6 of the book measures what it does instead.

    Reference:
        Chen et al. (2017), Variational Lossy Autoencoder, https://arxiv.org/abs/1611.02731
    """

    @classmethod
    def dense(
        cls,
        x_shape: Shape,
        latent_dims: Sequence[int] = (16,),
        hidden: Sequence[int] = (256, 256),
        made_hidden: Sequence[int] = (512, 512),
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        flow: dense.Flow = None,
        flow_steps: int = 4,
        condition: Condition | None = None,
    ) -> AutoregressiveVAE:
        """A multilayer perceptron from x to z1, and a masked net back.

        Args:
            x_shape: D; x is a vector whose order is that of the pixels.
            latent_dims: one size, (z1,).
            hidden: sizes of the encoder's hidden layers.
            made_hidden: sizes of the hidden layers of the masked decoder.
            likelihood: of each value of x.
            flow: family of `hvae_ref.flows` that bends the Gaussian posterior: "planar", "orthogonal", "householder",
                "triangular" or "iaf". The KL is then a one-sample estimate.
            flow_steps: length of the flow.
            condition: what both nets see beside x and z1; None for none.

        Raises:
            ValueError: for images, another number of levels, or sizes below 1.
        """
        (size,) = dense.check_dims(latent_dims, levels=1)
        if len(event_shape(x_shape)) != 1:
            raise ValueError(f"x_shape: expected the size of a vector, whose order counts, got {x_shape!r}")
        d, hidden = dense.values(x_shape), dense.check_sizes("hidden", hidden)
        c = dense.size_of(condition)
        made = MADE(d, likelihood.outputs, dense.check_sizes("made_hidden", made_hidden), context_dim=size + c)
        family = dense.flow_names(flow, ("z1",))["z1"]
        return cls(
            x_shape,
            p_z1=StandardNormal((size,)),
            q_z1_given_x=dense.posterior(lambda outputs: dense.net((d, c), hidden, outputs), size, family, flow_steps),
            p_x_given_z1=ConditionalAutoregressive(made, likelihood),
            condition=condition,
        )
