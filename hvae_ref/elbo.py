"""The evidence lower bound as a record of named terms, and the importance-weighted bound built on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

KlEstimator = Callable[[Distribution, Distribution, Tensor], Tensor]
"""How one level's divergence is taken: from q, p and the sample z ~ q, one value for each example."""


def analytic_kl_or_sample(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    """KL(q ‖ p) in closed form; where none is known, as for a flow, log q(z) − log p(z) at the sample.

    Args:
        q: posterior of one level, batch shape (B,).
        p: prior of that level given the levels above, batch shape (B,).
        z: sample (B, D) from q; ignored where there is a closed form.

    Returns:
        (B,) nats.
    """
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return sampled_kl(q, p, z)


def sampled_kl(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    """log q(z) − log p(z): the unbiased one-sample estimate of KL(q ‖ p).

    Using it on every level turns the value of an `Elbo` into a log importance weight,
    log p(x, z) − log q(z | x).

    Args:
        q: posterior of one level, batch shape (B,).
        p: prior of that level given the levels above, batch shape (B,).
        z: sample (B, D) from q.

    Returns:
        (B,) nats; single values may be negative.
    """
    return q.log_prob(z) - p.log_prob(z)


@dataclass(frozen=True)
class Elbo:
    """The evidence lower bound of each example in a batch, in nats, term by term.

    ELBO(x) = E_q[log p(x|z)] − Σ_l E_q[KL(q(z_l|·) ‖ p(z_l|·))]   (book, eq. 1.5 and 2.4)

    Nothing is averaged or weighted here: β, free bits, units and the mean over the batch
    belong to the objective.

    Attributes:
        log_px: log p(x|z) at the sampled z, (B,).
        kl: one entry a level, (B,) each, ordered from the top level to the bottom one.
        auxiliary: terms (B,) that a model is trained with *beside* its bound, by name; no part of `value`.

    Raises:
        ValueError: where `kl` is empty, a term has another shape than `log_px`, or a name stands for two terms.
    """

    log_px: Float[Tensor, " batch"]
    kl: Mapping[str, Float[Tensor, " batch"]]
    auxiliary: Mapping[str, Float[Tensor, " batch"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.kl:
            raise ValueError("kl: expected an entry for every level, got none")
        shared = sorted(set(self.kl) & set(self.auxiliary))
        if shared:
            raise ValueError(f"auxiliary: expected names that no level of kl has, got {', '.join(shared)} in both")
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
        return torch.stack(tuple(self.kl.values())).sum(0)

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
