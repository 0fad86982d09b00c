"""The hierarchical conditional variational autoencoder: a global latent that modulates what a local one describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.distributions import Independent

from hvae_ref.abr.data import SIGNAL_LENGTH, STATIC_NAMES
from hvae_ref.abr.models.response_model import ResponseModel
from hvae_ref.abr.models.response_parts import SIGNAL_UNIT, ConcatenationTrunk, FilmTrunk
from hvae_ref.nn.heads import ConditionalNormal
from hvae_ref.nn.layers import mlp

PUBLISHED_WIDTHS: dict[str, int | tuple[int, ...]] = {
    "global_latent_dim": 32,
    "local_latent_dim": 32,
    "hidden": (512, 384, 256),
    "local_hidden": (768, 512),
    "decoder_hidden": (2048, 2048, 2048),
}
"""Arguments that come within 1 % of 419 K, 627 K and 9.5 M parameters (global and local encoder, decoder with heads).

Those counts are all that the design this model goes back to says of its widths, besides a first layer of 256 with batch
normalisation. That does not settle the others: no list of up to four layers out of 32, 64, 128, 256, 384, 512, 768 and
1024 that starts so gives 419 K. A decoder as wide as the encoders has half a million parameters; 9.5 M are two
2048 × 2048 layers (8.4 M) and what is around them, for 71 numbers in and 200 samples out.
"""


class HierarchicalResponseCVAE(ResponseModel):
    """p(z_g) p(z_l) p(x|z_g, z_l, c) with q(z_g|x, c) q(z_l|x, x_early, c); eq. 6.3–6.6 in the book.

    The decoder reads [z_l, c], and z_g modulates each of its layers (FiLM); or it reads [z_g, z_l, c] side by side.
    The early segment is a second copy of samples that the local encoder has already: it adds no information, and gives
    the samples of waves I–III more weight in what that encoder learns first. Nothing in the equations makes one latent
    global and the other local but these two paths; what each of them holds is a matter of measurement.

    Args:
        signal_length: L, samples of x.
        statics: names of the static parameters, in the order of `STATIC_NAMES`.
        global_latent_dim: size of z_global.
        local_latent_dim: size of z_local.
        hidden: sizes of the hidden layers of the encoders.
        use_film: whether z_global modulates the decoder's layers, or is one more of its inputs.
        early_signal_ratio: share of x, from its start, that the local encoder reads twice; 0 … 1.
        predict_peaks: whether there is a head for the peaks.
        encoder_sees_statics: whether q reads c as well as x.
        static_reads: levels from which a head reads the statics; () for no such head.
        dropout: probability of dropping a hidden unit while training.
        local_hidden: sizes of the local encoder's hidden layers, where they are not to be those of `hidden`.
        decoder_hidden: sizes of the decoder's layers; by default `hidden` in reverse.
        noise: "white", or "correlated" for deviations from the mean that follow each other; see `ConditionalResponse`.
        prior: "standard", or "conditional" for latents that count from what c leads one to expect; see
            `ResponseModel`.

    Raises:
        ValueError: for a ratio outside 0 … 1, an unknown static or level, or FiLM without a layer to modulate.

    Reference:
        Perez, Strub, de Vries, Dumoulin and Courville (2018), FiLM: Visual Reasoning with a General Conditioning Layer,
        https://arxiv.org/abs/1709.07871

    >>> import torch
    >>> c = torch.tensor([[70.0, 21.0, 30.0, 0.0, 10.0, 0.0, 2000.0]])
    >>> model = HierarchicalResponseCVAE(hidden=(16,))
    >>> list(model.elbo(torch.zeros(5, 200), c).kl)
    ['z_global', 'z_local']
    """

    def __init__(
        self,
        signal_length: int = SIGNAL_LENGTH,
        statics: Sequence[str] = STATIC_NAMES,
        global_latent_dim: int = 8,
        local_latent_dim: int = 8,
        hidden: Sequence[int] = (128, 128),
        use_film: bool = True,
        early_signal_ratio: float = 0.3,
        predict_peaks: bool = True,
        encoder_sees_statics: bool = True,
        static_reads: Sequence[str] = ("z_global",),
        dropout: float = 0.0,
        local_hidden: Sequence[int] | None = None,
        decoder_hidden: Sequence[int] | None = None,
        noise: str = "white",
        prior: str = "standard",
    ) -> None:
        super().__init__(signal_length, {"z_global": global_latent_dim, "z_local": local_latent_dim}, statics)
        if not 0 <= early_signal_ratio <= 1:
            raise ValueError(f"early_signal_ratio: expected a share of the signal, 0 … 1, got {early_signal_ratio}")
        self.encoder_sees_statics = encoder_sees_statics
        self.early_length = round(signal_length * early_signal_ratio)
        count, seen = len(self.statics), len(self.statics) if encoder_sees_statics else 0
        widths = tuple(reversed(hidden)) if decoder_hidden is None else tuple(decoder_hidden)
        local_widths = tuple(hidden if local_hidden is None else local_hidden)
        self.q_z_global_given_x = ConditionalNormal(
            mlp([signal_length + seen, *hidden, 2 * global_latent_dim], dropout)
        )
        self.q_z_local_given_x = ConditionalNormal(
            mlp([signal_length + self.early_length + seen, *local_widths, 2 * local_latent_dim], dropout)
        )
        self.trunk = (
            FilmTrunk(global_latent_dim, local_latent_dim + count, widths, dropout)
            if use_film
            else ConcatenationTrunk(global_latent_dim + local_latent_dim + count, widths, dropout)
        )
        self.finish(self.trunk.features, static_reads, predict_peaks, noise, prior)

    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Independent]:
        """q(z_g|x, c) and q(z_l|x, x_early, c)."""
        x = x / SIGNAL_UNIT
        early, seen = x[:, : self.early_length], (c,) if self.encoder_sees_statics else ()
        return {
            "z_global": self.q_z_global_given_x(x, *seen),
            "z_local": self.q_z_local_given_x(x, early, *seen),
        }

    def features(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """From z_l and c, modulated by z_g; or from all three side by side."""
        return self.trunk(z["z_global"], z["z_local"], c)
