"""What models of a signal given a condition share: the contracts of every model, with the condition behind the bar."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from hvae_ref.abr.data import SAMPLE_INTERVAL_MS
from hvae_ref.abr.models.response_checks import check_names, check_samples, own_columns
from hvae_ref.abr.models.response_heads import (
    Heads,
    PeakHead,
    StaticHead,
    check_peaks,
    peak_error,
    presence_nll,
    static_error,
)
from hvae_ref.abr.models.response_parts import ConditionalResponse, ScaledCovariates
from hvae_ref.elbo import Elbo, KlEstimator, analytic_kl_or_sample, sampled_kl
from hvae_ref.models.base import Choose, Inference, LatentVariableModel
from hvae_ref.nn.heads import ConditionalNormal, standard_normal
from hvae_ref.nn.layers import mlp
from hvae_ref.objectives.alignment import misalignment

MAX_LAG_MS = 1.0
"""How far a reconstruction is moved along the signal when the part `alignment` looks for the best place."""

LAG_UNIT_MS = 0.1
"""ms, the lag that costs 1."""

PRIORS = ("standard", "conditional")
EXPECTED_HIDDEN = 32


class ResponseModel(LatentVariableModel):
    """p(x, z | c) = p(x|z, c) Π_l p(z_l) with q(z|x, c) = Π_l q(z_l|x, c): eq. 6.3 and 6.4 in the book.

    x is an evoked response in µV, c its static parameters in their own units. Every z has the prior N(0, I) under every
    condition. With prior="standard" z enters the nets as it is. Responses to soft and to loud clicks then have to share
    the same z, and where an encoder has come to tell them apart by z, draws from the prior don't know which is meant.
    With prior="conditional" the nets see ẑ = m(c) + s(c) ⊙ z, with m and s learned, and z says how a response differs
    from what its condition leads one to expect. That is the same model, with the same bound, as one whose latent is ẑ
    and has the learned prior N(m(c), s(c)²).

    A concrete model brings `q_z_given_x` and `features`, both in terms of ẑ, and calls `finish` at the end of its
    construction.

    Args:
        signal_length: L, samples of x.
        latent_dims: sizes of the latents by name, top to bottom.
        statics: names of the static parameters that the model reads, in the order of `STATIC_NAMES`.

    Attributes:
        statics: those names.

    Reference:
        Sohn, Lee and Yan (2015), Learning Structured Output Representation using Deep Conditional Generative Models,
        https://papers.nips.cc/paper/5775
    """

    def __init__(self, signal_length: int, latent_dims: Mapping[str, int], statics: Sequence[str]) -> None:
        super().__init__(signal_length, tuple(reversed(latent_dims.values())), num_values=None)
        self.dims, self.levels = dict(latent_dims), tuple(latent_dims)
        self.statics = check_names(statics)
        self.scaled = ScaledCovariates(self.statics)

    def finish(self, features: int, static_reads: Sequence[str], predict_peaks: bool, noise: str, prior: str) -> None:
        """Build p(x|z, c), what c leads one to expect, and the heads, once the size of the features is known.

        Raises:
            ValueError: for an unknown kind of noise or prior, or where `static_reads` names a level that isn't there.
        """
        if prior not in PRIORS:
            raise ValueError(f"prior: expected one of {', '.join(PRIORS)}, got {prior!r}")
        unknown = [level for level in static_reads if level not in self.levels]
        if unknown or isinstance(static_reads, str):
            raise ValueError(f"static_reads: expected a sequence out of {', '.join(self.levels)}, got {static_reads!r}")
        count = len(self.statics)
        self.p_x_given_features = ConditionalResponse(features, count, self.data_dim, noise)
        self.expected: nn.ModuleDict | None = None
        if prior == "conditional":
            nets = {level: mlp([count, EXPECTED_HIDDEN, 2 * size]) for level, size in self.dims.items()}
            self.expected = nn.ModuleDict({level: ConditionalNormal(net) for level, net in nets.items()})
        self.static_reads = tuple(level for level in self.levels if level in static_reads)
        read = [self.dims[level] for level in self.static_reads]
        self.static_head: nn.Module | None = StaticHead(read, count) if read else None
        self.peak_head: nn.Module | None = PeakHead(features) if predict_peaks else None

    # What a model brings ------------------------------------------------------------------------------------------

    @abstractmethod
    def q_z_given_x(self, x: Tensor, c: Tensor) -> dict[str, Independent]:
        """The posterior of every ẑ from x (B, L) in µV and the scaled statics c (B, C), top to bottom."""

    @abstractmethod
    def features(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """The decoder's last hidden features (B, F), from ẑ of all levels and the scaled statics c (B, C)."""

    # The bound ----------------------------------------------------------------------------------------------------

    def p_z(self, n: int) -> dict[str, Independent]:
        """The priors N(0, I) of all levels, batch (n,): the same under every condition."""
        return {level: standard_normal(n, size, like=self.like) for level, size in self.dims.items()}

    def q_z(self, x: Tensor, c: Tensor) -> dict[str, Independent]:
        """The posterior of every z, top to bottom: that of ẑ, counted from what c leads one to expect."""
        q = self.q_z_given_x(x, c)
        if self.expected is None:
            return q
        return {level: _relative(q[level], self.expected[level](c)) for level in self.levels}

    def decoded(self, z: Mapping[str, Tensor], c: Tensor) -> Tensor:
        """The decoder's features from z of all levels and the scaled statics c."""
        if self.expected is not None:
            expected = {level: self.expected[level](c).base_dist for level in self.levels}
            z = {level: expected[level].loc + expected[level].scale * z[level] for level in self.levels}
        return self.features(z, c)

    def p_x_given_z(self, z: Mapping[str, Tensor], c: Tensor) -> Distribution:
        """p(x|z, c), batch (B,), from all levels and the scaled statics c (B, C)."""
        return self.p_x_given_features(self.decoded(z, c), c)

    def elbo(
        self,
        x: Float[Tensor, "batch data"],
        condition: Float[Tensor, "rows statics"],
        kl: KlEstimator = analytic_kl_or_sample,
    ) -> Elbo:
        """E_q[log p(x|z, c)] − Σ_l KL(q(z_l|x, c) ‖ p(z_l)), from one sample of each latent; eq. 6.5 in the book.

        Args:
            x: (B, L) µV.
            condition: (B, C), or (1, C) for all rows, in the parameters' own units.
            kl: how a level's divergence is taken where there is a choice.

        Raises:
            ValueError: for a wrong shape, dtype or device, a value that is no number, or a static out of its range.
        """
        x, c = self.check(x), self.scale(condition, len(x))
        q, p = self.q_z(x, c), self.p_z(len(x))
        z = {level: q[level].rsample() for level in self.levels}
        p_x = self.p_x_given_z(z, c)
        return Elbo(p_x.log_prob(x), {level: kl(q[level], p[level], z[level]) for level in self.levels})

    def elbo_with_targets(
        self,
        x: Float[Tensor, "batch data"],
        condition: Float[Tensor, "rows statics"],
        peaks: Float[Tensor, "batch waves 2"],
        present: Bool[Tensor, "batch waves"],
    ) -> Elbo:
        """The bound, and beside it the parts that need more than x: eq. 6.7–6.9 in the book.

        The bound is `elbo`'s, at the same random numbers. `auxiliary` holds `static` (statics read from the latents),
        `peak` (latency and amplitude of the peaks that are there), `presence` (which are there) and `alignment` (lag
        between x and its reconstruction), (B,) each and finite whatever is present; those of heads that the model does
        not have are left out.

        Args:
            x: (B, L) µV.
            condition: (B, C) or (1, C).
            peaks: (B, 5, 2), latency in ms and amplitude in µV; anything where a peak is absent.
            present: (B, 5).

        Raises:
            ValueError: as `elbo`, and for targets of a wrong shape or type or present peaks that are no numbers.
        """
        x, c = self.check(x), self.scale(condition, len(x))
        check_peaks(peaks, present, len(x))
        q, p = self.q_z(x, c), self.p_z(len(x))
        z = {level: q[level].rsample() for level in self.levels}
        h = self.decoded(z, c)
        p_x = self.p_x_given_features(h, c)
        elbo = Elbo(
            p_x.log_prob(x), {level: analytic_kl_or_sample(q[level], p[level], z[level]) for level in self.levels}
        )
        parts = {}
        if self.static_head is not None:
            parts["static"] = static_error(self._static(z), c)
        if self.peak_head is not None:
            latency, amplitude, logits = self.peak_head(h)
            parts["peak"] = peak_error(latency, amplitude, peaks, present)
            parts["presence"] = presence_nll(logits, present)
        max_lag = min(round(MAX_LAG_MS / SAMPLE_INTERVAL_MS), self.data_dim - 1)
        if max_lag:
            parts["alignment"] = misalignment(p_x.mean, x, max_lag, unit=LAG_UNIT_MS / SAMPLE_INTERVAL_MS)
        return replace(elbo, auxiliary=parts)

    def heads(self, z: Mapping[str, Tensor], condition: Float[Tensor, "rows statics"]) -> Heads:
        """What the heads say at given latents; the static head sees z alone, the peak head what the decoder sees.

        Args:
            z: values of all levels, each (B, its size).
            condition: (B, C) or (1, C).
        """
        c = self.scale(condition, self._rows(z))
        static = None if self.static_head is None else self.scaled.inverse(self._static(z))
        return Heads(static) if self.peak_head is None else Heads(static, *self.peak_head(self.decoded(z, c)))

    # The contracts of every model, with a condition ---------------------------------------------------------------

    def infer(self, x: Float[Tensor, "batch data"], condition: Float[Tensor, "rows statics"]) -> Inference:
        """Every level's posterior, and a sample from it."""
        q = self.encode(x, condition)
        return Inference(q, {level: q[level].rsample() for level in self.levels})

    def encode(
        self, x: Float[Tensor, "batch data"], condition: Float[Tensor, "rows statics"]
    ) -> dict[str, Distribution]:
        """The posterior of every level, top to bottom; none depends on another's sample."""
        return self.q_z(self.check(x), self.scale(condition, len(x)))

    def descend(self, choose: Choose, n: int, condition: Float[Tensor, "rows statics"]) -> Distribution:
        """Every z from `choose`, then p(x|z, c)."""
        c = self.scale(condition, n)
        return self.p_x_given_z({level: choose(level, p) for level, p in self.p_z(n).items()}, c)

    def log_weight(
        self, x: Float[Tensor, "batch data"], n: int, condition: Float[Tensor, "rows statics"]
    ) -> Float[Tensor, "n batch"]:
        """log p(x, z|c) − log q(z|x, c) at n independent z ~ q(z|x, c) for each example: (n, B) nats."""
        if n < 1:
            raise ValueError(f"n: expected at least one sample, got {n}")
        condition = self.check_condition(condition, len(self.check(x)))
        return self.elbo(x.repeat(n, 1), condition.repeat(n, 1), kl=sampled_kl).value.view(n, len(x))

    def decode(self, z: Mapping[str, Tensor], condition: Float[Tensor, "rows statics"]) -> Distribution:
        """p(x|z, c) for given values of all levels, each (B, its size), and a condition (B, C) or (1, C)."""
        return self.descend(lambda level, prior: z[level], self._rows(z), condition)

    @torch.no_grad()
    def sample_latents(
        self, n: int, fixed: Mapping[str, Tensor] | None = None, temperature: float = 1.0
    ) -> dict[str, Tensor]:
        """Draw every latent from its prior, which needs no condition; arguments as in `LatentVariableModel`."""
        choose, chosen = self._prior_source(n, fixed, temperature)
        for level, prior in self.p_z(n).items():
            choose(level, prior)
        return chosen

    @torch.no_grad()
    def sample(
        self,
        n: int,
        fixed: Mapping[str, Tensor] | None = None,
        temperature: float = 1.0,
        *,
        condition: Float[Tensor, "rows statics"],
    ) -> Float[Tensor, "n data"]:
        """Draw x given c: the latents as in `sample_latents`, then x ~ p(x|z, c).

        Args:
            n: number of examples.
            fixed: values of some levels, each (n, its size) or (1, its size).
            temperature: factor on the scale of the priors.
            condition: (n, C) or (1, C).

        Returns:
            (n, L) µV.
        """
        choose, _ = self._prior_source(n, fixed, temperature)
        return self.descend(choose, n, condition).sample()

    @torch.no_grad()
    def reconstruct(
        self,
        x: Float[Tensor, "batch data"],
        keep: Collection[str] | None = None,
        *,
        condition: Float[Tensor, "rows statics"],
    ) -> Float[Tensor, "batch data"]:
        """E[x|z, c] with the kept levels from the posterior and the others from the prior: (B, L) µV."""
        keep = self._check_keep(keep)
        z = self.infer(x, condition).z
        return self.descend(lambda level, p: z[level] if level in keep else p.sample(), len(x), condition).mean

    # Checks -------------------------------------------------------------------------------------------------------

    def check(self, x: Tensor) -> Tensor:
        """As in `LatentVariableModel`; a value that is no number is named by its row and sample."""
        check_samples(x, self.data_dim, self.like)
        return super().check(x)

    def check_condition(self, condition: Tensor, rows: int) -> Tensor:
        """The model's own columns of a condition, one row for each example.

        Args:
            condition: (rows, C) or (1, C), the model's statics in its order; or with all columns of `STATIC_NAMES`, of
                which the model takes its own.
            rows: number of examples.

        Returns:
            (rows, C), in the parameters' own units.

        Raises:
            ValueError: for another shape, dtype or device, or a value out of its parameter's range.
        """
        return own_columns(condition, rows, self.statics, self.like)

    def scale(self, condition: Tensor, rows: int) -> Tensor:
        """Check a condition and put it on the scale that nets read: (rows, C), each parameter's range on [−1, 1]."""
        return self.scaled(self.check_condition(condition, rows))

    def _static(self, z: Mapping[str, Tensor]) -> Tensor:
        return self.static_head(*(z[level] for level in self.static_reads))

    def _rows(self, z: Mapping[str, Tensor]) -> int | None:
        rows = len(z[self.levels[0]]) if self.levels[0] in z else None
        self._check_latents(z, required=self.levels, rows=(rows,))
        return rows


def _relative(q: Independent, expected: Independent) -> Independent:
    """The law of z where m + s ⊙ z has the law q and N(m, s²) is expected."""
    q, p = q.base_dist, expected.base_dist
    return Independent(Normal((q.loc - p.loc) / p.scale, q.scale / p.scale), 1)
