"""Expectation maximisation for a mixture of Gaussians, over data that need not fit in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae_ref.data.examples import in_words
from hvae_ref.errors import real_number, whole_number
from hvae_ref.features.density.kmeans import Reservoir, kmeans
from hvae_ref.features.density.mixture import GaussianMixture
from hvae_ref.features.density.mixture_head import MIN_SCALE
from hvae_ref.features.density.mixture_sums import COVARIANCES, Sums, free_parameters
from hvae_ref.features.validation import checked_tensor

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
        rows: N.
        covariance: kind of the covariances.
    """

    mixture: GaussianMixture
    log_likelihood: float
    steps: int
    converged: bool
    rows: int
    covariance: str = "full"

    @property
    def parameters(self) -> int:
        """How many numbers of the mixture were chosen by the fit."""
        return free_parameters(self.mixture.components, self.mixture.event_shape[0], self.covariance)

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 × parameters − 2 × log-likelihood of all rows, nats; the lowest of several is best.

        Reference:
            Akaike (1974), A New Look at the Statistical Model Identification, https://doi.org/10.1109/TAC.1974.1100705
        """
        return 2 * self.parameters - 2 * self.rows * self.log_likelihood

    @property
    def bic(self) -> float:
        """The Bayesian criterion, log N × parameters − 2 × log-likelihood of all rows, nats; the lowest is best.

        Reference:
            Schwarz (1978), Estimating the Dimension of a Model, https://doi.org/10.1214/aos/1176344136
        """
        return math.log(self.rows) * self.parameters - 2 * self.rows * self.log_likelihood


def fit_mixture(
    x: Tensor | Iterable[Tensor],
    components: int,
    *,
    seed: int = 0,
    min_scale: float = MIN_SCALE,
    starts: int = 4,
    tolerance: float = 1e-5,
    max_steps: int = 300,
    covariance: str = "full",
    init: Tensor | GaussianMixture | None = None,
) -> MixtureFit:
    r"""Fit weights, locations and covariances by maximum likelihood, with a least standard deviation.

    r_nk = P(k | x_n),   π_k = Σ_n r_nk / N,   μ_k = Σ_n r_nk x_n / Σ_n r_nk,
    Σ_k = Σ_n r_nk (x_n − μ_k)(x_n − μ_k)ᵀ / Σ_n r_nk + min_scale² I

    All sums are in float64, and those of squares are taken around the component's last location, so that features
    with a large mean lose no digits. "diagonal" keeps the diagonal of Σ_k alone, "tied" has Σ_k (Σ_n r_nk / N) Σ_k for
    all components. Constant features give N(c, min_scale² I).

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
        covariance: "full" matrices, "diagonal" ones, or one full matrix for all components, "tied".
        init: locations (K, D) where EM begins, or a mixture; in the place of k-means and of several starts.

    Returns:
        The mixture of highest likelihood found.

    Raises:
        ValueError: for fewer rows than components, rows that are not finite, chunks that can be read only once, or an
            argument out of its range.

    Reference:
        Dempster, Laird and Rubin (1977), Maximum Likelihood from Incomplete Data via the EM Algorithm,
        https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    _check(x)
    components, starts = whole_number("components", components), whole_number("starts", starts)
    max_steps, seed = whole_number("max_steps", max_steps), whole_number("seed", seed, 0)
    min_scale, tolerance = real_number("min_scale", min_scale, above=0), real_number("tolerance", tolerance, 0)
    if covariance not in COVARIANCES:
        raise ValueError(f"covariance: expected one of {', '.join(COVARIANCES)}, got {covariance!r}")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        reservoir = Reservoir(START_ROWS, generator)
        for chunk in _rows(x):
            reservoir.add(chunk)
        like, sample = reservoir.kept, _double(reservoir.kept)
        if len(sample) < components:
            raise ValueError(f"x: expected at least as many rows as components, {components}, got {len(sample)}")
        if init is None:
            firsts = [_first(sample, components, min_scale, generator, covariance) for _ in range(starts)]
            tries = [_run(sample, first, min_scale, tolerance, START_STEPS, covariance) for first in firsts]
            first = max(tries, key=lambda fit: fit.log_likelihood).mixture
        else:
            first = _given(sample, init, components, min_scale, covariance)
        fit = _run(x, first, min_scale, tolerance, max_steps, covariance)
        parts = (part.to(like) for part in (fit.mixture.logits, fit.mixture.loc, fit.mixture.scale_tril))
    return replace(fit, mixture=GaussianMixture(*parts, validate_args=False))


