"""The variational autoencoder whose latent is a direction."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.distributions import Independent

from hvae_ref.distributions import FlattenedEvent, HypersphericalUniform
from hvae_ref.models.one_level_model import OneLevelModel
from hvae_ref.nn.heads import ConditionalVonMisesFisher, conditional_pixels, outputs_per_pixel
from hvae_ref.nn.layers import Rescale, Scale, mlp


class HypersphericalVAE(OneLevelModel):
    """p(x, z1) = p(x|z1) U(z1) with q(z1|x) von Mises-Fisher on S^{m−1}; eq. 5.11–5.13 in the book.

    The decoder reads √m z1, whose coordinates have variance 1 under the prior, as those of a Gaussian latent have. With
    several spheres the latent is that many unit vectors of m coordinates, one after the other, and its KL is their sum.

    Args:
        data_dim: D.
        latent_dims: one size, (z1,): the coordinates of all spheres together. One sphere of size 3 is the ordinary
            one, with a surface of two dimensions.
        spheres: S; the size of z1 is a multiple of it, m = size / S at least 2.
        hidden: sizes of the hidden layers from x to z; the decoder has them in reverse.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V, grey levels of the data; 2 for binarised data.
        components: logistics a pixel, for "logistic_mixture".
        dropout: probability of dropping a hidden unit while training.
        concentration: how κ is read from the encoder, see `ConditionalVonMisesFisher`: "natural", "scaled", or
            "softplus", which is there to be looked at.
        rescale: let the decoder read √m z1; False hands it the unit vectors as they are.

    Raises:
        ValueError: for a size that does not divide into spheres of two coordinates or more.

    Reference:
        Davidson, Falorsi, De Cao, Kipf and Tomczak (2018), Hyperspherical Variational Auto-Encoders,
        https://arxiv.org/abs/1804.00891

    >>> import torch
    >>> model = HypersphericalVAE(data_dim=64, latent_dims=(8,), hidden=(32,))
    >>> model.sample_latents(5)["z1"].norm(dim=-1).allclose(torch.ones(5))
    True
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (16,),
        spheres: int = 1,
        hidden: Sequence[int] = (256, 256),
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
        dropout: float = 0.0,
        concentration: str = "natural",
        rescale: bool = True,
    ) -> None:
        super().__init__(data_dim, latent_dims, num_values)
        if len(latent_dims) != 1:
            raise ValueError(f"latent_dims: expected one level, got {len(latent_dims)}; see TopDownVAE(top='sphere')")
        size, out = latent_dims[0], data_dim * outputs_per_pixel(likelihood, num_values, components)
        if spheres < 1 or size % spheres or size // spheres < 2:
            raise ValueError(
                f"latent_dims, spheres: expected a size that divides into spheres of at least 2 coordinates each, "
                f"got {size} for {spheres}"
            )
        self.spheres["z1"], self.coordinates = spheres, size // spheres
        encoder = nn.Sequential(Rescale(num_values - 1), mlp([data_dim, *hidden, size + spheres], dropout))
        decoder = mlp([size, *reversed(hidden), out], dropout)
        if rescale:
            decoder = nn.Sequential(Scale(self.coordinates**0.5), decoder)
        self.q_z1_given_x = ConditionalVonMisesFisher(encoder, spheres, concentration)
        self.p_x_given_z1 = conditional_pixels(decoder, likelihood, num_values, components)

    def p_z1(self, n: int) -> HypersphericalUniform | FlattenedEvent:
        """The prior, uniform on every sphere, batch (n,)."""
        kind = {"dtype": self.like.dtype, "device": self.like.device}
        spheres = self.spheres["z1"]
        if spheres == 1:
            return HypersphericalUniform(self.coordinates, (n,), **kind)
        return FlattenedEvent(Independent(HypersphericalUniform(self.coordinates, (n, spheres), **kind), 1))
