"""The variational autoencoder whose latent is a direction."""

from __future__ import annotations

from collections.abc import Sequence

from hvae_ref.models.base import Shape
from hvae_ref.models.nets import dense
from hvae_ref.models.vae import VAE
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood
from hvae_ref.nn.sphere_heads import ConditionalVonMisesFisher, UniformSphere


class HypersphericalVAE(VAE):
    """A `VAE` whose builder gives it unit vectors: p(x|z1) U(z1) with q(z1|x) von Mises-Fisher; eq. 5.2–5.4.

    The decoder reads √m z1, whose coordinates have variance 1 under the prior, as those of a Gaussian latent have. With
    several spheres the latent is S unit vectors of m coordinates, event (S, m), and its KL is their sum.

    Reference:
        Davidson, Falorsi, De Cao, Kipf and Tomczak (2018), Hyperspherical Variational Auto-Encoders,
        https://arxiv.org/abs/1804.00891

    >>> import torch
    >>> model = HypersphericalVAE.dense(64, latent_dims=(8,), hidden=(32,))
    >>> model.sample_latents(5)["z1"].norm(dim=-1).allclose(torch.ones(5))
    True
    """

    @classmethod
    def dense(
        cls,
        x_shape: Shape,
        latent_dims: Sequence[int] = (16,),
        spheres: int = 1,
        hidden: Sequence[int] = (256, 256),
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        dropout: float = 0.0,
        concentration: str = "natural",
        rescale: bool = True,
        condition: Condition | None = None,
    ) -> HypersphericalVAE:
        """Multilayer perceptrons from x to z1 and back.

        Args:
            x_shape: event shape of x; images are flattened inside the nets.
            latent_dims: one size, (z1,): the coordinates of all spheres together. One sphere of size 3 is the ordinary
                one, with a surface of two dimensions.
            spheres: S; the size of z1 is a multiple of it, m = size / S at least 2.
            hidden: sizes of the hidden layers from x to z1; the decoder has them in reverse.
            likelihood: of each value of x.
            dropout: probability of dropping a hidden unit while training.
            concentration: how κ is read from the encoder, see `ConditionalVonMisesFisher`: "natural", "scaled", or
                "softplus", which is there to be looked at.
            rescale: let the decoder read √m z1; False gives it the unit vectors as they are.
            condition: what both nets see beside x and z1; None for none.

        Raises:
            ValueError: for a size that does not divide into spheres of two coordinates or more.
        """
        (size,) = dense.check_dims(latent_dims, levels=1)
        if spheres < 1 or size % spheres or size // spheres < 2:
            raise ValueError(
                f"latent_dims, spheres: expected a size that divides into spheres of at least 2 coordinates each, "
                f"got {size} for {spheres}"
            )
        hidden, c, m = dense.check_sizes("hidden", hidden), dense.size_of(condition), size // spheres
        shape = (m,) if spheres == 1 else (spheres, m)
        encoder = dense.net((x_shape, c), hidden, size + spheres, dropout)
        scale = m**0.5 if rescale else 1.0
        return cls(
            x_shape,
            p_z1=UniformSphere(shape),
            q_z1_given_x=ConditionalVonMisesFisher(encoder, spheres, concentration),
            p_x_given_z1=dense.pixels(x_shape, (shape, c), hidden[::-1], likelihood, dropout, scale=scale),
            condition=condition,
        )
