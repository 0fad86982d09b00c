"""The conditional variational autoencoder with one latent: the peer of the hierarchical one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.abr.data import SIGNAL_LENGTH, STATIC_NAMES
from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.response_model import ResponseModel
from hvae_ref.abr.models.response_nets import check_latent_dims, decoder_ends, encoder, samples
from hvae_ref.abr.models.response_parts import ConcatenationTrunk
from hvae_ref.models.base import Shape
from hvae_ref.nn.heads import StandardNormal


class ResponseCVAE(ResponseModel):
    """p(x|z, c) p(z) with q(z|x, c): eq. 6.5 in the book with a single level, which is called z_global.

    Args:
        x_shape: L, samples of x.
        p_z_global: prior, called with the number of examples and the scaled covariates c.
        q_z_global_given_x: posterior of ẑ, called with x in units of 0.2 µV and c.
        trunk: the decoder's features from ẑ and c.
        p_x_given_features: as in `ResponseModel`, and so are the arguments that follow.
        condition: checks and scales the covariates.
        expected: {"z_global": head}, or None for ẑ = z.
        static_head: reads the covariates from z; None for no such head.
        static_reads: ("z_global",), or () without a static head.
        peak_head: reads the peaks from the features; None for no such head.
        encoder_sees_covariates: whether q reads c as well as x.

    `ResponseCVAE.dense` makes the usual nets.

    Reference:
        Sohn, Lee and Yan (2015), Learning Structured Output Representation using Deep Conditional Generative Models,
        https://papers.nips.cc/paper/5775

    >>> import torch
    >>> c = torch.tensor([[70.0, 21.0, 30.0, 0.0, 10.0, 0.0, 2000.0]])
    >>> ResponseCVAE.dense(hidden=(16,)).sample(3, condition=c).shape
    torch.Size([3, 200])
    """

    def __init__(
        self,
        x_shape: Shape,
        p_z_global: nn.Module,
        q_z_global_given_x: nn.Module,
        trunk: nn.Module,
        p_x_given_features: nn.Module,
        condition: ScaledCovariates,
        expected: Mapping[str, nn.Module] | None = None,
        static_head: nn.Module | None = None,
        static_reads: Sequence[str] = (),
        peak_head: nn.Module | None = None,
        encoder_sees_covariates: bool = True,
    ) -> None:
        prior = {"z_global": p_z_global}
        super().__init__(x_shape, prior, p_x_given_features, condition, expected, static_head, static_reads, peak_head)
        self.q_z_global_given_x, self.trunk = q_z_global_given_x, trunk
        self.encoder_sees_covariates = encoder_sees_covariates

    @classmethod
    def dense(
        cls,
        x_shape: Shape = SIGNAL_LENGTH,
        covariates: Sequence[str] = STATIC_NAMES,
        latent_dim: int = 16,
        hidden: Sequence[int] = (176, 176),
        predict_peaks: bool = True,
        encoder_sees_covariates: bool = True,
        static_reads: Sequence[str] = ("z_global",),
        dropout: float = 0.0,
        noise: str = "white",
        prior: str = "standard",
    ) -> ResponseCVAE:
        """Multilayer perceptrons; the default widths give it as many parameters as the hierarchical model has.

        Args:
            x_shape: L, samples of x.
            covariates: names of the static parameters that the model reads, in the order of `STATIC_NAMES`.
            latent_dim: size of z_global.
            hidden: sizes of the encoder's hidden layers; the decoder has them in reverse.
            predict_peaks: whether there is a head for the peaks.
            encoder_sees_covariates: whether q reads c as well as x.
            static_reads: ("z_global",), or () for no head that reads covariates from the latent.
            dropout: probability of dropping a hidden unit while training.
            noise: "white", or "correlated" for deviations from the mean that follow each other; see
                `ConditionalResponse`.
            prior: "standard", or "conditional" for latents that count from what c leads one to expect; see
                `ResponseModel`.

        Raises:
            ValueError: for an unknown name, or sizes below 1.
        """
        length, condition = samples(x_shape), ScaledCovariates(covariates)
        check_latent_dims(latent_dim=latent_dim)
        seen = condition.size if encoder_sees_covariates else 0
        q_z_global_given_x = encoder(length + seen, latent_dim, hidden, dropout)
        trunk = ConcatenationTrunk(latent_dim + condition.size, tuple(reversed(hidden)), dropout)
        dims = {"z_global": latent_dim}
        return cls(
            length,
            StandardNormal((latent_dim,)),
            q_z_global_given_x,
            trunk,
            **decoder_ends(trunk.features, length, condition, dims, static_reads, predict_peaks, noise, prior),
            encoder_sees_covariates=encoder_sees_covariates,
        )

    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Distribution]:
        """q(ẑ|x, c)."""
        seen = (c,) if self.encoder_sees_covariates else ()
        return {"z_global": self.q_z_global_given_x(x, *seen)}

    def features(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """From ẑ and c side by side."""
        return self.trunk(z["z_global"], c)
