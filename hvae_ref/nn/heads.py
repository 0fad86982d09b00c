"""Conditional distributions: a net goes in, a call with what stands behind the bar gives a distribution.

The only place in the package that knows about `log_sigma` heads, logits and floors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal

from hvae_ref.distributions import Autoregressive, DiscretizedLogisticMixture, FlattenedEvent, VonMisesFisher
from hvae_ref.nn.made import MADE

MIN_LOG_SIGMA = -6.0
"""Floor of every `log_sigma` head, approached smoothly: scales stay above exp(−6) ≈ 0.0025."""

SOFT_LOG_SIGMA = 5.0
"""Above this value of log σ (σ ≈ 148) heads grow only logarithmically, so that no σ overflows early in training."""

CONCENTRATIONS = ("natural", "scaled", "softplus")
LIKELIHOODS = ("bernoulli", "categorical", "logistic_mixture")


def soft_limit(raw: Tensor) -> Tensor:
    """The identity up to `SOFT_LOG_SIGMA`, logarithmic growth above it; smooth, and with a gradient everywhere."""
    above = SOFT_LOG_SIGMA + torch.log1p(torch.relu(raw - SOFT_LOG_SIGMA))
    return torch.where(raw > SOFT_LOG_SIGMA, above, raw)


def bounded_log_sigma(raw: Tensor) -> Tensor:
    """What every head does to its raw log σ: a smooth floor, and a slow growth where σ would soon overflow.

    In between it is the identity to three digits, and the gradient is never zero.
    """
    return MIN_LOG_SIGMA + nn.functional.softplus(soft_limit(raw) - MIN_LOG_SIGMA)


def full_precision(h: Tensor) -> Tensor:
    """Lift half-precision outputs of a net to float32, so that densities and KLs under autocast keep their digits."""
    return h.to(torch.promote_types(h.dtype, torch.float32))


def length(v: Tensor) -> Tensor:
    """‖v‖ of v (…, m), with a gradient of 0 where v is 0."""
    square = v.square().sum(-1)
    return torch.where(square > 0, square, 1).sqrt() * (square > 0)


def direction(v: Tensor) -> Tensor:
    """v / ‖v‖ of v (…, m); the first axis, without a gradient, where v is 0."""
    first = torch.zeros_like(v)
    first[..., 0] = 1
    unit = torch.where((v != 0).any(-1, keepdim=True), v, first)
    # By the largest number first: squares of tiny or huge ones are 0 or infinite.
    unit = unit / unit.abs().amax(-1, keepdim=True).detach()
    return unit / torch.linalg.vector_norm(unit, dim=-1, keepdim=True)


def standard_normal(n: int, dim: int, like: Tensor) -> Independent:
    """N(0, I) with batch shape (n,) and event shape (dim,), dtype and device of `like`."""
    zeros = like.new_zeros(n, dim)
    return Independent(Normal(zeros, torch.ones_like(zeros)), 1)


class ConditionalNormal(nn.Module):
    """N(μ(h), diag σ(h)²) from a net whose output is split into loc and log_sigma.

    Args:
        net: maps (B, H) to (B, 2 D): D locations, then D values of log σ before the floor.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *given: Tensor) -> Independent:
        """Answer `Independent(Normal, 1)`, batch (B,), event (D,); several conditions are concatenated."""
        loc, raw = full_precision(self.net(torch.cat(given, -1))).chunk(2, -1)
        return Independent(Normal(loc, bounded_log_sigma(raw).exp()), 1)


