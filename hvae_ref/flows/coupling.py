"""Coupling flows: in every step one half of the coordinates decides how each of the others is moved."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from hvae_ref.flows.base import INIT_SCALE, AmortizedFlow
from hvae_ref.flows.spline import rational_quadratic

LARGEST_SCALE, LARGEST_PRODUCT = 10.0, 1e3
"""No step of an affine flow scales a coordinate by more than the first, or by less than its reciprocal, and all steps
together by no more than the second."""


class CouplingNet(nn.Module):
    """One net a step: from the coordinates that stay (B, A) and biases of its hidden units (B, …) to (B, M · P).

    With A = 0, in one dimension, all of it depends on the context alone.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        # The biases of the hidden layers come from the context.
        sizes = [inputs, *hidden]
        pairs = zip(sizes, sizes[1:], strict=False)
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) if a else nn.Identity() for a, b in pairs)
        self.head = nn.Linear(hidden[-1], outputs)
        with torch.no_grad():
            self.head.weight.mul_(INIT_SCALE)
            self.head.bias.mul_(INIT_SCALE)

    def forward(self, z: Tensor, biases: Sequence[Tensor]) -> Tensor:
        """Return the parameters of the coordinates that move."""
        h = z
        for layer, bias in zip(self.layers, biases, strict=True):
            h = silu(bias if isinstance(layer, nn.Identity) else torch.addmm(bias, h, layer.weight.T))
        return linear(h, self.head.weight, self.head.bias)


class CouplingFlow(AmortizedFlow):
    """z_t = (z^a, f(z^b; θ)) with θ from a net on z^a and the context: one half stays, each of the others moves alone.

    log |det ∂z_t / ∂z_{t−1}| = Σ_i log ∂f(z^b_i; θ_i) / ∂z^b_i

    z^a is the first half of the coordinates, and in every other step the last one. There and back cost the same, one
    pass of a net a step. The nets' weights are their own; the context enters through the biases of their hidden units.

    Args:
        latent_dim: D. With D = 1 nothing stays, and f depends on the context alone.
        context_dim: C, may be 0.
        steps: number of steps.
        hidden: units of each hidden layer of a step's net.
        each: how many parameters f has for one coordinate.

    Raises:
        ValueError: for a size that is too small, or no hidden layer.

    Reference:
        Dinh, Sohl-Dickstein and Bengio (2017), Density estimation using Real NVP, https://arxiv.org/abs/1605.08803
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int, hidden: Sequence[int], each: int) -> None:
        self.check_sizes(latent_dim, context_dim, steps)
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden: expected at least one layer of at least 1 unit, got {tuple(hidden)}")
        super().__init__(latent_dim, context_dim, steps, torch.ones(sum(hidden)))
        self.hidden, self.stay = tuple(hidden), latent_dim // 2
        outputs = (latent_dim - self.stay) * each
        self.nets = nn.ModuleList(CouplingNet(self.stay, hidden, outputs) for _ in range(steps))

    def _prepare(self, context: Tensor) -> list[Sequence[Tensor]]:
        return [biases.split(self.hidden, -1) for biases in self._raw(context).unbind(1)]

    @abstractmethod
    def _move(self, z: Tensor, raw: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        """f or its inverse: (B, M) and (B, M, P) to (B, M) and the logarithms of its slopes (B, M)."""

    def _half(self, step: int, z: Tensor, biases: Sequence[Tensor], back: bool) -> tuple[Tensor, Tensor]:
        turned = z.flip(-1) if step % 2 else z
        stays, moves = turned.split([self.stay, self.latent_dim - self.stay], -1)
        raw = self.nets[step](stays, biases).unflatten(-1, (moves.shape[-1], -1))
        moved, slopes = self._move(moves, raw, back)
        out = torch.cat([stays, moved], -1)
        return out.flip(-1) if step % 2 else out, slopes.sum(-1)

    def _step(self, step: int, z: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._half(step, z, parameters, back=False)

    def _undo(self, step: int, z: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._half(step, z, parameters, back=True)


class AffineCouplingFlow(CouplingFlow):
    """A coupling flow of affine maps, f(z) = e^s z + t: RealNVP, with (s, t) from a net on z^a and the context.

    |s| is bounded (`LARGEST_SCALE`), smoothly.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps; two of them move every coordinate.
        hidden: units of each hidden layer of a step's net.

    Raises:
        ValueError: for a size that is too small, or no hidden layer.
    """

    def __init__(self, latent_dim: int, context_dim: int, steps: int = 4, hidden: Sequence[int] = (320,)) -> None:
        super().__init__(latent_dim, context_dim, steps, hidden, each=2)
        self.bound = min(math.log(LARGEST_SCALE), math.log(LARGEST_PRODUCT) / math.ceil(steps / 2))

    def _move(self, z: Tensor, raw: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        s, t = raw.unbind(-1)
        s = self.bound * torch.tanh(s / self.bound)
        return ((z - t) * torch.exp(-s), -s) if back else (z * torch.exp(s) + t, s)


class SplineCouplingFlow(CouplingFlow):
    """A coupling flow of monotone rational-quadratic splines inside [−reach, reach], the identity outside of it.

    Args:
        latent_dim: D.
        context_dim: C, may be 0.
        steps: number of steps; two of them move every coordinate.
        hidden: units of each hidden layer of a step's net.
        bins: pieces of a spline.
        reach: half of the width of the interval that is bent.

    Raises:
        ValueError: for a size that is too small, or no hidden layer.

    Reference:
        Durkan, Bekasov, Murray and Papamakarios (2019), Neural Spline Flows, https://arxiv.org/abs/1906.04032
    """

    def __init__(
        self,
        latent_dim: int,
        context_dim: int,
        steps: int = 4,
        hidden: Sequence[int] = (320,),
        bins: int = 8,
        reach: float = 5.0,
    ) -> None:
        self.check_sizes(latent_dim, context_dim, steps, bins=bins)
        if not (math.isfinite(reach) and reach > 0):
            raise ValueError(f"reach: expected a finite number above 0, got {reach}")
        super().__init__(latent_dim, context_dim, steps, hidden, each=3 * bins - 1)
        self.bins, self.reach = bins, reach

    def _move(self, z: Tensor, raw: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        return rational_quadratic(z, *raw.split([self.bins, self.bins, self.bins - 1], -1), self.reach, back)
