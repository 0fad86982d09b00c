"""The evidence lower bound as a record of named terms, and the importance-weighted bound built on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.distributions.kl import _kl_normal_normal

from hvae_ref.distributions.tracing import compiling


class Divergence(NamedTuple):
    """One level's KL(q ‖ p).

    Attributes:
        nats: (B,).
        sampled: True where it is the one-sample estimate log q(z) − log p(z), False where it is the closed form.
    """

    nats: Tensor
    sampled: bool


def draw(q: Distribution) -> tuple[Tensor, Tensor | None]:
    """A sample z ~ q, with log q(z) where it comes with the sample and would be dear to compute later.

    Args:
        q: posterior with reparameterised samples, batch shape (B,).

    Returns:
        z (B, *event), and log q(z) (B,) from `q.rsample_and_log_prob()` or None where q has no such method.
    """
    return q.rsample_and_log_prob() if hasattr(q, "rsample_and_log_prob") else (q.rsample(), None)


class Latent(NamedTuple):
    """One level of a model for a batch: its posterior, its prior, and a sample of the posterior.

    Attributes:
        q: q(z_l|·), batch shape (B,).
        p: p(z_l|·), batch shape (B,).
        z: sample from q, (B, *event).
        log_q: log q(z), (B,), or None where it did not come with the sample.
    """

    q: Distribution
    p: Distribution
    z: Tensor
    log_q: Tensor | None = None


KlEstimator = Callable[[Latent], Divergence]
"""How one level's divergence is taken from its posterior, its prior and the sample."""


def sampled_kl(latent: Latent) -> Divergence:
    """log q(z) − log p(z): the unbiased one-sample estimate of KL(q ‖ p).

    Using it on every level turns the value of an `Elbo` into a log importance weight,
    log p(x, z) − log q(z | x). Single values may be negative.
    """
    q, p, z, log_q = latent
    if q.event_shape != p.event_shape:
        raise ValueError(
            f"latent: expected one event shape, got {tuple(q.event_shape)} of q, {tuple(p.event_shape)} of p"
        )
    return Divergence((q.log_prob(z) if log_q is None else log_q) - p.log_prob(z), sampled=True)


def analytic_kl_or_sample(latent: Latent) -> Divergence:
    """KL(q ‖ p) in closed form; where none is known, as for a flow or a mixture, the one-sample estimate.

    A posterior whose samples come with their density is not asked for a closed form. The result says which of the two
    it is.
    """
    q, p = latent.q, latent.p
    if latent.log_q is None and q.event_shape == p.event_shape:
        try:
            return Divergence(_compilable_kl(q, p) if compiling() else kl_divergence(q, p), sampled=False)
        except NotImplementedError:
            pass  # torch has none for these two; whether it has one may depend on more than their types
    return sampled_kl(latent)


def _compilable_kl(q: Distribution, p: Distribution) -> Tensor:
    """`kl_divergence` for `torch.compile`, which cannot trace how torch searches for the closed form of two types."""
    if isinstance(q, Independent) and isinstance(p, Independent):
        inner = _compilable_kl(q.base_dist, p.base_dist)
        return inner.flatten(inner.ndim - q.reinterpreted_batch_ndims).sum(-1)
    return _kl_normal_normal(q, p) if isinstance(q, Normal) and isinstance(p, Normal) else kl_divergence(q, p)


