"""What all flows of the package share: their direction, their checks and one hyper-network for all steps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hvae_ref.errors import whole_number

INIT_SCALE = 0.2
"""Spread of a flow's own parameters before training, times 1/√D: near the identity, and never exactly there."""

HYPER_SHARE = 0.1
"""Share of that spread which varies with the context before training."""


class FlowOutput(NamedTuple):
    """Moved points and what the move does to volumes.

    Attributes:
        z: (…, D).
        log_abs_det: log |det| of the Jacobian of the map that was called, (…).
    """

    z: Float[Tensor, "*batch dim"]
    log_abs_det: Float[Tensor, "*batch"]

    def unflatten(self, shape: Sequence[int]) -> FlowOutput:
        """Rows (B, D) as points of this shape, such as () for a single one."""
        return FlowOutput(self.z.view(*shape, self.z.shape[-1]), self.log_abs_det.view(shape))


class HyperNetwork(nn.Linear):
    """One affine map from the context to the parameters of all steps; (B, C) to (B, steps · P).

    C = 0 is allowed: the parameters are then the bias alone, the same for every row.

    Args:
        context_dim: C.
        spread: standard deviation of the P parameters of one step before training, (P,).
        steps: how often these P are needed.
    """

    def __init__(self, context_dim: int, spread: Tensor, steps: int = 1) -> None:
        self._spread = spread.repeat(steps)
        super().__init__(context_dim, len(self._spread))

    def reset_parameters(self) -> None:
        """Draw a random bias, and weights small enough that the context starts as a small part of it."""
        with torch.no_grad():
            spread = self._spread.to(self.bias)
            self.bias.normal_().mul_(spread)
            if self.in_features:
                self.weight.normal_().mul_(HYPER_SHARE * spread[:, None] / self.in_features**0.5)


