"""`torch.distributions.Normal` as the package's heads make it: cheap to build, and open to torch's transforms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Normal, constraints

from hvae_ref.distributions.tracing import values_are_known


class DiagonalNormal(Normal):
    """A `Normal` whose parameters are right by construction and not looked at; values given to `log_prob` are.

    A head makes its scale positive. A net that puts out no numbers is noticed where p(x|·) is made, whose parameters
    are checked, and by `fit`.
    """

    # "Dependent" is what torch does not check.
    arg_constraints: dict[str, constraints.Constraint] = dict.fromkeys(
        ("loc", "scale"), constraints.dependent(is_discrete=False, event_dim=0)
    )

    def _validate_sample(self, value: Tensor) -> None:
        if values_are_known():
            super()._validate_sample(value)


class TransformedNormal(DiagonalNormal):
    """The same within `torch.func.vmap`, where torch's own cannot draw other noise for each example."""

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """μ + σ ε with noise that `vmap` draws as its argument `randomness` says."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.loc + torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device) * self.scale
