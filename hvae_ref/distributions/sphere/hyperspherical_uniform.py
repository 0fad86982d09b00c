"""The uniform distribution on a unit sphere: the prior of hyperspherical latents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Transform, biject_to, constraints, transform_to
from torch.distributions.constraints import Constraint

from hvae_ref.distributions.base import checked_shape, expanded
from hvae_ref.errors import whole_number


class _UnitVector(Constraint):
    """Vectors of length 1, up to rounding: 1e-5 in float32 and in float64, which may hold what float32 rounded.

    A vector whose elements are all numbers of half precision may also be off by the rounding of that.
    """

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        """Whether each vector along the last dimension has length 1."""
        own = torch.finfo(value.dtype).eps
        off = (torch.linalg.vector_norm(value, dim=-1) - 1).abs()
        right = off <= max(own, torch.finfo(torch.float32).eps) ** 0.7
        for narrow in (torch.float16, torch.bfloat16) if own < 1e-6 else ():
            right = right | ((off <= torch.finfo(narrow).eps) & (value.to(narrow).to(value.dtype) == value).all(-1))
        return right

    def __reduce__(self) -> str:
        """A copy is the constraint itself, so that `is unit_vector` holds for copied and for unpickled models too."""
        return "unit_vector"


unit_vector = _UnitVector()


class ToSphere(Transform):
    """x / ‖x‖: real vectors other than 0 onto the unit sphere, for `torch.distributions.transform_to`.

    No bijection: every point of the sphere is the image of a ray, and itself the one that `inv` gives.
    """

    domain = constraints.real_vector
    codomain = unit_vector
    bijective = False

    def __eq__(self, other: object) -> bool:
        """All are the same."""
        return isinstance(other, ToSphere)

    __hash__ = Transform.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return torch.nn.functional.normalize(x, dim=-1, eps=torch.finfo(x.dtype).tiny)

    def _inverse(self, y: Tensor) -> Tensor:
        return y


@transform_to.register(_UnitVector)
def _to_sphere(constraint: Constraint) -> Transform:
    return ToSphere()


@biject_to.register(_UnitVector)
def _no_bijection(constraint: Constraint) -> Transform:
    raise NotImplementedError("the unit sphere: no bijection with real vectors, use transform_to")


def log_sphere_area(dim: int) -> float:
    """log of the surface area of the unit sphere in R^m: log[2 π^{m/2} / Γ(m/2)].

    Args:
        dim: m, the dimension of the space *around* the sphere, at least 2.

    >>> round(math.exp(log_sphere_area(3)) / math.pi, 12)
    4.0
    """
    return math.log(2.0) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


def checked_points(value: Tensor, dim: int) -> None:
    """Refuse what is no floating-point tensor (…, m).

    Raises:
        ValueError: that says what was given.
    """
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.shape[-1:] != (dim,):
        got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"value: expected a floating-point tensor (…, {dim}), got {got}")


class HypersphericalUniform(Distribution):
    r"""The uniform distribution on the unit sphere S^{m−1} in R^m.

    p(z) = Γ(m/2) / (2 π^{m/2})

    with respect to the sphere's surface measure. It is the von Mises-Fisher distribution with κ = 0.

    Args:
        dim: m, the number of coordinates of a point, at least 2. The sphere itself has m − 1 dimensions.
        batch_shape: shape of the batch.
        dtype: floating-point type of the samples; torch's default where it is None.
        device: where samples are drawn.
        validate_args: whether `log_prob` checks that its values lie on the sphere; torch's default where it is None.

    Raises:
        ValueError: where `dim` is below 2 or not an integer, `batch_shape` is no shape, or `dtype` holds integers.

    >>> round(float(HypersphericalUniform(3).entropy()), 4)  # log 4π
    2.531
    """

    arg_constraints: dict[str, Constraint] = {}
    has_rsample = True

    def __init__(
        self,
        dim: int,
        batch_shape: Sequence[int] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.dim = dim = whole_number("dim", dim, least=2)
        self._like = torch.empty((), dtype=dtype, device=device)
        if not self._like.is_floating_point():
            raise ValueError(f"dtype: expected a floating-point type, got {dtype}")
        super().__init__(checked_shape("batch_shape", batch_shape), Size((dim,)), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Constraint:
        """The unit sphere."""
        return unit_vector

    def expand(
        self, batch_shape: Sequence[int], _instance: HypersphericalUniform | None = None
    ) -> HypersphericalUniform:
        """The same distribution with a larger batch shape."""
        return expanded(self, batch_shape, _instance)

    @property
    def mean(self) -> Tensor:
        """The centre of the sphere, batch shape + (m,)."""
        return self._like.new_zeros(self._extended_shape())

    @property
    def variance(self) -> Tensor:
        """1/m in every coordinate, batch shape + (m,)."""
        return self._like.new_full(self._extended_shape(), 1 / self.dim)

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw points, shape `sample_shape + batch_shape + (m,)`: directions of Gaussian vectors."""
        shape = self._extended_shape(checked_shape("sample_shape", sample_shape))
        gaussian = torch.randn(shape, dtype=self._like.dtype, device=self._like.device)
        norm = torch.linalg.vector_norm(gaussian, dim=-1, keepdim=True)
        # A vector of exact zeros has no direction; the first axis is as good as any.
        first_axis = torch.arange(self.dim, device=gaussian.device) == 0
        gaussian = torch.where(norm == 0, first_axis.to(gaussian.dtype), gaussian)
        return gaussian / torch.where(norm == 0, 1.0, norm)

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the log of the sphere's area, shape of `value` without its last dimension, in nats.

        Raises:
            ValueError: for values that are no floating-point tensor, of another dimension, or off the sphere.
        """
        checked_points(value, self.dim)
        if self._validate_args:
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full(shape, -log_sphere_area(self.dim))

    def entropy(self) -> Tensor:
        """The log of the sphere's area, batch shape, in nats."""
        return self._like.new_full(self.batch_shape, log_sphere_area(self.dim))