class AmortizedFlow(nn.Module, ABC):
    """An invertible map z_0 → z_T in T steps, whose parameters are functions of a context.

    The direction, once for the whole package: a call goes from the base distribution to the flexible one, so that for
    z_0 ~ q_0 the point z_T = `flow(z_0, h).z` has

        log q_T(z_T | h) = log q_0(z_0 | h) − Σ_t log |det ∂z_t / ∂z_{t−1}|   (book, eq. 4.2)

    and the sum is the `log_abs_det` of that call. `inverse` goes the other way and returns the log-determinant of the
    way back, which is minus this one. Under autocast all of it runs in the precision of the flow's own weights:
    log-determinants of many steps add up, and so would their rounding.

    Args:
        latent_dim: D.
        context_dim: C; 0 for a flow whose parameters depend on nothing, called with a context of shape (B, 0).
        steps: T.
        spread: standard deviation of each parameter of a step before training, (P,).

    Raises:
        ValueError: for a dimension or a number of steps that is too small.

    Reference:
        Rezende and Mohamed (2015), Variational Inference with Normalizing Flows, https://arxiv.org/abs/1505.05770
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int, spread: Tensor) -> None:
        super().__init__()
        self.latent_dim, self.context_dim, self.steps = latent_dim, context_dim, steps
        self.hyper = HyperNetwork(context_dim, spread, steps)

    @staticmethod
    def check_sizes(latent_dim: int, context_dim: int, steps: int, **more: int) -> None:
        """Raise a ValueError that names the first size which is too small; `more` are at least 1 each."""
        for name, value in {"latent_dim": latent_dim, "steps": steps, **more, "context_dim": context_dim}.items():
            whole_number(name, value, least=0 if name == "context_dim" else 1)

    def forward(self, z: Float[Tensor, "*#batch dim"], context: Float[Tensor, "*#batch features"]) -> FlowOutput:
        """Move z_0 ~ base (…, D) to z_T given the context (…, C); what stands before D and C broadcasts."""
        return self.trajectory(z, context)[-1]

    def inverse(self, z: Float[Tensor, "*#batch dim"], context: Float[Tensor, "*#batch features"]) -> FlowOutput:
        """Take z_T (…, D) back to z_0; `log_abs_det` is that of this way back."""
        z, context, shape = self._checked(z, context)
        log_abs_det = z.new_zeros(len(z))
        with torch.autocast(z.device.type, enabled=False):
            parameters = self._prepare(context)
            for step in reversed(range(self.steps)):
                z, change = self._undo(step, z, parameters[step])
                log_abs_det = log_abs_det + change
        return FlowOutput(z, log_abs_det).unflatten(shape)

    def trajectory(
        self, z: Float[Tensor, "*#batch dim"], context: Float[Tensor, "*#batch features"]
    ) -> list[FlowOutput]:
        """The points z_0, z_1, …, z_T and the log-determinant so far at each: T + 1 entries."""
        z, context, shape = self._checked(z, context)
        path = [FlowOutput(z, z.new_zeros(len(z)))]
        with torch.autocast(z.device.type, enabled=False):
            for step, parameters in enumerate(self._prepare(context)):
                z, change = self._step(step, z, parameters)
                path.append(FlowOutput(z, path[-1].log_abs_det + change))
        return [point.unflatten(shape) for point in path]

    def _prepare(self, context: Tensor) -> list[object]:
        """The parameters of every step, as `_step` takes them; by default (B, P) each.

        Flows prepare here, for all steps at once, what does not depend on z.
        """
        return list(self._raw(context).unbind(1))

    def _raw(self, context: Tensor) -> Tensor:
        """Outputs of the hyper-network, (B, T, P)."""
        return self.hyper(context).unflatten(-1, (self.steps, -1))

    @abstractmethod
    def _step(self, step: int, z: Tensor, parameters: object) -> tuple[Tensor, Tensor]:
        """One step z_{t−1} → z_t: (B, D) and log |det ∂z_t / ∂z_{t−1}|, (B,)."""

    @abstractmethod
    def _undo(self, step: int, z: Tensor, parameters: object) -> tuple[Tensor, Tensor]:
        """One step z_t → z_{t−1}: (B, D) and log |det ∂z_{t−1} / ∂z_t|, (B,)."""

    def _checked(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Rows of both (B, ·) and the shape that they stand for, in the precision of the flow, also under autocast."""
        for name, value in (("z", z), ("context", context)):
            if not isinstance(value, Tensor):
                raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}")
        if z.ndim < 1 or z.shape[-1] != self.latent_dim:
            raise ValueError(f"z: expected shape (B, {self.latent_dim}), got {tuple(z.shape)}")
        try:
            shape = torch.broadcast_shapes(z.shape[:-1], context.shape[:-1])
        except RuntimeError:
            shape = None
        if shape is None or context.ndim < 1 or context.shape[-1] != self.context_dim:
            rows = "".join(f"{size}, " for size in z.shape[:-1])
            raise ValueError(
                f"context: expected shape ({rows}{self.context_dim}), one row for each of z, or a single one for all, "
                f"got {tuple(context.shape)}"
            )
        weight = self.hyper.weight
        if weight.dtype in (torch.float16, torch.bfloat16):
            raise ValueError(
                f"flow: expected weights in single or double precision, got {weight.dtype}; log-determinants add up "
                "rounding, so leave the flow in float32, under autocast too"
            )
        for name, value in (("z", z), ("context", context)):
            if value.device != weight.device:
                raise ValueError(f"{name}: expected device {weight.device}, where the flow is, got {value.device}")
            if not torch.is_autocast_enabled(value.device.type) and value.dtype != weight.dtype:
                raise ValueError(f"{name}: expected dtype {weight.dtype}, that of the flow, got {value.dtype}")
        z, context = (
            value.to(weight.dtype).expand(*shape, -1).reshape(math.prod(shape), value.shape[-1])
            for value in (z, context)
        )
        return z, context, shape
