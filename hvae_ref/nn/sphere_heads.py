"""Heads on unit spheres: the uniform prior, and von Mises-Fisher distributions from a net."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from hvae_ref.distributions import HypersphericalUniform, VonMisesFisher
from hvae_ref.nn.heads import bounded_log_sigma, full_precision

CONCENTRATIONS = ("natural", "scaled", "softplus")


def safe_norm(v: Tensor) -> Tensor:
    """‖v‖ of v (…, m), with a gradient of 0 where v is 0."""
    square = v.square().sum(-1)
    return torch.where(square > 0, square, 1).sqrt() * (square > 0)


def safe_normalize(v: Tensor) -> Tensor:
    """v / ‖v‖ of v (…, m); the first axis, without a gradient, where v is 0."""
    first = torch.zeros_like(v)
    first[..., 0] = 1
    unit = torch.where((v != 0).any(-1, keepdim=True), v, first)
    # By the largest number first: squares of tiny or huge ones are 0 or infinite.
    unit = unit / unit.abs().amax(-1, keepdim=True).detach()
    return unit / torch.linalg.vector_norm(unit, dim=-1, keepdim=True)


class UniformSphere(nn.Module):
    """The uniform prior on a unit sphere, or on a product of them.

    Args:
        shape: (m,) for one sphere in R^m, (S, m) for S of them.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def forward(self, n: int, *given: Tensor) -> HypersphericalUniform | Independent:
        """The uniform distribution, batch (n,), event `shape`."""
        *spheres, m = self.shape
        kind = {"dtype": self.zero.dtype, "device": self.zero.device}
        uniform = HypersphericalUniform(m, (n, *spheres), **kind)
        return Independent(uniform, len(spheres)) if spheres else uniform


class ConditionalVonMisesFisher(nn.Module):
    """A von Mises-Fisher distribution on S^{m−1}, or a product of S of them, from a net; eq. 5.3 in the book.

    The net gives a vector v of m numbers and one raw number a sphere; μ = v / ‖v‖, and κ is read in one of three ways:

    - "natural": κ = √m ‖v‖ (1 + 1/σ²), with log σ as in `ConditionalNormal`: the prior's precision, and what x adds to
      it. Where κ is small the point √m z is distributed as N(κ μ/√m, I) is, KL(q ‖ uniform) ≈ κ²/2m, and nothing is
      singular: a net learns it as it learns a Gaussian's. No σ can bring κ below √m ‖v‖, where v has a gradient.
    - "scaled": κ = m / σ². A net whose outputs are near 0 starts at κ = m, with a mean resultant length of about 0.62
      for every m, and pays a number of nats that grows with m before it knows anything of x.
    - "softplus": κ = 1 + softplus(raw), as public code has it: 1.7 at the start in every dimension, which for m ≥ 16 is
      nearly uniform, and hundreds of steps away from any other value.

    Args:
        net: maps (B, H) to (B, S (m + 1)): S m coordinates of the vectors v, then S raw numbers.
        spheres: S.
        concentration: how κ is read.

    Raises:
        ValueError: for an unknown name or no sphere; in a call, where the net has another number of outputs.
    """

    def __init__(self, net: nn.Module, spheres: int = 1, concentration: str = "natural") -> None:
        super().__init__()
        if concentration not in CONCENTRATIONS:
            raise ValueError(f"concentration: expected one of {', '.join(CONCENTRATIONS)}, got {concentration!r}")
        if spheres < 1:
            raise ValueError(f"spheres: expected at least 1, got {spheres}")
        self.net, self.spheres, self.concentration = net, spheres, concentration

    def forward(self, *given: Tensor) -> VonMisesFisher | Independent:
        """The distribution, batch (B,), event (m,), or (S, m) for several spheres."""
        out = full_precision(self.net(*given))
        if out.shape[-1] % self.spheres or out.shape[-1] < 3 * self.spheres:
            raise ValueError(
                f"net: expected {self.spheres} · (m + 1) outputs with m of at least 2, got {out.shape[-1]}"
            )
        v, raw = out[..., : -self.spheres].unflatten(-1, (self.spheres, -1)), out[..., -self.spheres :]
        m = v.shape[-1]
        if self.concentration == "softplus":
            kappa = 1 + nn.functional.softplus(raw)
        else:
            precision = torch.exp(-2 * bounded_log_sigma(raw))
            kappa = m**0.5 * safe_norm(v) * (1 + precision) if self.concentration == "natural" else m * precision
        loc = safe_normalize(v)
        if self.spheres == 1:
            return VonMisesFisher(loc.squeeze(-2), kappa.squeeze(-1))
        return Independent(VonMisesFisher(loc, kappa), 1)
