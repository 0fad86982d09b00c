"""Likelihoods: how many numbers a net gives for each value of x, what they mean, and how a net sees x."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Distribution, Independent, constraints
from torch.distributions import Normal as TorchNormal

from hvae_ref.distributions.tracing import compiling, looked_at, transform
from hvae_ref.errors import real_number, whole_number
from hvae_ref.nn.heads import bounded_log_sigma


class Likelihood(ABC):
    """p(x_d|·) of one value x_d of an example, from the numbers that a net gives for it.

    Attributes:
        outputs: how many numbers the net gives for each value of x.
        num_values: V where x takes the whole numbers 0 … V − 1; None for real values.
        support: the values that x may take.
        wanted: the same in words, with what to do about others.
    """

    outputs: int
    num_values: int | None = None
    support: constraints.Constraint = constraints.real
    wanted: str = "finite numbers; remove or replace the others"

    @abstractmethod
    def distribution(self, parameters: Tensor) -> Distribution:
        """The distribution of each value, batch shape (…), from `outputs` numbers each, (…, outputs)."""

    @property
    def affine(self) -> tuple[float, float]:
        """(a, b) for which a x + b is of the order of 1: what nets see of x."""
        return 1.0, 0.0

    def embed(self, x: Tensor) -> Tensor:
        """a x + b, what nets see of x, same shape."""
        scale, shift = self.affine
        return x * scale + shift


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """x in {0, 1}, from logits: no sigmoid and no clamp on the way to the loss."""

    outputs: ClassVar[int] = 1
    num_values: ClassVar[int] = 2
    support: ClassVar[constraints.Constraint] = constraints.boolean
    wanted: ClassVar[str] = (
        "0 and 1; binarise the data (load(…, binarize='dynamic')), or build the model with likelihood=Categorical(V) "
        "or LogisticMixture(V) for V grey levels, or Normal() for real values"
    )

    def distribution(self, parameters: Tensor) -> TorchBernoulli:
        """Logits (…, 1)."""
        return TorchBernoulli(
            logits=parameters.squeeze(-1), validate_args=not (compiling() or transform() is not None or looked_at())
        )

    @property
    def affine(self) -> tuple[float, float]:
        """{0, 1} to {−1, 1}."""
        return 2.0, -1.0


@dataclass(frozen=True)
class Normal(Likelihood):
    """Real-valued x: N(μ, σ²) with μ from the net, and σ from the net too or fixed.

    Nets see (x − center) / unit and say μ and σ in that unit; densities are in the data's own unit.

    Args:
        scale: σ of every value, in the data's unit; None for one that the net says, with a floor of 0.0025 units.
        center: what the net should see as 0, such as the mean of the data.
        unit: what the net should see as 1, such as the standard deviation of the data.

    Raises:
        ValueError: for a scale or unit that is not positive, or a center that is not finite.
    """

    scale: float | None = None
    center: float = 0.0
    unit: float = 1.0

    def __post_init__(self) -> None:
        if self.scale is not None:
            object.__setattr__(self, "scale", real_number("scale", self.scale, above=0))
        object.__setattr__(self, "unit", real_number("unit", self.unit, above=0))
        object.__setattr__(self, "center", real_number("center", self.center))

    @property
    def outputs(self) -> int:
        """μ, and log σ where no scale is fixed."""
        return 2 if self.scale is None else 1

    def distribution(self, parameters: Tensor) -> TorchNormal:
        """Normal from (…, 1) or (…, 2)."""
        loc = self.center + self.unit * parameters[..., 0]
        if self.scale is not None:
            scale: Tensor | float = self.scale
        else:
            scale = self.unit * bounded_log_sigma(parameters[..., 1]).exp()
        return TorchNormal(loc, scale, validate_args=not (compiling() or transform() is not None or looked_at()))

    @property
    def affine(self) -> tuple[float, float]:
        """(x − center) / unit."""
        return 1.0 / self.unit, -self.center / self.unit


class ConditionalLikelihood(nn.Module):
    """p(x|·) from a net and a likelihood.

    Args:
        net: maps what stands behind the bar to (B, C · likelihood.outputs, *size): for each channel of x (or each
            value of a vector x) its numbers in a row.
        likelihood: reads the net's output.

    Raises:
        ValueError: in a call, where the net's channels are no multiple of `likelihood.outputs`.
    """

    def __init__(self, net: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.net, self.likelihood = net, likelihood

    def forward(self, *given: Tensor) -> Independent:
        """p(x|given), batch (B,), event (C, *size)."""
        raw, outputs = self.net(*given), self.likelihood.outputs
        if raw.ndim < 2 or raw.shape[1] % outputs:
            raise ValueError(
                f"net: expected a multiple of {outputs} outputs, which {self.likelihood!r} needs for each value of x, "
                f"got shape {tuple(raw.shape)}"
            )
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        raw = raw.unsqueeze(-1) if outputs == 1 else raw.unflatten(1, (-1, outputs)).movedim(2, -1)
        return Independent(self.likelihood.distribution(raw), raw.ndim - 2, validate_args=False)


def event_shape(x_shape: int | Sequence[int]) -> torch.Size:
    """The shape of one example: D stands for (D,).

    Raises:
        ValueError: for no size, or a size below 1.

    >>> event_shape(64), event_shape((1, 28, 28))
    (torch.Size([64]), torch.Size([1, 28, 28]))
    """
    shape = (x_shape,) if isinstance(x_shape, Integral) else x_shape
    if isinstance(shape, str) or not isinstance(shape, Iterable) or not (shape := tuple(shape)):
        raise ValueError(f"x_shape: expected a size or sizes of at least 1, got {x_shape!r}")
    try:
        return torch.Size([whole_number("x_shape", size) for size in shape])
    except ValueError as error:
        raise ValueError(f"x_shape: expected a size or sizes of at least 1, got {x_shape!r}") from error


def check_likelihood(likelihood: object) -> None:
    """Refuse what is no likelihood.

    Raises:
        ValueError: for a name, or a class in the place of an object.
    """
    if not isinstance(likelihood, Likelihood):
        got = f"the class {likelihood.__name__}" if isinstance(likelihood, type) else repr(likelihood)
        raise ValueError(f"likelihood: expected an object such as Bernoulli() or Normal(), got {got}")


def refuse_half(dtype: torch.dtype) -> None:
    """Refuse weights in half precision, in which densities have too few digits.

    Raises:
        ValueError: for a type of fewer than 32 bits.
    """
    if dtype.itemsize < 4:
        raise ValueError(
            f"model: expected weights in float32 or float64, got {dtype}; keep them in float32 and compute in half "
            'precision by torch.autocast, or with TrainConfig(precision="bfloat16")'
        )


class Observation(nn.Module):
    """What a model is given: x of a known shape and support, and a condition where the model has one.

    Args:
        x_shape: event shape of x, (D,) or (C, H, W).
        likelihood: what x may be and how nets see it; None for any finite numbers, seen as they are.
        condition: checks and embeds a condition; None for a model without one.
    """

    def __init__(self, x_shape: Sequence[int], likelihood: Likelihood | None, condition: nn.Module | None) -> None:
        super().__init__()
        self.x_shape, self.likelihood, self.condition = torch.Size(x_shape), likelihood, condition
        self.scale, self.shift = (1.0, 0.0) if likelihood is None else likelihood.affine

    def forward(self, x: Tensor, condition: Tensor | None, like: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Check x (B, *x_shape) and the condition, and return what nets see of both: x as embedded, and a tuple of c.

        Raises:
            ValueError: for a shape, dtype or device that is not the model's (`like`), or values out of the support.
        """
        if not isinstance(x, Tensor) or x.shape[1:] != self.x_shape or not len(x):
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            expected = ", ".join(map(str, ("batch", *self.x_shape)))
            raise ValueError(f"x: expected a tensor of shape ({expected}), batch at least 1, got {got}")
        if like.dtype.itemsize < 4:
            refuse_half(like.dtype)
        if x.dtype != like.dtype or x.device != like.device:
            raise ValueError(
                f"x: expected {like.dtype} on {like.device}, the model's, got {x.dtype} on {x.device}; "
                "convert it with x.to(…)"
            )
        if not compiling() and transform() is None and not looked_at():
            support = constraints.real if self.likelihood is None else self.likelihood.support
            inside = torch.isfinite(x) if support is constraints.real else support.check(x)
            if not inside.all() or not x.sum().isfinite() and not torch.isfinite(x).all():
                wanted = "finite numbers" if self.likelihood is None else self.likelihood.wanted
                raise ValueError(f"x: expected {wanted}; got values from {x.min():g} to {x.max():g}")
        alone = self.condition is None and condition is None
        return x * self.scale + self.shift, () if alone else self.given(condition, len(x))

    def given(self, condition: Tensor | None, rows: int) -> tuple[Tensor, ...]:
        """A condition as nets see it, (rows, C) in a tuple; an empty tuple for a model without one."""
        if self.condition is None:
            if condition is not None:
                raise ValueError("condition: expected None, for this model has no condition; leave it out")
            return ()
        if condition is None:
            raise ValueError("condition: expected one, for this model is conditional, got None")
        return (self.condition(condition, rows),)