def _first(
    x: Tensor, components: int, min_scale: float, generator: torch.Generator, covariance: str
) -> GaussianMixture:
    """The mixture that k-means' clusters give."""
    sums = Sums(x.new_zeros(components, x.shape[-1]), covariance)
    sums.add(x, torch.nn.functional.one_hot(kmeans(x, components, generator), components).to(x))
    return sums.mixture(min_scale)


def _given(
    x: Tensor, init: Tensor | GaussianMixture, components: int, min_scale: float, covariance: str
) -> GaussianMixture:
    """The mixture where EM is to begin: a given one, or given locations with what lies nearest to each."""
    loc = init.loc if isinstance(init, GaussianMixture) else checked_tensor("init", init, "locations or a mixture")
    if tuple(loc.shape) != (components, x.shape[1]):
        raise ValueError(f"init: expected locations {(components, x.shape[1])}, got {tuple(loc.shape)}")
    if not loc.isfinite().all():
        raise ValueError("init: expected finite locations, got NaN or infinity")
    if isinstance(init, GaussianMixture):
        return GaussianMixture(*(part.to(x) for part in (init.logits, init.loc, init.scale_tril)), validate_args=False)
    sums = Sums(loc.to(x), covariance)
    sums.add(x, torch.nn.functional.one_hot(torch.cdist(x, loc.to(x)).argmin(1), components).to(x))
    near = sums.mixture(min_scale)
    # A location that is nearest to no row still counts as one row, or it would never get any.
    logits = (sums.count.clamp_min(1.0)).log()
    whole = Sums(x.mean(0, keepdim=True), "diagonal" if covariance == "diagonal" else "full")
    whole.add(x, x.new_ones(len(x), 1))
    alone = (sums.count < 2)[:, None, None]
    scale_tril = torch.where(alone, whole.mixture(min_scale).scale_tril, near.scale_tril)
    return GaussianMixture(logits, loc.to(x), scale_tril, validate_args=False)


def _run(
    x: Tensor | Iterable[Tensor],
    mixture: GaussianMixture,
    min_scale: float,
    tolerance: float,
    max_steps: int,
    covariance: str,
) -> MixtureFit:
    """EM that begins with a mixture; the likelihood returned is that of the mixture returned."""
    before, step = -float("inf"), 0
    while True:
        sums, total = Sums(mixture.loc, covariance), 0.0
        for chunk in _rows(x):
            chunk = _double(chunk)
            parts = mixture.component_log_prob(chunk)
            log_prob = parts.logsumexp(-1, keepdim=True)
            sums.add(chunk, (parts - log_prob).exp())
            total += log_prob.sum().item()
        mean = total / sums.rows
        converged = mean - before < tolerance
        if converged or step == max_steps:
            return MixtureFit(mixture, mean, step, converged, sums.rows, covariance)
        before, step, mixture = mean, step + 1, sums.mixture(min_scale)


def _rows(x: Tensor | Iterable[Tensor]) -> Iterator[Tensor]:
    """Chunks (n, D) of finite rows."""
    dim = None
    for chunk in x.split(ROWS_AT_ONCE) if isinstance(x, Tensor) else x:
        if not isinstance(chunk, Tensor):
            listed = isinstance(chunk, list | tuple) and len(chunk) and isinstance(chunk[0], Tensor)
            how = "; of a loader that gives lists, use [batch[0] for batch in loader]" if listed else ""
            raise ValueError(f"x: expected tensors (n, D) as chunks, got {in_words(chunk)}{how}")
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


def _check(x: Tensor | Iterable[Tensor]) -> None:
    if not isinstance(x, Tensor) and (
        hasattr(x, "dtype") or isinstance(x, str | Mapping) or not isinstance(x, Iterable)
    ):
        raise ValueError(f"x: expected a tensor (N, D) or chunks of it, got {in_words(x)}")
    if isinstance(x, Iterator):
        raise ValueError("x: expected a tensor or chunks that can be iterated over again, got an iterator read once")