class ConditionalVonMisesFisher(nn.Module):
    """A von Mises-Fisher distribution on S^{m−1}, or a product of S of them, from a net; eq. 5.12 in the book.

    The net gives a vector v of m numbers and one raw number a sphere; μ = v / ‖v‖, and κ is read in one of three ways:

    - "natural": κ = √m ‖v‖ (1 + 1/σ²), with log σ as in `ConditionalNormal`: the prior's precision, and what x adds to
      it. Where κ is small the point √m z is distributed as N(κ μ/√m, I) is, KL(q ‖ uniform) ≈ κ²/2m, and nothing is
      singular: a net learns it as it learns a Gaussian's. No σ can bring κ below √m ‖v‖, where v has a gradient.
    - "scaled": κ = m / σ². A net whose outputs are near 0 starts at κ = m, with a mean resultant length of about 0.62
      for every m, and pays a number of nats that grows with m before it knows anything of x.
    - "softplus": κ = 1 + softplus(raw), as public code has it: 1.7 at the start in every dimension, which for m ≥ 16 is
      nearly uniform, and hundreds of steps away from any other value.

    Args:
        net: maps (B, H) to (B, S (m + 1)): S m coordinates of the vectors v, then S raw numbers.
        spheres: S.
        concentration: how κ is read.

    Raises:
        ValueError: for an unknown name or no sphere; in a call, where the net has another number of outputs.
    """

    def __init__(self, net: nn.Module, spheres: int = 1, concentration: str = "natural") -> None:
        super().__init__()
        if concentration not in CONCENTRATIONS:
            raise ValueError(f"concentration: expected one of {', '.join(CONCENTRATIONS)}, got {concentration!r}")
        if spheres < 1:
            raise ValueError(f"spheres: expected at least 1, got {spheres}")
        self.net, self.spheres, self.concentration = net, spheres, concentration

    def forward(self, *given: Tensor) -> VonMisesFisher | FlattenedEvent:
        """Answer the distribution, batch (B,), event (S m,); several conditions are concatenated."""
        out = full_precision(self.net(torch.cat(given, -1)))
        if out.shape[-1] % self.spheres or out.shape[-1] < 3 * self.spheres:
            raise ValueError(
                f"net: expected {self.spheres} · (m + 1) outputs with m of at least 2, got {out.shape[-1]}"
            )
        v, raw = out[..., : -self.spheres].unflatten(-1, (self.spheres, -1)), out[..., -self.spheres :]
        m = v.shape[-1]
        if self.concentration == "softplus":
            kappa = 1 + nn.functional.softplus(raw)
        else:
            precision = torch.exp(-2 * bounded_log_sigma(raw))
            kappa = m**0.5 * length(v) * (1 + precision) if self.concentration == "natural" else m * precision
        loc = direction(v)
        if self.spheres == 1:
            return VonMisesFisher(loc.squeeze(-2), kappa.squeeze(-1))
        return FlattenedEvent(Independent(VonMisesFisher(loc, kappa), 1))


class ConditionalBernoulli(nn.Module):
    """Independent pixels in {0, 1}, from logits: no sigmoid and no clamp on the way to the loss."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *given: Tensor) -> Independent:
        """Answer `Independent(Bernoulli, 1)`, batch (B,), event (D,)."""
        return Independent(Bernoulli(logits=full_precision(self.net(torch.cat(given, -1)))), 1)


class GreyLevels(Categorical):
    """A categorical over the grey levels 0 … V − 1 that also has the mean of its *values*."""

    @property
    def mean(self) -> Tensor:
        """Expected grey level, batch shape."""
        return (self.probs * torch.arange(self.probs.shape[-1], device=self.probs.device)).sum(-1)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw grey levels in the dtype of the logits, as the data sets hold them."""
        return super().sample(sample_shape).to(self.logits.dtype)


class ConditionalCategorical(nn.Module):
    """Independent pixels over V unordered grey levels.

    Args:
        net: maps (B, H) to (B, D V).
        num_values: V.
    """

    def __init__(self, net: nn.Module, num_values: int) -> None:
        super().__init__()
        self.net, self.num_values = net, num_values

    def forward(self, *given: Tensor) -> Independent:
        """Answer `Independent(GreyLevels, 1)`, batch (B,), event (D,)."""
        logits = full_precision(self.net(torch.cat(given, -1))).unflatten(-1, (-1, self.num_values))
        return Independent(GreyLevels(logits=logits), 1)


