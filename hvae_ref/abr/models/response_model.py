"""What models of an evoked response given a condition share: the bound, the heads beside it, and their targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.abr.models.covariates import ScaledCovariates
from hvae_ref.abr.models.observed_response import ObservedResponse
from hvae_ref.abr.models.response_heads import Heads, check_peaks, peak_error, presence_nll, static_error
from hvae_ref.distributions.diagonal_normal import DiagonalNormal, TransformedNormal
from hvae_ref.distributions.tracing import transform
from hvae_ref.elbo import Elbo, Latent, analytic_kl_or_sample, draw
from hvae_ref.models.base import LatentVariableModel, Shape
from hvae_ref.models.latents import Inference, LatentSource, check_latents
from hvae_ref.objectives.alignment import misalignment

MAX_LAG_MS = 1.0
"""How far a reconstruction is moved along the signal when the part `alignment` looks for the best place."""

LAG_UNIT_MS = 0.1
"""ms, the lag that costs 1."""


class ResponseModel(LatentVariableModel):
    """p(x, z | c) = p(x|z, c) Π_l p(z_l) with q(z|x, c) = Π_l q(z_l|x, c): eq. 6.3 and 6.4 in the book.

    x is an evoked response in µV, c its static parameters in their own units. Every z has the same prior under every
    condition. Without `expected`, z enters the nets as it is. Responses to soft and to loud clicks then have to share
    the same z; where an encoder has learned to tell them apart by z, draws from the prior do not know which is meant.
    With `expected` the nets see ẑ = m(c) + s(c) ⊙ z, with m and s learned, and z says how a response differs from what
    its condition leads one to expect. That is the same model, with the same bound, as one whose latent is ẑ and has the
    learned prior N(m(c), s(c)²).

    A concrete model brings `q_z_given_x` and `features`, both in terms of ẑ.

    Args:
        x_shape: L, samples of x.
        prior: p(z_l) by level, top to bottom; each is called with the number of examples and the scaled covariates.
        p_x_given_features: called with the decoder's features h and the scaled covariates c; batch (B,), event (L,).
        condition: checks and scales the covariates.
        expected: heads that give N(m(c), s(c)²) from c, by level; ẑ = z at a level without one, and None is none at
            all. The posteriors of levels with a head are Gaussians.
        static_head: called with the latents in `static_reads`, returns scaled covariates (B, C); None for no such head.
        static_reads: levels from which it reads.
        peak_head: called with h, returns latency, amplitude and logits of presence, (B, 5) each; None for no such head.

    Attributes:
        covariates: names of the static parameters that the model reads.

    Raises:
        ValueError: where `static_reads` or `expected` name a level that is not there, or one of `static_head` and
            `static_reads` comes without the other.

    Reference:
        Sohn, Lee and Yan (2015), Learning Structured Output Representation using Deep Conditional Generative Models,
        https://papers.nips.cc/paper/5775
    """

    def __init__(
        self,
        x_shape: Shape,
        prior: Mapping[str, nn.Module],
        p_x_given_features: nn.Module,
        condition: ScaledCovariates,
        expected: Mapping[str, nn.Module] | None = None,
        static_head: nn.Module | None = None,
        static_reads: Sequence[str] = (),
        peak_head: nn.Module | None = None,
    ) -> None:
        super().__init__(x_shape, tuple(prior))
        self.observe = ObservedResponse(self.x_shape, condition)
        if isinstance(static_reads, str) or set(static_reads) - set(self.levels):
            raise ValueError(f"static_reads: expected a sequence out of {', '.join(self.levels)}, got {static_reads!r}")
        if bool(static_reads) != (static_head is not None):
            raise ValueError(
                "static_head, static_reads: expected a head and the levels that it reads, or neither, got "
                f"{static_head!r} and {static_reads!r}"
            )
        if unknown := set(expected or ()) - set(self.levels):
            raise ValueError(f"expected: expected heads for {', '.join(self.levels)}, got {', '.join(sorted(unknown))}")
        self.prior = nn.ModuleDict(prior)
        self.p_x_given_features = p_x_given_features
        self.expected = None if expected is None else nn.ModuleDict(expected)
        self.static_head, self.peak_head = static_head, peak_head
        self.static_reads = tuple(level for level in self.levels if level in static_reads)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Names of the static parameters that the model reads."""
        return self.observe.condition.names

    # What a model brings ------------------------------------------------------------------------------------------

    @abstractmethod
    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Distribution]:
        """The posterior of every ẑ from x (B, L), in units of 0.2 µV, and the scaled covariates c (B, C)."""

    @abstractmethod
    def features(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """The decoder's last hidden features h (B, F), from ẑ of all levels and the scaled covariates c (B, C)."""

    # What every model does ----------------------------------------------------------------------------------------

    def infer(self, x: Tensor, *, condition: Tensor | None = None) -> Inference:
        """q(z|x, c) of every level, a sample of each, and p(x|z, c); no level depends on another's sample."""
        latents, h, c = self._inferred(x, condition)
        return Inference(latents, self.p_x_given_features(h, c))

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """Every z from `source`, then p(x|z, c)."""
        z = {level: source(level, p_z(n, *c), None) for level, p_z in self.prior.items()}
        return self.p_x_given_features(self.decoded(z, *c), *c)

    def decoded(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """The decoder's features h from z of all levels and the scaled covariates c."""
        return self.features({level: self.hat(level, z[level], c) for level in self.levels}, c)

    def hat(self, level: str, z: Tensor, c: Tensor) -> Tensor:
        """ẑ = m(c) + s(c) ⊙ z of one level, as the nets see it; z itself where the level has no such head."""
        if self.expected is None or level not in self.expected:
            return z
        expected = self.expected[level](c).base_dist
        return expected.loc + expected.scale * z

    def _inferred(self, x: Tensor, condition: Tensor | None) -> tuple[dict[str, Latent], Tensor, Tensor]:
        """Every level's latent, the decoder's features h at their samples, and the scaled covariates c."""
        seen, c = self.observe(x, condition, self.like)
        latents = {}
        for level, q in self.q_z_given_x(seen, *c).items():
            latents[level] = self._latent(level, q, self.prior[level](len(x), *c), *c)
        return latents, self.decoded({level: latent.z for level, latent in latents.items()}, *c), *c

    def _latent(self, level: str, q: Distribution, p: Distribution, c: Tensor) -> Latent:
        """z of one level, with a sample, from the law q of its ẑ."""
        if self.expected is not None and level in self.expected:
            q = _relative(q, self.expected[level](c))
        return Latent(q, p, *draw(q))

    # Beside the bound ---------------------------------------------------------------------------------------------

    def elbo_with_targets(
        self,
        x: Float[Tensor, "batch data"],
        *,
        condition: Float[Tensor, "rows covariates"],
        peaks: Float[Tensor, "batch waves 2"],
        present: Bool[Tensor, "batch waves"],
    ) -> Elbo:
        """The bound, and beside it the parts that need more than x: eq. 6.7–6.9 in the book.

        The bound is `elbo`'s, at the same random numbers. `auxiliary` holds `static` (covariates read from the
        latents), `peak` (latency and amplitude of the peaks that are there), `presence` (which are there) and
        `alignment` (lag between x and its reconstruction), (B,) each and finite whatever is present; those of heads
        that the model does not have are left out.

        Args:
            x: (B, L) µV.
            condition: (B, C) or (1, C).
            peaks: (B, 5, 2), latency in ms and amplitude in µV; anything where a peak is absent.
            present: (B, 5).

        Raises:
            ValueError: as `elbo`, and for targets of a wrong shape or type or present peaks that are no numbers.
        """
        latents, h, c = self._inferred(x, condition)
        check_peaks(peaks, present, len(x))
        p_x = self.p_x_given_features(h, c)
        parts = {}
        if self.static_head is not None:
            parts["static"] = static_error(self.static_head(*(latents[level].z for level in self.static_reads)), c)
        if self.peak_head is not None:
            latency, amplitude, logits = self.peak_head(h)
            parts["peak"] = peak_error(latency, amplitude, peaks, present)
            parts["presence"] = presence_nll(logits, present)
        max_lag = min(round(MAX_LAG_MS / SAMPLE_INTERVAL_MS), x.shape[1] - 1)
        if max_lag:
            parts["alignment"] = misalignment(p_x.mean, x, max_lag, unit=LAG_UNIT_MS / SAMPLE_INTERVAL_MS)
        kl = {level: analytic_kl_or_sample(latent) for level, latent in latents.items()}
        return Elbo(p_x.log_prob(x), kl, parts)

    def heads(self, z: Mapping[str, Tensor], *, condition: Float[Tensor, "rows covariates"]) -> Heads:
        """What the heads say at given latents; the static head sees z alone, the peak head what the decoder sees.

        Args:
            z: values of all levels, each (B, *its shape).
            condition: (B, C) or (1, C).
        """
        n = len(z[self.levels[0]]) if self.levels[0] in z else None
        check_latents(z, self.priors, self.like, rows=(n,), required=self.levels)
        c = self.observe.given(condition, n)
        static = None
        if self.static_head is not None:
            scaled = self.static_head(*(z[level] for level in self.static_reads))
            static = self.observe.condition.inverse(scaled)
        return Heads(static) if self.peak_head is None else Heads(static, *self.peak_head(self.decoded(z, *c)))


def _relative(q: Independent, expected: Independent) -> Independent:
    """The law of z where m + s ⊙ z has the law q and N(m, s²) is expected."""
    if not isinstance(getattr(q, "base_dist", None), Normal):
        raise ValueError(f"expected: expected Gaussian posteriors beside it, got {q}; build the model without it")
    q, p = q.base_dist, expected.base_dist
    normal = DiagonalNormal if transform() is None else TransformedNormal
    return Independent(normal((q.loc - p.loc) / p.scale, q.scale / p.scale), q.loc.ndim - 1)