@dataclass(frozen=True, eq=False)
class Elbo:
    """The evidence lower bound of each example in a batch, in nats, term by term.

    ELBO(x) = E_q[log p(x|z)] − Σ_l E_q[KL(q(z_l|·) ‖ p(z_l|·))]   (book, eq. 1.5 and 2.4)

    Nothing is averaged or weighted here: β, free bits, units and the mean over the batch
    belong to the objective.

    Args:
        log_px: log p(x|z) at the sampled z, (B,).
        kl: one entry a level, ordered from the top level to the bottom one: (B,) each, or a `Divergence`.
        auxiliary: terms (B,) that a model is trained with *beside* its bound, by name; no part of `value`.
        sampled: names of the levels whose KL is a one-sample estimate and not the closed form; those that `kl` gives
            as a sampled `Divergence` are added.

    Attributes:
        kl: nats of each level, (B,).

    Raises:
        ValueError: where `kl` is empty, a term has another shape than `log_px`, a name stands for two terms, or
            `sampled` names a level that `kl` does not have.
    """

    log_px: Float[Tensor, " batch"]
    kl: Mapping[str, Float[Tensor, " batch"] | Divergence]
    auxiliary: Mapping[str, Float[Tensor, " batch"]] = field(default_factory=dict)
    sampled: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.kl:
            raise ValueError("kl: expected an entry for every level, got none")
        nats, sampled = dict(self.kl), set(self.sampled)
        if unknown := sorted(sampled - set(nats)):
            raise ValueError(f"sampled: expected levels among {', '.join(nats)}, got {', '.join(unknown)}")
        for level, kl in self.kl.items():
            if isinstance(kl, Divergence):
                nats[level] = kl.nats
                sampled |= {level} if kl.sampled else set()
        object.__setattr__(self, "kl", nats)
        object.__setattr__(self, "sampled", frozenset(sampled))
        for name in self.auxiliary:
            if name in nats:
                raise ValueError(f"auxiliary: expected names that no level of kl has, got {name} in both")
        for kind, terms in (("kl", self.kl), ("auxiliary", self.auxiliary)):
            for name, value in terms.items():
                if value.shape != self.log_px.shape:
                    raise ValueError(
                        f"{kind}[{name!r}]: expected one value for each example, shape {tuple(self.log_px.shape)}, "
                        f"got {tuple(value.shape)}"
                    )

    @property
    def total_kl(self) -> Float[Tensor, " batch"]:
        """Sum of the KL terms over the levels, (B,) nats."""
        first, *others = self.kl.values()
        return sum(others, start=first)

    @property
    def value(self) -> Float[Tensor, " batch"]:
        """The bound itself: `log_px − total_kl`, (B,) nats."""
        return self.log_px - self.total_kl


def log_mean_exp(values: Tensor, dim: int = 0) -> Tensor:
    """log (1/K Σ_k exp v_k) along one dimension, without overflow.

    Applied to log weights (K, B) this is the importance-weighted bound on log p(x), eq. 1.9 in the book.
    Its value grows with K in expectation and reaches log p(x) as K → ∞.

    Args:
        values: real numbers; minus infinity stands for a weight of zero.
        dim: the dimension of the K samples.

    Returns:
        `values` reduced along `dim`.

    Raises:
        ValueError: where that dimension is empty.

    Reference:
        Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders,
        https://arxiv.org/abs/1509.00519

    >>> float(log_mean_exp(torch.tensor([1000.0, 1000.0])))
    1000.0
    """
    if values.shape[dim] == 0:
        raise ValueError(f"values: expected at least one sample along dim {dim}, got shape {tuple(values.shape)}")
    return torch.logsumexp(values, dim) - math.log(values.shape[dim])


def bits_per_dim(nats: Tensor | float, data_dim: int) -> Tensor | float:
    """Convert nats for an example into bits for a data dimension: nats / (D log 2).

    Only meaningful for a *discrete* likelihood (or dequantised data), where −log p(x) is a code length.

    Args:
        nats: −log p(x) or a bound on it, in nats.
        data_dim: D, the number of observed values in an example.

    Raises:
        ValueError: where `data_dim` is not positive.

    >>> round(bits_per_dim(64 * math.log(2), 64), 6)
    1.0
    """
    if data_dim < 1:
        raise ValueError(f"data_dim: expected at least 1, got {data_dim}")
    return nats / (data_dim * math.log(2.0))
