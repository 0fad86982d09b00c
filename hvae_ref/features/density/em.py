"""Expectation maximisation for a mixture of Gaussians, over data that need not fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae_ref.features.density.kmeans import Reservoir, kmeans
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MIN_SCALE
from hvae_ref.features.pyramid.principal_components import ROUNDING

ROWS_AT_ONCE = 8192
"""Rows of a tensor that go through a step together: what bounds the memory of a fit."""

START_ROWS = 20_000
"""Rows that k-means and the comparison of starts see."""

START_STEPS = 20
"""EM steps after which starts are compared."""


@dataclass(frozen=True)
class MixtureFit:
    """A fitted mixture and how it came about.

    Attributes:
        mixture: batch shape (), event (D,), in the dtype and on the device of the data.
        log_likelihood: mean log density of the data under it, nats a row.
        steps: EM steps over all data.
        converged: whether the last step gained less than the tolerance.
    """

    mixture: GaussianMixture
    log_likelihood: float
    steps: int
    converged: bool


def fit_mixture(
    x: Tensor | Iterable[Tensor],
    components: int,
    *,
    seed: int = 0,
    min_scale: float = MIN_SCALE,
    starts: int = 4,
    tolerance: float = 1e-5,
    max_steps: int = 300,
) -> MixtureFit:
    r"""Fit weights, locations and full covariances by maximum likelihood, with a least standard deviation.

    r_nk = P(k | x_n),   π_k = Σ_n r_nk / N,   μ_k = Σ_n r_nk x_n / Σ_n r_nk,
    Σ_k = Σ_n r_nk (x_n − μ_k)(x_n − μ_k)ᵀ / Σ_n r_nk + min_scale² I

    All sums are in float64, and those of squares are taken around the component's last location, so that features
    with a large mean lose no digits. Constant features give N(c, min_scale² I).

    Args:
        x: rows (N, D); or anything that can be iterated over again and again for chunks (n, D), such as a list of
            files' loaders: only one chunk is in memory at a time.
        components: K.
        seed: of the rows that k-means sees and of its centres.
        min_scale: least standard deviation in any direction, in the units of x; its square is scikit-learn's
            `reg_covar`. Where it lies below the rounding of float32, 1.2e-7 of a component's size, that takes its
            place.
        starts: how many k-means++ starts are tried on a sample; the best goes on to all data.
        tolerance: a step that gains less than this, in nats a row, is the last.
        max_steps: upper bound on the steps over all data.

    Returns:
        The mixture of highest likelihood found.

    Raises:
        ValueError: for fewer rows than components, rows that are not finite, chunks that can be read only once, or an
            argument out of its range.

    Reference:
        Dempster, Laird and Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm,
        https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    _check(x, components=components, starts=starts, max_steps=max_steps)
    if not min_scale > 0:
        raise ValueError(f"min_scale: expected a positive number, got {min_scale}")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        reservoir = Reservoir(START_ROWS, generator)
        for chunk in _rows(x):
            reservoir.add(chunk)
        like, sample = reservoir.kept, _double(reservoir.kept)
        if len(sample) < components:
            raise ValueError(f"x: expected at least as many rows as components, {components}, got {len(sample)}")
        firsts = [_first(sample, components, min_scale, generator) for _ in range(starts)]
        tries = [_run(sample, first, min_scale, tolerance, START_STEPS) for first in firsts]
        best = max(tries, key=lambda fit: fit.log_likelihood)
        fit = _run(x, best.mixture, min_scale, tolerance, max_steps)
        parts = (part.to(like) for part in (fit.mixture.logits, fit.mixture.loc, fit.mixture.scale_tril))
    return replace(fit, mixture=GaussianMixture(*parts, validate_args=False))


def _first(x: Tensor, components: int, min_scale: float, generator: torch.Generator) -> GaussianMixture:
    """The mixture that k-means' clusters give."""
    hard = torch.nn.functional.one_hot(kmeans(x, components, generator), components).to(x)
    sums = _Sums(x.new_zeros(components, x.shape[-1]))
    sums.add(x, hard)
    return sums.mixture(min_scale)


