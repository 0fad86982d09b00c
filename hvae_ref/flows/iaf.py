"""Inverse autoregressive flows: every coordinate is gated by a net that sees the coordinates before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from hvae_ref.flows.base import INIT_SCALE, AmortizedFlow
from hvae_ref.nn.made import MaskedLinear

GATE_BIAS = 2.0
"""Logit of the gates of a flow of one step before training: a gate that is nearly open."""

LOWEST_GATE, LOWEST_PRODUCT = 0.1, 1e-3
"""No gate lets through less than the first, and the gates of all steps together no less than the second, unless the
first is more. The way back divides by every gate, so that the rounding of a point grows by as much."""


class GateNet(nn.Module):
    """One masked net a step: from z (B, D) and biases of its hidden units (B, …) to (m, s), each (B, D).

    Unit i of the output sees the coordinates before i in the order of this step, and the context through the hidden
    biases. Hidden units of degree 0 see the context alone, so that the first coordinate too depends on it.
    """

    def __init__(self, latent_dim: int, hidden: Sequence[int], backwards: bool) -> None:
        super().__init__()
        order = torch.arange(latent_dim).flip(0) if backwards else torch.arange(latent_dim)
        self.register_buffer("order", order, persistent=False)
        degree, layers = order + 1, []
        for size in hidden:
            units = torch.arange(size) % latent_dim
            layers.append(MaskedLinear(units[:, None] >= degree[None, :]))
            degree = units
        self.layers = nn.ModuleList(layers)
        # The biases of the hidden layers come from the context.
        for layer in layers:
            layer.register_parameter("bias", None)
        self.head = MaskedLinear((order[:, None] >= degree[None, :]).repeat(2, 1))
        with torch.no_grad():
            self.head.weight.mul_(INIT_SCALE)
            self.head.bias.mul_(INIT_SCALE)

    def weights(self) -> list[Tensor]:
        """The masked weights of all layers, the head's last."""
        return [layer.weight * layer.mask for layer in (*self.layers, self.head)]

    def forward(self, z: Tensor, biases: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return m and s."""
        h = z
        for weight, bias in zip(weights[:-1], biases, strict=True):
            h = silu(torch.addmm(bias, h, weight.T))
        m, s = linear(h, weights[-1], self.head.bias).chunk(2, -1)
        return m, s


class InverseAutoregressiveFlow(AmortizedFlow):
    """z_t = σ z_{t−1} + (1 − σ) m with (m, σ) from a masked net on z_{t−1} and the context (book, eq. 4.9).

    log |det ∂z_t / ∂z_{t−1}| = Σ_i log σ_i

    Gates σ_i in (0, 1) make every step invertible, and a floor (`LOWEST_GATE`) keeps the way back within the digits
    of the floats. The nets' weights are their own; the context enters through the biases of their hidden units. The
    order of the coordinates is reversed from step to step. The way out is one pass a step, the way back D passes, one
    for each coordinate.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps.
        hidden: units of each hidden layer of a step's net.

    Raises:
        ValueError: for a size that is too small, or no hidden layer.

    Reference:
        Kingma et al. (2016), Improved Variational Inference with Inverse Autoregressive Flow,
        https://arxiv.org/abs/1606.04934
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int = 4, hidden: Sequence[int] = (320,)) -> None:
        self.check_sizes(latent_dim, context_dim, steps)
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden: expected at least one layer of at least 1 unit, got {tuple(hidden)}")
        super().__init__(latent_dim, context_dim, steps, torch.ones(sum(hidden)))
        self.hidden = tuple(hidden)
        self.nets = nn.ModuleList(GateNet(latent_dim, hidden, step % 2 == 1) for step in range(steps))
        # All gates together let e^(−2) of the way pass less than the identity, whatever the number of steps.
        self.open = GATE_BIAS + math.log(steps)
        self.floor = max(LOWEST_GATE, LOWEST_PRODUCT ** (1 / steps))

    def _prepare(self, context: Tensor) -> list[tuple[Sequence[Tensor], Sequence[Tensor]]]:
        biases = self._raw(context).unbind(1)
        return [(b.split(self.hidden, -1), net.weights()) for b, net in zip(biases, self.nets, strict=True)]

    def _gates(self, step: int, z: Tensor, parameters: tuple[Sequence[Tensor], ...]) -> tuple[Tensor, Tensor]:
        """Return m and σ."""
        m, s = self.nets[step](z, *parameters)
        return m, torch.sigmoid(s + self.open) * (1 - self.floor) + self.floor

    def _step(self, step: int, z: Tensor, parameters: tuple[Sequence[Tensor], ...]) -> tuple[Tensor, Tensor]:
        m, gate = self._gates(step, z, parameters)
        return torch.lerp(m, z, gate), gate.log().sum(-1)

    def _undo(self, step: int, z: Tensor, parameters: tuple[Sequence[Tensor], ...]) -> tuple[Tensor, Tensor]:
        start, gates = torch.zeros_like(z), torch.ones_like(z)
        # Coordinate i needs the ones before it, and no more; those after it are still 0 and their gates not yet right.
        for i in range(self.latent_dim):
            m, gate = self._gates(step, start, parameters)
            now = self.nets[step].order == i
            start = torch.where(now, m + (z - m) / gate, start)
            gates = torch.where(now, gate, gates)
        return start, -gates.log().sum(-1)
