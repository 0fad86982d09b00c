"""A flow as the posterior of a level: a distribution whose samples carry their own log density."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, constraints

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
        base: q_0, batch shape (B,), event shape (D,).
        flow: f, `flow(z, context)`.
        context: h, (B, C).
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, base: Distribution, flow: AmortizedFlow, context: Tensor) -> None:
        if context.ndim != 2 or base.batch_shape != context.shape[:1]:
            raise ValueError(
                f"context: expected (B, C) with one row for each of the base's {tuple(base.batch_shape)}, "
                f"got {tuple(context.shape)}"
            )
        self.base, self.flow, self.context = base, flow, context
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def rsample_and_log_prob(self, sample_shape: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """A sample and its density: z, sample_shape + (B, D), and log q(z), sample_shape + (B,); differentiable."""
        start = self.base.rsample(torch.Size(sample_shape))
        moved = self.flow(start.flatten(0, -2), self._context_for(start))
        z = moved.z.view_as(start)
        log_prob = self.base.log_prob(start) - moved.log_abs_det.view(start.shape[:-1])
        return z, log_prob

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:  # noqa: B008 (torch's signature)
        """Draw z, sample_shape + (B, D), by moving a draw from the base."""
        return self.rsample_and_log_prob(sample_shape)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(value), broadcast over the batch, through the inverse of the flow."""
        if value.shape[-1:] != self.event_shape:
            raise ValueError(f"value: expected a last dimension of {self.event_shape[0]}, got {tuple(value.shape)}")
        shape = torch.broadcast_shapes(value.shape, (*self.batch_shape, *self.event_shape))
        wanted = value.expand(shape)
        rows, contexts = wanted.flatten(0, -2), self._context_for(wanted)
        back = [
            self.flow.inverse(z, h) for z, h in zip(rows.split(ROWS_AT_ONCE), contexts.split(ROWS_AT_ONCE), strict=True)
        ]
        start = torch.cat([part.z for part in back]).view(shape)
        log_abs_det = torch.cat([part.log_abs_det for part in back]).view(shape[:-1])
        # So far out that the way back leaves the floats, there is nothing left of the density.
        near = torch.isfinite(start).all(-1) & torch.isfinite(log_abs_det)
        log_prob = self.base.log_prob(torch.where(near.unsqueeze(-1), start, 0)) + log_abs_det
        nothing = torch.where(wanted.isnan().any(-1), torch.nan, -torch.inf)
        return torch.where(near, log_prob, nothing.to(log_prob.dtype))

    @property
    def mean(self) -> Tensor:
        """An estimate of E[z] from `MEAN_DRAWS` samples, (B, D): it differs from call to call by their noise."""
        return self.rsample((MEAN_DRAWS,)).mean(0)

    def _context_for(self, z: Tensor) -> Tensor:
        return self.context.expand(*z.shape[:-1], self.context.shape[-1]).flatten(0, -2)


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
        base = Independent(Normal(loc, bounded_log_sigma(raw).exp()), 1)
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