def _run(
    x: Tensor | Iterable[Tensor], mixture: GaussianMixture, min_scale: float, tolerance: float, max_steps: int
) -> MixtureFit:
    """EM that begins with a mixture; the likelihood returned is that of the mixture returned."""
    before, step = -float("inf"), 0
    while True:
        sums, total = _Sums(mixture.loc), 0.0
        for chunk in _rows(x):
            chunk = _double(chunk)
            parts = mixture.component_log_prob(chunk)
            log_prob = parts.logsumexp(-1, keepdim=True)
            sums.add(chunk, (parts - log_prob).exp())
            total += log_prob.sum().item()
        mean = total / sums.rows
        converged = mean - before < tolerance
        if converged or step == max_steps:
            return MixtureFit(mixture, mean, step, converged)
        before, step, mixture = mean, step + 1, sums.mixture(min_scale)


class _Sums:
    """What the maximisation needs of all rows: sums of responsibilities, and of rows and squares around `origin`."""

    def __init__(self, origin: Tensor) -> None:
        components, dim = origin.shape
        self.origin, self.rows = origin, 0
        self.count = origin.new_zeros(components)
        self.first = origin.new_zeros(components, dim)
        self.second = origin.new_zeros(components, dim, dim)

    def add(self, x: Tensor, responsibilities: Tensor) -> None:
        """Take rows x (n, D) in, with their responsibilities (n, K)."""
        self.rows += len(x)
        self.count += responsibilities.sum(0)
        for k, r in enumerate(responsibilities.unbind(-1)):
            centred = x - self.origin[k]
            weighted = r.unsqueeze(-1) * centred
            self.first[k] += weighted.sum(0)
            self.second[k] += weighted.mT @ centred

    def mixture(self, min_scale: float) -> GaussianMixture:
        """The mixture of highest expected likelihood. A component without rows keeps its place and has no weight."""
        tiny = 10 * torch.finfo(self.count.dtype).eps
        count = self.count + tiny
        shift = self.first / count.unsqueeze(-1)
        covariance = self.second / count[:, None, None] - shift.unsqueeze(-1) * shift.unsqueeze(-2)
        # No direction is known more exactly than rows are in float32: what is smaller is rounding, even below 0.
        size = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
        least = (ROUNDING**2 * size).clamp_min(min_scale**2)
        identity = torch.eye(shift.shape[-1], dtype=shift.dtype, device=shift.device)
        scale_tril = torch.linalg.cholesky((covariance + covariance.mT) / 2 + least[:, None, None] * identity)
        return GaussianMixture(count.log(), self.origin + shift, scale_tril, validate_args=False)


def _rows(x: Tensor | Iterable[Tensor]) -> Iterator[Tensor]:
    """Chunks (n, D) of finite rows."""
    dim = None
    for chunk in x.split(ROWS_AT_ONCE) if isinstance(x, Tensor) else x:
        if chunk.ndim != 2 or not chunk.shape[1] or not chunk.is_floating_point():
            raise ValueError(f"x: expected rows of shape (n, D) in floats, got {tuple(chunk.shape)}, {chunk.dtype}")
        dim = dim or chunk.shape[1]
        if chunk.shape[1] != dim:
            raise ValueError(f"x: expected chunks of one width, {dim} as in the first, got {tuple(chunk.shape)}")
        if not chunk.isfinite().all():
            raise ValueError("x: expected finite numbers, got NaN or infinity")
        yield chunk


def _double(x: Tensor) -> Tensor:
    """In float64, which Apple's GPUs do not have."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def _check(x: Tensor | Iterable[Tensor], **at_least_one: int) -> None:
    for name, value in at_least_one.items():
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    if isinstance(x, Iterator):
        raise ValueError("x: expected a tensor or chunks that can be iterated over again, got an iterator read once")
