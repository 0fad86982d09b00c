"""The conditional variational autoencoder with one latent: the peer of the hierarchical one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.distributions import Independent

from hvae_ref.abr.data import SIGNAL_LENGTH, STATIC_NAMES
from hvae_ref.abr.models.response_model import ResponseModel
from hvae_ref.abr.models.response_parts import SIGNAL_UNIT, ConcatenationTrunk
from hvae_ref.nn.heads import ConditionalNormal
from hvae_ref.nn.layers import mlp


class ResponseCVAE(ResponseModel):
    """p(x|z, c) p(z) with q(z|x, c): eq. 6.5 in the book with a single level, which is called z_global.

    The default widths give it as many parameters and latent dimensions as `HierarchicalResponseCVAE` has.

    Args:
        signal_length: L, samples of x.
        statics: names of the static parameters, in the order of `STATIC_NAMES`.
        latent_dim: size of z_global.
        hidden: sizes of the encoder's hidden layers; the decoder has them in reverse.
        predict_peaks: whether there is a head for the peaks.
        encoder_sees_statics: whether q reads c as well as x.
        static_reads: ("z_global",), or () for no head that reads statics from the latent.
        dropout: probability of dropping a hidden unit while training.
        noise: "white", or "correlated" for deviations from the mean that follow each other; see `ConditionalResponse`.
        prior: "standard", or "conditional" for latents that count from what c leads one to expect; see
            `ResponseModel`.

    Reference:
        Sohn, Lee and Yan (2015), Learning Structured Output Representation using Deep Conditional Generative Models,
        https://papers.nips.cc/paper/5775

    >>> import torch
    >>> c = torch.tensor([[70.0, 21.0, 30.0, 0.0, 10.0, 0.0, 2000.0]])
    >>> ResponseCVAE(hidden=(16,)).sample(3, condition=c).shape
    torch.Size([3, 200])
    """

    def __init__(
        self,
        signal_length: int = SIGNAL_LENGTH,
        statics: Sequence[str] = STATIC_NAMES,
        latent_dim: int = 16,
        hidden: Sequence[int] = (176, 176),
        predict_peaks: bool = True,
        encoder_sees_statics: bool = True,
        static_reads: Sequence[str] = ("z_global",),
        dropout: float = 0.0,
        noise: str = "white",
        prior: str = "standard",
    ) -> None:
        super().__init__(signal_length, {"z_global": latent_dim}, statics)
        self.encoder_sees_statics = encoder_sees_statics
        seen = len(self.statics) if encoder_sees_statics else 0
        self.q_z_global_given_x = ConditionalNormal(mlp([signal_length + seen, *hidden, 2 * latent_dim], dropout))
        self.trunk = ConcatenationTrunk(latent_dim + len(self.statics), tuple(reversed(hidden)), dropout)
        self.finish(self.trunk.features, static_reads, predict_peaks, noise, prior)

    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Independent]:
        """q(z|x, c)."""
        seen = (x / SIGNAL_UNIT, c) if self.encoder_sees_statics else (x / SIGNAL_UNIT,)
        return {"z_global": self.q_z_global_given_x(*seen)}

    def features(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """From z and c side by side."""
        return self.trunk(z["z_global"], c)
