"""A mixture of logistic distributions cut into bins: a normalised likelihood over ordered grey levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid

from hvae_ref.distributions.base import broadcast_parameters, checked_now, checked_shape, expanded
from hvae_ref.errors import whole_number


class DiscretizedLogisticMixture(Distribution):
    r"""Probabilities of the values 0, 1, …, V − 1 from a mixture of K logistic densities.

    P(x) = Σ_k π_k [σ((x + ½ − μ_k) / s_k) − σ((x − ½ − μ_k) / s_k)]   (book, eq. 3.9)

    where the first bin reaches down to −∞ and the last one up to +∞, so that the V probabilities sum to one.
    Close values have close probabilities, which a categorical likelihood has to learn from data. The difference
    of sigmoids is computed in log space without clamps: with a > b,
    log(σ(a) − σ(b)) = log σ(a) + log σ(−b) + log(1 − e^{b−a}).

    Args:
        logits: mixture logits, (…, K).
        loc: locations in grey levels, (…, K).
        scale: scales in grey levels, (…, K), positive.
        num_values: V, at least 2.

    Raises:
        ValueError: where the shapes do not broadcast, a scale is not positive, or V < 2; and, from `log_prob`,
            where a value is not one of 0 … V − 1.

    Reference:
        Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, https://arxiv.org/abs/1701.05517

    >>> p = DiscretizedLogisticMixture(torch.zeros(1), torch.tensor([3.0]), torch.tensor([2.0]), num_values=17)
    >>> round(float(p.log_prob(torch.arange(17.0)).exp().sum()), 6)
    1.0
    """

    arg_constraints = {
        "logits": constraints.real_vector,
        "loc": constraints.real_vector,
        "scale": constraints.independent(constraints.positive, 1),
    }
    has_rsample = False

    def __init__(
        self, logits: Tensor, loc: Tensor, scale: Tensor, num_values: int, validate_args: bool | None = None
    ) -> None:
        self.num_values = whole_number("num_values", num_values, least=2)
        self.logits, self.loc, self.scale = broadcast_parameters(logits=logits, loc=loc, scale=scale)
        super().__init__(self.loc.shape[:-1], validate_args=checked_now(validate_args))

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        """The integers 0 … V − 1."""
        return constraints.integer_interval(0, self.num_values - 1)

    def expand(
        self, batch_shape: Sequence[int], _instance: DiscretizedLogisticMixture | None = None
    ) -> DiscretizedLogisticMixture:
        """The same distribution with a larger batch shape, without copying the parameters."""
        return expanded(self, batch_shape, _instance, logits=1, loc=1, scale=1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log P(value), shape of `value` broadcast with the batch shape, in nats."""
        if self._validate_args:
            self._validate_sample(value)
        x = value.unsqueeze(-1).to(self.loc.dtype)
        upper = (x + 0.5 - self.loc) / self.scale
        lower = (x - 0.5 - self.loc) / self.scale
        first, last = x <= 0, x >= self.num_values - 1
        log_cdf = torch.where(last, torch.zeros_like(upper), logsigmoid(upper))
        log_survival = torch.where(first, torch.zeros_like(lower), logsigmoid(-lower))
        width = torch.where(first | last, torch.zeros_like(upper), torch.log(-torch.expm1(-1.0 / self.scale)))
        return torch.logsumexp(torch.log_softmax(self.logits, -1) + log_cdf + log_survival + width, -1)

    @property
    def log_probs(self) -> Tensor:
        """log P of every value, (…, V)."""
        values = torch.arange(self.num_values, device=self.loc.device, dtype=self.loc.dtype)
        wide = values.view(-1, *[1] * len(self.batch_shape)).expand(self.num_values, *self.batch_shape)
        return self.log_prob(wide).movedim(0, -1)

    @property
    def mean(self) -> Tensor:
        """Mean of the discrete distribution, batch shape, in grey levels."""
        values = torch.arange(self.num_values, device=self.loc.device, dtype=self.loc.dtype)
        return (self.log_probs.exp() * values).sum(-1)

    @property
    def variance(self) -> Tensor:
        """Variance of the discrete distribution, batch shape, in squared grey levels."""
        values = torch.arange(self.num_values, device=self.loc.device, dtype=self.loc.dtype)
        return (self.log_probs.exp() * (values - self.mean.unsqueeze(-1)) ** 2).sum(-1)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw values, shape `sample_shape + batch_shape`, as floating-point integers."""
        sample_shape = checked_shape("sample_shape", sample_shape)
        if 0 in sample_shape:
            return self.loc.new_zeros(self._extended_shape(sample_shape))
        with torch.no_grad():
            component = torch.distributions.Categorical(logits=self.logits, validate_args=False).sample(sample_shape)
            take = component.unsqueeze(-1)
            shape = (*component.shape, self.loc.shape[-1])
            loc = self.loc.expand(shape).gather(-1, take).squeeze(-1)
            scale = self.scale.expand(shape).gather(-1, take).squeeze(-1)
            u = torch.rand_like(loc).clamp_(torch.finfo(loc.dtype).tiny, 1 - torch.finfo(loc.dtype).eps)
            return (loc + scale * torch.logit(u)).round().clamp(0, self.num_values - 1)
