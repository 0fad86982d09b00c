"""The von Mises-Fisher distribution on a unit sphere, for any dimension and any concentration."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Transform, biject_to, constraints, register_kl, transform_to
from torch.distributions.constraints import Constraint

from hvae_ref.distributions.base import apply, checked_now, checked_shape, expanded
from hvae_ref.distributions.sphere.bessel import (
    bessel_kl,
    bessel_ratio,
    bessel_ratio_complement,
    bessel_ratio_derivative,
    log_bessel_normalized,
    log_bessel_scaled,
)
from hvae_ref.distributions.sphere.concentration_divergence import ConcentrationDivergence, DivergenceBackwards
from hvae_ref.distributions.sphere.hyperspherical_uniform import (
    HypersphericalUniform,
    checked_points,
    log_sphere_area,
    unit_vector,
)
from hvae_ref.distributions.sphere.sphere_fit import fit_von_mises_fisher
from hvae_ref.distributions.sphere.sphere_sampling import sample_von_mises_fisher


class _FiniteNonnegative(Constraint):
    """Numbers from 0 on, infinity left out."""

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0) & torch.isfinite(value)


@biject_to.register(_FiniteNonnegative)
@transform_to.register(_FiniteNonnegative)
def _to_nonnegative(constraint: Constraint) -> Transform:
    return transform_to(constraints.nonnegative)


class VonMisesFisher(Distribution):
    r"""The von Mises-Fisher distribution on the unit sphere S^{m−1} in R^m.

    p(z) = C_m(κ) exp(κ μᵀz),   log C_m(κ) = (m/2 − 1) log κ − (m/2) log 2π − log I_{m/2−1}(κ)   (book, eq. 5.1, 5.5)

    κ = 0 is a legal value and the uniform distribution. All that depends on κ is computed in float64 and returned in
    the dtype of the arguments; no formula switches at some κ. Gradients of `log_prob` in z and μ are those of
    −½ κ ‖z − μ‖², which differ from those of κ μᵀz by a vector that points away from the sphere and that
    normalisation takes out.

    Args:
        loc: mean direction μ, (…, m) with m ≥ 2, each of length 1. A zero vector is no direction (V4).
        concentration: κ ≥ 0, broadcast with the batch shape of `loc`.
        validate_args: whether to check the arguments and the values given to `log_prob`; torch's default where None.

    Raises:
        ValueError: where a direction has another length than 1, κ is negative or not finite, m < 2, or shapes
            do not broadcast.

    Reference:
        Davidson et al. (2018), Hyperspherical Variational Auto-Encoders, https://arxiv.org/abs/1804.00891

    >>> p = VonMisesFisher(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 2.0]))
    >>> p.batch_shape, p.event_shape, p.mean_resultant_length
    (torch.Size([2]), torch.Size([3]), tensor([0.0000, 0.5373]))
    """

    arg_constraints = {"loc": unit_vector, "concentration": _FiniteNonnegative()}
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor | float | int, validate_args: bool | None = None) -> None:
        if not isinstance(loc, Tensor) or not loc.is_floating_point():
            raise ValueError(f"loc: expected a floating-point tensor, got {getattr(loc, 'dtype', type(loc).__name__)}")
        if loc.dim() < 1 or loc.shape[-1] < 2:
            raise ValueError(f"loc: expected shape (…, m) with m of at least 2, got {tuple(loc.shape)}")
        kind = getattr(concentration, "dtype", type(concentration).__name__)
        if kind != loc.dtype and str(kind).removeprefix("torch.").startswith(("bool", "complex", "str")):
            raise ValueError(f"concentration: expected a tensor or a number, got {concentration!r}")
        try:
            concentration = torch.as_tensor(concentration, dtype=loc.dtype, device=loc.device)
        except (TypeError, RuntimeError, ValueError) as error:
            raise ValueError(f"concentration: expected a tensor or a number, got {concentration!r}") from error
        try:
            batch_shape = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        except RuntimeError as error:
            raise ValueError(
                f"concentration: expected a shape that broadcasts with {tuple(loc.shape[:-1])}, "
                f"got {tuple(concentration.shape)}"
            ) from error
        self.dim = loc.shape[-1]
        self.order = self.dim / 2 - 1
        self.loc = loc.expand(*batch_shape, self.dim)
        self.concentration = concentration.expand(batch_shape)
        super().__init__(batch_shape, Size((self.dim,)), validate_args=checked_now(validate_args))

    @classmethod
    def fit(cls, value: Tensor, weights: Tensor | None = None) -> VonMisesFisher:
        """The distribution of highest likelihood: μ = S/‖S‖ and A_m(κ) = R̄ = ‖S‖ / Σ_i w_i, S = Σ_i w_i z_i.

        With n draws κ is too large on average by a relative error of the order of 1/n. Where R̄ = 0, κ is 0 and every
        direction is as likely; the first axis is given.

        Args:
            value: n unit vectors, (n, …, m): one distribution for each element of the batch in the middle.
            weights: w ≥ 0, (n,) or (n, …); equal where it is None.

        Returns:
            Batch shape (…), of the dtype of `value`, without gradients.

        Raises:
            ValueError: where values are no unit vectors, weights do not fit, or all values are one point, for which
                the likelihood has no maximum.

        Reference:
            Mardia and Jupp (2000), Directional Statistics, section 10.3.1

        >>> p = VonMisesFisher.fit(torch.eye(3))
        >>> p.loc, p.concentration
        (tensor([0.5774, 0.5774, 0.5774]), tensor(2.2456))
        """
        loc, concentration = fit_von_mises_fisher(value, weights)
        return cls(loc.to(value.dtype), concentration.to(value.dtype))

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Constraint:
        """The unit sphere."""
        return unit_vector

    def expand(self, batch_shape: Sequence[int], _instance: VonMisesFisher | None = None) -> VonMisesFisher:
        """The same distribution with a larger batch shape, without copying the parameters."""
        return expanded(self, batch_shape, _instance, loc=1, concentration=0)

    @property
    def _kappa(self) -> Tensor:
        return self.concentration.to(torch.float64)

    @property
    def log_normalizer(self) -> Tensor:
        """log C_m(κ) of eq. 5.5, batch shape, in nats: minus the log of the sphere's area at κ = 0 (V2)."""
        log_c = -log_bessel_normalized(self.order, self._kappa) - log_sphere_area(self.dim)
        return log_c.to(self.loc.dtype)

    @property
    def mean_resultant_length(self) -> Tensor:
        """A_m(κ) = I_{m/2}(κ) / I_{m/2−1}(κ) = E[μᵀz] (eq. 5.6), batch shape, from 0 to 1."""
        return bessel_ratio(self.order, self.concentration)

    @property
    def mean(self) -> Tensor:
        """E[z] = A_m(κ) μ, batch shape + (m,): inside the sphere."""
        return self.mean_resultant_length.unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Tensor:
        """μ, batch shape + (m,); at κ = 0 every point is a mode."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate, batch shape + (m,).

        The diagonal of Cov[z] = A′ μμᵀ + (A/κ) (I − μμᵀ), with A/κ = (1 − A² − A′)/(m − 1), which is 1/m at κ = 0.
        """
        kappa = self._kappa
        slope = bessel_ratio_derivative(self.order, kappa)
        one_minus = bessel_ratio_complement(self.order, kappa)
        across = (one_minus * (2 - one_minus) - slope) / (self.dim - 1)
        square = self.loc.to(torch.float64) ** 2
        variance = slope.unsqueeze(-1) * square + across.unsqueeze(-1) * (1 - square)
        return variance.to(self.loc.dtype)

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw points, shape `sample_shape + batch_shape + (m,)`, differentiable in μ and κ."""
        return sample_von_mises_fisher(self.loc, self.concentration, checked_shape("sample_shape", sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value), shape of `value` without its last dimension broadcast with the batch shape, in nats.

        κ μᵀz + log C_m(κ) = −½ κ ‖z − μ‖² + (κ − L) − log area, which keeps the digits of float32 at large κ.

        Raises:
            ValueError: for values that are no floating-point tensor, of another dimension, or off the sphere.
        """
        checked_points(value, self.dim)
        if self._validate_args:
            self._validate_sample(value)
        at_mode = -log_bessel_scaled(self.order, self._kappa) - log_sphere_area(self.dim)
        distance = (value - self.loc).square().sum(-1)
        return at_mode.to(self.loc.dtype) - 0.5 * self.concentration * distance

    def entropy(self) -> Tensor:
        """log area − KL(p ‖ uniform) (eq. 5.8), batch shape, in nats."""
        return (log_sphere_area(self.dim) - bessel_kl(self.order, self._kappa)).to(self.loc.dtype)