def logistic_mixture(raw: Tensor, num_values: int) -> DiscretizedLogisticMixture:
    """Read a net's output (…, 3 K) as mixture logits, locations and log scales over V grey levels.

    Locations are counted from the middle of the grey scale in units of half its range, and scales in units of an
    eighth of the range, so that a net whose outputs are near 0 starts with wide bins over the whole scale.
    """
    logits, loc, log_scale = raw.chunk(3, -1)
    half = (num_values - 1) / 2
    scale = bounded_log_sigma(log_scale).exp() * half / 4
    return DiscretizedLogisticMixture(logits, half * (1 + loc), scale, num_values)


class ConditionalLogisticMixture(nn.Module):
    """Independent pixels over V ordered grey levels, each a mixture of K discretised logistics.

    Args:
        net: maps (B, H) to (B, D 3 K).
        num_values: V.
        components: K.
    """

    def __init__(self, net: nn.Module, num_values: int, components: int) -> None:
        super().__init__()
        self.net, self.num_values, self.components = net, num_values, components

    def forward(self, *given: Tensor) -> Independent:
        """Answer `Independent(DiscretizedLogisticMixture, 1)`, batch (B,), event (D,)."""
        raw = full_precision(self.net(torch.cat(given, -1))).unflatten(-1, (-1, 3 * self.components))
        return Independent(logistic_mixture(raw, self.num_values), 1)


class ConditionalAutoregressive(nn.Module):
    """Pixels drawn one after the other, each given those before it and z, from a MADE.

    Args:
        made: `data_dim` blocks of outputs, as many as the likelihood needs for a pixel.
        likelihood: one of `LIKELIHOODS`.
        num_values: V.
        rescale: applied to x before it enters the net.
    """

    def __init__(self, made: MADE, likelihood: str, num_values: int, rescale: nn.Module) -> None:
        super().__init__()
        self.made, self.likelihood, self.num_values, self.rescale = made, likelihood, num_values, rescale

    def forward(self, z: Tensor) -> Autoregressive:
        """Answer `Autoregressive`, batch (B,), event (D,)."""

        def conditionals(x: Tensor) -> Distribution:
            """p(x_i | x_<i, z) of every pixel i at once."""
            raw = full_precision(self.made(self.rescale(x), z))
            if self.likelihood == "bernoulli":
                return Bernoulli(logits=raw.squeeze(-1))
            if self.likelihood == "categorical":
                return GreyLevels(logits=raw)
            return logistic_mixture(raw, self.num_values)

        return Autoregressive(conditionals, z.shape[:-1], self.made.data_dim, like=z)


def outputs_per_pixel(likelihood: str, num_values: int, components: int) -> int:
    """Numbers a net must produce for each pixel.

    Raises:
        ValueError: for an unknown likelihood, no mixture component, or a Bernoulli over more than two values.
    """
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood: expected one of {', '.join(LIKELIHOODS)}, got {likelihood!r}")
    if components < 1:
        raise ValueError(f"components: expected at least 1, got {components}")
    if likelihood == "bernoulli" and num_values != 2:
        raise ValueError(
            f"num_values: a Bernoulli likelihood is over the 2 values 0 and 1, got {num_values}; binarise the data "
            "(hvae_ref.data.load(…, binarize='dynamic')) or choose another likelihood"
        )
    return {"bernoulli": 1, "categorical": num_values, "logistic_mixture": 3 * components}[likelihood]


def conditional_pixels(net: nn.Module, likelihood: str, num_values: int, components: int) -> nn.Module:
    """The p(x|·) of a model: independent pixels under one of `LIKELIHOODS`.

    Args:
        net: maps (B, H) to (B, D · `outputs_per_pixel(…)`).
        likelihood: one of `LIKELIHOODS`.
        num_values: V.
        components: mixture components K, used by "logistic_mixture".
    """
    outputs_per_pixel(likelihood, num_values, components)
    if likelihood == "bernoulli":
        return ConditionalBernoulli(net)
    if likelihood == "categorical":
        return ConditionalCategorical(net, num_values)
    return ConditionalLogisticMixture(net, num_values, components)
