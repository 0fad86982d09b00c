"""Likelihoods of grey levels, 0 … V − 1: unordered, or a mixture that knows their order."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import constraints

from hvae_ref.distributions import DiscretizedLogisticMixture, GreyLevels
from hvae_ref.distributions.tracing import values_are_known
from hvae_ref.errors import whole_number
from hvae_ref.nn.heads import bounded_log_sigma
from hvae_ref.nn.likelihoods import Likelihood


@dataclass(frozen=True)
class _GreyLevels(Likelihood):
    """x among the whole numbers 0 … V − 1.

    Args:
        num_values: V.
    """

    num_values: int = 256

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_values", whole_number("num_values", self.num_values, least=2))

    @property
    def support(self) -> constraints.Constraint:
        """0 … V − 1."""
        return constraints.integer_interval(0, self.num_values - 1)

    @property
    def wanted(self) -> str:
        """The whole numbers 0 … V − 1."""
        return (
            f"the integers 0 … {self.num_values - 1}; undo a scaling to [0, 1], or build the model with a likelihood "
            "for the data's number of values, or with Normal() for real values"
        )

    @property
    def affine(self) -> tuple[float, float]:
        """0 … V − 1 to −1 … 1."""
        return 2.0 / (self.num_values - 1), -1.0


@dataclass(frozen=True)
class Categorical(_GreyLevels):
    """x among V unordered values, a logit each.

    Args:
        num_values: V.
    """

    @property
    def outputs(self) -> int:
        """V logits."""
        return self.num_values

    def distribution(self, parameters: Tensor) -> GreyLevels:
        """Categorical with logits (…, V)."""
        return GreyLevels(logits=parameters, validate_args=values_are_known())


@dataclass(frozen=True)
class LogisticMixture(_GreyLevels):
    """x among V ordered values: a mixture of K discretised logistics.

    Locations are counted from the middle of the scale in halves of its range, scales in eighths of it: a net whose
    outputs are near 0 starts with wide bins over the whole scale.

    Args:
        num_values: V.
        components: K.

    Reference:
        Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, https://arxiv.org/abs/1701.05517
    """

    components: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "components", whole_number("components", self.components))

    @property
    def outputs(self) -> int:
        """3 K: logits, locations and log scales."""
        return 3 * self.components

    def distribution(self, parameters: Tensor) -> DiscretizedLogisticMixture:
        """Mixture from (…, 3 K): logits, then locations, then log scales."""
        logits, loc, log_scale = parameters.chunk(3, -1)
        half = (self.num_values - 1) / 2
        scale = bounded_log_sigma(log_scale).exp() * half / 4
        return DiscretizedLogisticMixture(logits, half * (1 + loc), scale, self.num_values, values_are_known())
