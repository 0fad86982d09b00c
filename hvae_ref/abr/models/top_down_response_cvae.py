"""A hierarchy given the condition: the global latent decides what is expected of the local one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Distribution

from hvae_ref.abr.data import SIGNAL_LENGTH, STATIC_NAMES
from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.hierarchical_response_cvae import HierarchicalResponseCVAE
from hvae_ref.abr.models.response_nets import (
    EXPECTED_HIDDEN,
    check_latent_dims,
    decoder_ends,
    early_samples,
    encoder,
    samples,
)
from hvae_ref.abr.models.response_parts import FilmTrunk
from hvae_ref.elbo import Latent
from hvae_ref.models.base import Shape
from hvae_ref.models.latents import LatentSource
from hvae_ref.nn.heads import GivenCondition, StandardNormal


class TopDownResponseCVAE(HierarchicalResponseCVAE):
    """p(z_g) p(z_l|z_g, c) p(x|z_g, z_l, c) with q(z_g|x, c) q(z_l|z_g, x, x_early, c); eq. 6.14 in the book.

    Its arguments and nets are those of `HierarchicalResponseCVAE`, but for two arrows from ẑ_g to z_l: the prior
    `p_z_local` is called with the number of examples, c and ẑ_g, and the posterior `q_z_local_given_x` with ẑ_g after
    all else that it reads. So z_l has no entry in `expected`: its own prior says what is expected.

    The split latent p(z_g) p(z_l) has no arrow between its latents. Whether this one is worth it is a matter of
    measurement.

    >>> import torch
    >>> c = torch.tensor([[70.0, 21.0, 30.0, 0.0, 10.0, 0.0, 2000.0]])
    >>> model = TopDownResponseCVAE.dense(hidden=(16,))
    >>> model.sample(3, condition=c).shape
    torch.Size([3, 200])
    """

    @classmethod
    def dense(
        cls,
        x_shape: Shape = SIGNAL_LENGTH,
        covariates: Sequence[str] = STATIC_NAMES,
        global_latent_dim: int = 8,
        local_latent_dim: int = 8,
        hidden: Sequence[int] = (128, 128),
        early_signal_ratio: float = 0.3,
        predict_peaks: bool = True,
        static_reads: Sequence[str] = ("z_global",),
        dropout: float = 0.0,
        noise: str = "correlated",
    ) -> TopDownResponseCVAE:
        """Multilayer perceptrons, with FiLM and a prior that knows the condition at both levels.

        Args:
            x_shape: L, samples of x.
            covariates: names of the static parameters that the model reads, in the order of `STATIC_NAMES`.
            global_latent_dim: size of z_global.
            local_latent_dim: size of z_local.
            hidden: sizes of the hidden layers of the encoders; the decoder has them in reverse.
            early_signal_ratio: share of x, from its start, that the local encoder reads twice; 0 … 1.
            predict_peaks: whether there is a head for the peaks.
            static_reads: levels from which a head reads the covariates; () for no such head.
            dropout: probability of dropping a hidden unit while training.
            noise: "white" or "correlated"; see `ConditionalResponse`.

        Raises:
            ValueError: for a ratio outside 0 … 1, an unknown name, sizes below 1, or no layer to modulate.
        """
        length, condition = samples(x_shape), ScaledCovariates(covariates)
        check_latent_dims(global_latent_dim=global_latent_dim, local_latent_dim=local_latent_dim)
        early, count = early_samples(length, early_signal_ratio), condition.size
        trunk = FilmTrunk(global_latent_dim, local_latent_dim + count, tuple(reversed(hidden)), dropout)
        dims = {"z_global": global_latent_dim, "z_local": local_latent_dim}
        ends = decoder_ends(trunk.features, length, condition, dims, static_reads, predict_peaks, noise, "conditional")
        del ends["expected"]["z_local"]
        return cls(
            length,
            StandardNormal((global_latent_dim,)),
            GivenCondition(encoder(count + global_latent_dim, local_latent_dim, (EXPECTED_HIDDEN,), 0.0)),
            encoder(length + count, global_latent_dim, hidden, dropout),
            encoder(length + early + count + global_latent_dim, local_latent_dim, hidden, dropout),
            trunk,
            **ends,
            early_length=early,
        )

    def q_z_local_given_z_global(self, x: Tensor, c: Tensor, z_global: Tensor) -> Distribution:
        """q(z_l|ẑ_g, x, x_early, c)."""
        early = (x[:, : self.early_length],) if self.early_length else ()
        seen = (c,) if self.encoder_sees_covariates else ()
        return self.q_z_local_given_x(x, *early, *seen, z_global)

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """z_g from `source`, then z_l given it, then p(x|z, c)."""
        z_global = source("z_global", self.prior["z_global"](n, *c), None)
        above = self.hat("z_global", z_global, *c)
        z_local = source("z_local", self.prior["z_local"](n, *c, above), above)
        return self.p_x_given_features(self.decoded({"z_global": z_global, "z_local": z_local}, *c), *c)

    def _inferred(self, x: Tensor, condition: Tensor | None) -> tuple[dict[str, Latent], Tensor, Tensor]:
        seen, c = self.observe(x, condition, self.like)
        shown = c if self.encoder_sees_covariates else ()
        top = self._latent("z_global", self.q_z_global_given_x(seen, *shown), self.prior["z_global"](len(x), *c), *c)
        above = self.hat("z_global", top.z, *c)
        q_local = self.q_z_local_given_z_global(seen, *c, above)
        local = self._latent("z_local", q_local, self.prior["z_local"](len(x), *c, above), *c)
        return {"z_global": top, "z_local": local}, self.decoded({"z_global": top.z, "z_local": local.z}, *c), *c

    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Distribution]:
        """Refused: q(z_l|z_g, x, c) needs a sample of z_g, which `infer` draws."""
        raise NotImplementedError("q(z_l|z_g, x, c) needs a sample of z_g; call infer or encode")
