"""The hierarchical conditional variational autoencoder: a global latent that modulates what a local one describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.abr.data import SIGNAL_LENGTH, STATIC_NAMES
from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.response_model import ResponseModel
from hvae_ref.abr.models.response_nets import check_latent_dims, decoder_ends, early_samples, encoder, samples
from hvae_ref.abr.models.response_parts import ConcatenationTrunk, FilmTrunk
from hvae_ref.models.base import Shape
from hvae_ref.nn.heads import StandardNormal

PUBLISHED_WIDTHS: dict[str, int | tuple[int, ...]] = {
    "global_latent_dim": 32,
    "local_latent_dim": 32,
    "hidden": (512, 384, 256),
    "local_hidden": (768, 512),
    "decoder_hidden": (2048, 2048, 2048),
}
"""Arguments of `dense` within 1 % of 419 K, 627 K and 9.5 M parameters (global and local encoder, decoder with heads).

Those counts are all that the design this model goes back to says of its widths, besides a first layer of 256 with batch
normalisation. That does not settle the others: no list of up to four layers out of 32, 64, 128, 256, 384, 512, 768 and
1024 that starts so gives 419 K. A decoder as wide as the encoders has half a million parameters; 9.5 M are two
2048 × 2048 layers (8.4 M) and what is around them, for 71 numbers in and 200 samples out.
"""


class HierarchicalResponseCVAE(ResponseModel):
    """p(z_g) p(z_l) p(x|z_g, z_l, c) with q(z_g|x, c) q(z_l|x, x_early, c); eq. 6.3–6.6 in the book.

    No arrow joins the two latents, in p or in q: this is one latent in two parts, a split latent. In a hierarchy z_g
    decides what is expected of z_l; see `TopDownResponseCVAE`.

    In the usual nets the decoder reads [z_l, c], and z_g modulates each of its layers (FiLM); or it reads [z_g, z_l, c]
    side by side. The early segment is a second copy of samples that the local encoder has already: it adds no
    information, and gives the samples of waves I–III more weight in what that encoder learns first. Nothing in the
    equations makes one latent global and the other local but these two paths; what each of them holds is a matter of
    measurement.

    Args:
        x_shape: L, samples of x.
        p_z_global: prior, called with the number of examples and the scaled covariates c.
        p_z_local: the same of z_local.
        q_z_global_given_x: posterior of ẑ_g, called with x in units of 0.2 µV and c.
        q_z_local_given_x: posterior of ẑ_l, called with x, with the first `early_length` samples of x where there are
            any, and with c.
        trunk: the decoder's features from ẑ_g, ẑ_l and c.
        p_x_given_features: as in `ResponseModel`, and so are the arguments that follow.
        condition: checks and scales the covariates.
        expected: heads for z_global and z_local, or None for ẑ = z.
        static_head: reads the covariates from the latents in `static_reads`; None for no such head.
        static_reads: levels from which it reads.
        peak_head: reads the peaks from the features; None for no such head.
        encoder_sees_covariates: whether q reads c as well as x.
        early_length: samples from the start of x that the local encoder reads twice; 0 … L.

    `HierarchicalResponseCVAE.dense` makes the usual nets.

    Raises:
        ValueError: for an early segment longer than x, and as `ResponseModel`.

    >>> import torch
    >>> c = torch.tensor([[70.0, 21.0, 30.0, 0.0, 10.0, 0.0, 2000.0]])
    >>> model = HierarchicalResponseCVAE.dense(hidden=(16,))
    >>> list(model.elbo(torch.zeros(5, 200), condition=c).kl)
    ['z_global', 'z_local']
    """

    def __init__(
        self,
        x_shape: Shape,
        p_z_global: nn.Module,
        p_z_local: nn.Module,
        q_z_global_given_x: nn.Module,
        q_z_local_given_x: nn.Module,
        trunk: nn.Module,
        p_x_given_features: nn.Module,
        condition: ScaledCovariates,
        expected: Mapping[str, nn.Module] | None = None,
        static_head: nn.Module | None = None,
        static_reads: Sequence[str] = (),
        peak_head: nn.Module | None = None,
        encoder_sees_covariates: bool = True,
        early_length: int = 0,
    ) -> None:
        prior = {"z_global": p_z_global, "z_local": p_z_local}
        super().__init__(x_shape, prior, p_x_given_features, condition, expected, static_head, static_reads, peak_head)
        (length,) = self.x_shape
        if not 0 <= early_length <= length:
            raise ValueError(f"early_length: expected 0 to {length} samples, got {early_length}")
        self.q_z_global_given_x, self.q_z_local_given_x, self.trunk = q_z_global_given_x, q_z_local_given_x, trunk
        self.encoder_sees_covariates, self.early_length = encoder_sees_covariates, early_length

    @classmethod
    def dense(
        cls,
        x_shape: Shape = SIGNAL_LENGTH,
        covariates: Sequence[str] = STATIC_NAMES,
        global_latent_dim: int = 8,
        local_latent_dim: int = 8,
        hidden: Sequence[int] = (128, 128),
        use_film: bool = True,
        early_signal_ratio: float = 0.3,
        predict_peaks: bool = True,
        encoder_sees_covariates: bool = True,
        static_reads: Sequence[str] = ("z_global",),
        dropout: float = 0.0,
        local_hidden: Sequence[int] | None = None,
        decoder_hidden: Sequence[int] | None = None,
        noise: str = "white",
        prior: str = "standard",
    ) -> HierarchicalResponseCVAE:
        """Multilayer perceptrons.

        Args:
            x_shape: L, samples of x.
            covariates: names of the static parameters that the model reads, in the order of `STATIC_NAMES`.
            global_latent_dim: size of z_global.
            local_latent_dim: size of z_local.
            hidden: sizes of the hidden layers of the encoders.
            use_film: whether z_global modulates the decoder's layers, or is one more of its inputs.
            early_signal_ratio: share of x, from its start, that the local encoder reads twice; 0 … 1.
            predict_peaks: whether there is a head for the peaks.
            encoder_sees_covariates: whether q reads c as well as x.
            static_reads: levels from which a head reads the covariates; () for no such head.
            dropout: probability of dropping a hidden unit while training.
            local_hidden: sizes of the local encoder's hidden layers, where they are not to be those of `hidden`.
            decoder_hidden: sizes of the decoder's layers; by default `hidden` in reverse.
            noise: "white", or "correlated" for deviations from the mean that follow each other; see
                `ConditionalResponse`.
            prior: "standard", or "conditional" for latents that count from what c leads one to expect; see
                `ResponseModel`.

        Raises:
            ValueError: for a ratio outside 0 … 1, an unknown name, sizes below 1, or FiLM without a layer to modulate.

        Reference:
            Perez, Strub, de Vries, Dumoulin and Courville (2018), FiLM: Visual Reasoning with a General Conditioning
            Layer, https://arxiv.org/abs/1709.07871
        """
        length, condition = samples(x_shape), ScaledCovariates(covariates)
        check_latent_dims(global_latent_dim=global_latent_dim, local_latent_dim=local_latent_dim)
        early, count = early_samples(length, early_signal_ratio), condition.size
        seen = count if encoder_sees_covariates else 0
        widths = tuple(reversed(hidden)) if decoder_hidden is None else tuple(decoder_hidden)
        local_widths = hidden if local_hidden is None else local_hidden
        q_z_global_given_x = encoder(length + seen, global_latent_dim, hidden, dropout)
        q_z_local_given_x = encoder(length + early + seen, local_latent_dim, local_widths, dropout)
        trunk = (
            FilmTrunk(global_latent_dim, local_latent_dim + count, widths, dropout)
            if use_film
            else ConcatenationTrunk(global_latent_dim + local_latent_dim + count, widths, dropout)
        )
        dims = {"z_global": global_latent_dim, "z_local": local_latent_dim}
        return cls(
            length,
            StandardNormal((global_latent_dim,)),
            StandardNormal((local_latent_dim,)),
            q_z_global_given_x,
            q_z_local_given_x,
            trunk,
            **decoder_ends(trunk.features, length, condition, dims, static_reads, predict_peaks, noise, prior),
            encoder_sees_covariates=encoder_sees_covariates,
            early_length=early,
        )

    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Distribution]:
        """q(ẑ_g|x, c) and q(ẑ_l|x, x_early, c)."""
        early = (x[:, : self.early_length],) if self.early_length else ()
        seen = (c,) if self.encoder_sees_covariates else ()
        return {
            "z_global": self.q_z_global_given_x(x, *seen),
            "z_local": self.q_z_local_given_x(x, *early, *seen),
        }

    def features(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """From ẑ_l and c, modulated by ẑ_g; or from all three side by side."""
        return self.trunk(z["z_global"], z["z_local"], c)