def _same_sphere(p: Distribution, q: Distribution) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"kl_divergence: expected two spheres of the same dimension, got {p.event_shape[0]} and {q.event_shape[0]}"
        )


@register_kl(VonMisesFisher, HypersphericalUniform)
def _kl_von_mises_fisher_uniform(p: VonMisesFisher, q: HypersphericalUniform) -> Tensor:
    """κ A_m(κ) + log C_m(κ) + log area (eq. 5.7), about κ²/2m as κ → 0; no I_0, no ½κ (V1, V3)."""
    _same_sphere(p, q)
    kl = bessel_kl(p.order, p.concentration)
    return kl.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))


@register_kl(HypersphericalUniform, VonMisesFisher)
def _kl_uniform_von_mises_fisher(p: HypersphericalUniform, q: VonMisesFisher) -> Tensor:
    """L(κ), since E[μᵀz] = 0 under the uniform distribution."""
    _same_sphere(p, q)
    kl = log_bessel_normalized(q.order, q.concentration)
    return kl.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))


@register_kl(HypersphericalUniform, HypersphericalUniform)
def _kl_uniform(p: HypersphericalUniform, q: HypersphericalUniform) -> Tensor:
    """0."""
    _same_sphere(p, q)
    return p.entropy().new_zeros(torch.broadcast_shapes(p.batch_shape, q.batch_shape))


@register_kl(VonMisesFisher, VonMisesFisher)
def _kl_von_mises_fisher(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    """[L_q − L_p − (κ_q − κ_p) A_p] + ½ κ_q A_p ‖μ_q − μ_p‖²: concentration and direction, each at least 0."""
    _same_sphere(p, q)
    kappa_p, kappa_q = torch.broadcast_tensors(p._kappa, q._kappa)
    concentration = apply(ConcentrationDivergence, DivergenceBackwards, p.order, kappa_p, kappa_q)
    distance = (q.loc - p.loc).to(torch.float64).square().sum(-1)
    direction = 0.5 * kappa_q * bessel_ratio(p.order, kappa_p) * distance
    return (concentration + direction).to(torch.promote_types(p.loc.dtype, q.loc.dtype))
