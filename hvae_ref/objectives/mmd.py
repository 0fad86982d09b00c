"""Maximum mean discrepancy between the aggregate posterior and the prior: the penalty of InfoVAE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae_ref.errors import real_number


@dataclass(frozen=True, eq=False)
class LatentSamples:
    """Samples of each level from the two distributions that a penalty compares.

    Attributes:
        posterior: z_l ~ q(z_l) = E_x q(z_l|x), one sample for each example, (B, *event).
        prior: z_l ~ p(z_l), ancestral samples, (n, *event).
    """

    posterior: Mapping[str, Tensor]
    prior: Mapping[str, Tensor]


def _kernel(squared_distance: Tensor, dim: int, kernel: str) -> Tensor:
    # The mean squared distance of two draws from N(0, I_D) is 2D: one natural unit for both kernels.
    if kernel == "gaussian":
        return torch.exp(-squared_distance / (2 * dim))
    return 2 * dim / (2 * dim + squared_distance)


def mmd(a: Tensor, b: Tensor, kernel: str = "imq") -> Tensor:
    """The unbiased estimate of the squared maximum mean discrepancy of two samples.

    MMD²(q, p) = E k(a, a′) + E k(b, b′) − 2 E k(a, b),  pairs of one point with itself left out

    The estimate may be slightly negative where q = p.

    Args:
        a: (n, D) with n ≥ 2.
        b: (m, D) with m ≥ 2.
        kernel: "imq", 2D / (2D + d²), whose tail keeps far points informative; or "gaussian", exp(−d² / 2D).

    Returns:
        A scalar without unit.

    Raises:
        ValueError: for another kernel, another shape, or fewer than two points.

    Reference:
        Gretton et al. (2012), A Kernel Two-Sample Test, https://jmlr.org/papers/v13/gretton12a.html

    >>> point = torch.zeros(2, 3)
    >>> float(mmd(point, point))
    0.0
    """
    if kernel not in ("imq", "gaussian"):
        raise ValueError(f'kernel: expected "imq" or "gaussian", got {kernel!r}')
    for name, points in (("a", a), ("b", b)):
        if points.dim() != 2 or len(points) < 2 or points.shape[1] != a.shape[-1]:
            raise ValueError(f"{name}: expected at least two points, shape (n, D), got {tuple(points.shape)}")

    def mean_kernel(u: Tensor, v: Tensor) -> Tensor:
        return _kernel((u[:, None] - v[None]).square().sum(-1), u.shape[1], kernel)

    def mean_of_pairs(u: Tensor) -> Tensor:
        n = len(u)
        return (mean_kernel(u, u).sum() - n) / (n * (n - 1))

    return mean_of_pairs(a) + mean_of_pairs(b) - 2 * mean_kernel(a, b).mean()


@dataclass(frozen=True)
class MmdPenalty:
    """weight · Σ_l MMD²(q(z_l), p(z_l)), summed over the levels.

    InfoVAE, E log p(x|z) − (1 − α) KL − (α + λ − 1) D(q(z) ‖ p(z)), is this penalty with
    `weight` = α + λ − 1 beside β = 1 − α. Each level's marginals are compared, not the joint of the levels: matching
    marginals is necessary for matching joints, and can be estimated from `encode` alone.

    With several processes each takes the estimate from its own share of the batch; their mean is still unbiased. A
    single sample has no pairs to compare, so a batch of one example is not charged.

    Args:
        weight: nats for a unit of MMD²; a useful value is of the order of the reconstruction term.
        kernel: see `mmd`.
        levels: names of the levels to compare; None for all of them.

    Raises:
        ValueError: for a negative weight or another kernel.

    Reference:
        Zhao, Song and Ermon (2019), InfoVAE, https://arxiv.org/abs/1706.02262
    """

    weight: float = 10.0
    kernel: str = "imq"
    levels: Sequence[str] | None = None

    def __post_init__(self) -> None:
        real_number("weight", self.weight, least=0)
        if self.kernel not in ("imq", "gaussian"):
            raise ValueError(f'kernel: expected "imq" or "gaussian", got {self.kernel!r}')
        if isinstance(self.levels, str):
            raise ValueError(f"levels: expected a sequence of names such as ({self.levels!r},), got {self.levels!r}")
        if self.levels is not None:
            # A recipe gives a list; a tuple keeps the penalty immutable.
            object.__setattr__(self, "levels", tuple(self.levels))

    def __call__(self, latents: LatentSamples) -> Tensor:
        """The weighted penalty, a scalar."""
        levels = tuple(latents.posterior) if self.levels is None else self.levels
        unknown = [level for level in levels if level not in latents.posterior]
        if unknown:
            raise ValueError(f"levels: expected names among {list(latents.posterior)}, got {unknown}")
        terms = []
        for level in levels:
            posterior, prior = latents.posterior[level].flatten(1), latents.prior[level].flatten(1)
            enough = len(posterior) > 1 and len(prior) > 1
            # Zero with the samples' own graph, so that every parameter still gets its gradient.
            terms.append(mmd(posterior, prior, self.kernel) if enough else 0 * posterior.sum())
        return self.weight * torch.stack(terms).sum()
