"""A flow as the posterior of a level: a distribution whose samples carry their own log density."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from hvae_ref.distributions.base import checked_shape, expanded
from hvae_ref.distributions.diagonal_normal import DiagonalNormal, TransformedNormal
from hvae_ref.distributions.tracing import transform
from hvae_ref.flows.base import AmortizedFlow
from hvae_ref.nn.heads import bounded_log_sigma, full_precision

MEAN_DRAWS = 64
"""Samples behind `FlowDistribution.mean`, which has no closed form."""

ROWS_AT_ONCE = 4096
"""Points inverted at once: the parameters of a flow are one set for each, and they take memory."""


class FlowDistribution(Distribution):
    """The law of z = f(z_0; h) for z_0 ~ base and an invertible f that depends on a context h.

    log q(z) = log q_0(z_0) − log |det ∂f/∂z_0|   (book, eq. 4.2)

    `rsample_and_log_prob` gives a sample with its density at the cost of the sample. `log_prob` takes any z back
    through the inverse of the flow, which is slower, and numerical where it has no closed form.

    Args:
        base: q_0, batch shape such as (B,), event shape (D,).
        flow: f, `flow(z, context)`.
        context: h, one for each of the base's batch, (B, C), or a single one for all, (C,).

    Raises:
        ValueError: where the base's points are no vectors of the flow's D, the context's shape does not fit the base's
            and the flow's, and in `log_prob`, where the value's does not.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, base: Distribution, flow: AmortizedFlow, context: Tensor) -> None:
        batch = base.batch_shape
        if base.event_shape != (flow.latent_dim,):
            raise ValueError(
                f"base: expected points of shape ({flow.latent_dim},), as this flow moves them, "
                f"got an event shape of {tuple(base.event_shape)}"
            )
        shape = tuple(context.shape) if isinstance(context, Tensor) else type(context).__name__
        if not isinstance(shape, tuple) or shape[:-1] not in (batch, (), (1,) * len(batch)) or not shape:
            raise ValueError(
                f"context: expected (B, C) with one row for each of the base's {tuple(batch)}, got {shape}"
            )
        if shape[-1] != flow.context_dim:
            raise ValueError(f"context: expected a last dimension of {flow.context_dim} for this flow, got {shape}")
        self.base, self.flow, self.context = base, flow, context.expand(*batch, -1)
        super().__init__(batch, base.event_shape, validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: FlowDistribution | None = None) -> FlowDistribution:
        """The same distribution with a larger batch shape."""
        new = expanded(self, batch_shape, _instance, context=1)
        new.base = self.base.expand(new.batch_shape)
        return new

    def rsample_and_log_prob(self, sample_shape: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """A sample and its density: z, sample_shape + (B, D), and log q(z), sample_shape + (B,); differentiable."""
        start = self.base.rsample(checked_shape("sample_shape", sample_shape))
        moved = self.flow(start, self.context)
        return moved.z, self._base_log_prob(start) - moved.log_abs_det

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw z, sample_shape + (B, D), by moving a draw from the base."""
        return self.rsample_and_log_prob(sample_shape)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(value), broadcast over the batch, through the inverse of the flow."""
        if not isinstance(value, Tensor) or value.shape[-1:] != self.event_shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"value: expected a last dimension of {self.event_shape[0]}, got {got}")
        try:
            shape = torch.broadcast_shapes(value.shape, (*self.batch_shape, *self.event_shape))
        except RuntimeError as error:
            raise ValueError(
                f"value: expected a shape that broadcasts with {(*self.batch_shape, *self.event_shape)}, "
                f"got {tuple(value.shape)}"
            ) from error
        wanted = value.expand(shape)
        points = math.prod(shape[:-1])
        contexts = self.context.expand(*shape[:-1], -1).reshape(points, self.context.shape[-1])
        rows = wanted.reshape(points, shape[-1])
        back = [
            self.flow.inverse(z, h) for z, h in zip(rows.split(ROWS_AT_ONCE), contexts.split(ROWS_AT_ONCE), strict=True)
        ]
        start = torch.cat([part.z for part in back]).view(shape)
        log_abs_det = torch.cat([part.log_abs_det for part in back]).view(shape[:-1])
        # So far out that the way back leaves the floats, there is nothing left of the density.
        near = torch.isfinite(start).all(-1) & torch.isfinite(log_abs_det)
        log_prob = self._base_log_prob(torch.where(near.unsqueeze(-1), start, 0)) + log_abs_det
        nothing = torch.where(wanted.isnan().any(-1), torch.nan, -torch.inf)
        return torch.where(near, log_prob, nothing.to(log_prob.dtype))

    def _base_log_prob(self, start: Tensor) -> Tensor:
        """log q_0, also of no points at all, which torch's `Independent` cannot add up."""
        return self.base.log_prob(start) if start.numel() else start.sum(-1)

    @property
    def mean(self) -> Tensor:
        """An estimate of E[z] from `MEAN_DRAWS` samples, (B, D): it differs from call to call by their noise."""
        return self.rsample((MEAN_DRAWS,)).mean(0)


class FlowPosterior(nn.Module):
    """q(z|given): a diagonal Gaussian, bent by a flow whose parameters depend on what stands behind the bar.

    (μ, log σ, h) = net(given),  z_0 ~ N(μ, diag σ²),  z = f(z_0; h)   (book, eq. 4.4)

    Args:
        net: maps (B, H) to (B, 2 D + C): D locations, D values of log σ before the floor, then the context h.
        flow: f, of latent_dim D and context_dim C.

    Raises:
        ValueError: in a call, where the net has another number of outputs.
    """

    def __init__(self, net: nn.Module, flow: AmortizedFlow) -> None:
        super().__init__()
        self.net, self.flow = net, flow

    def forward(self, *given: Tensor) -> FlowDistribution:
        """The posterior, batch (B,), event (D,)."""
        dim = self.flow.latent_dim
        out = full_precision(self.net(*given))
        if out.shape[-1] != 2 * dim + self.flow.context_dim:
            raise ValueError(
                f"net: expected 2 · {dim} + {self.flow.context_dim} outputs for this flow, got {out.shape[-1]}"
            )
        loc, raw, context = out.split([dim, dim, out.shape[-1] - 2 * dim], -1)
        normal = DiagonalNormal if transform() is None else TransformedNormal
        base = Independent(normal(loc, bounded_log_sigma(raw).exp()), 1)
        return FlowDistribution(base, self.flow, nn.functional.silu(context))


class FlowOnTop(nn.Module):
    """A Gaussian posterior of a top-down model, bent by a flow whose context is the side path's r_l.

    Args:
        posterior: gives q_0 from the level's prior, r_l and the state.
        flow: f, of the level's latent_dim; its context_dim is the size of r_l.
    """

    def __init__(self, posterior: nn.Module, flow: AmortizedFlow) -> None:
        super().__init__()
        self.posterior, self.flow = posterior, flow

    def forward(self, p: Distribution, r: Tensor, state: Tensor | None = None) -> FlowDistribution:
        """The bent posterior, batch (B,), event (D,)."""
        return FlowDistribution(self.posterior(p, r, state), self.flow, full_precision(r))
