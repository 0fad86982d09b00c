"""Flows to be judged in exercise 4.2: triangular maps that report their log-determinant rightly or wrongly.

Every specimen is invertible, moves each example by itself, and becomes z → ±z with a reported log-determinant of 0 when
its parameters are set to zero. What is wrong with a wrong one is what it reports, not what it does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.exercises.inputs import normal, size
from hvae_ref.flows.base import FlowOutput

_CLEARLY = 0.05  # nats between report and truth from which a specimen counts as wrong


class Specimen(nn.Module):
    """A map z'_i = ± exp(s_i) z_i + t_i, where s_i and t_i depend on the coordinates before i.

    log |det ∂z'/∂z| = Σ_i s_i

    Args:
        dim: D, number of coordinates.
        rng: Source of the parameters.
        kind: What it reports, a key of `REPORTS`.
        reflected: Whether the first coordinate changes its sign, so that the Jacobian's determinant is negative.
    """

    def __init__(self, dim: int, rng: np.random.Generator, kind: str, reflected: bool) -> None:
        super().__init__()
        self.on_scale = nn.Parameter(normal(rng, dim, dim, scale=0.8, dtype=torch.float64))
        self.on_shift = nn.Parameter(normal(rng, dim, dim, scale=0.8, dtype=torch.float64))
        self.log_scale = nn.Parameter(normal(rng, dim, scale=0.7, dtype=torch.float64))
        signs = torch.ones(dim, dtype=torch.float64)
        signs[0] = -1.0 if reflected else 1.0
        self.register_buffer("signs", signs)
        self.kind, self.reflected = kind, reflected

    def forward(self, z: Tensor) -> FlowOutput:
        """Move z, (B, D), and report log |det ∂z'/∂z|, (B,)."""
        s, t = self._conditioned(z)
        return FlowOutput(self.signs * s.exp() * z + t, self.reported(z, s))

    def inverse(self, z_next: Tensor) -> FlowOutput:
        """Move z' back and report log |det ∂z/∂z'|, (B,)."""
        columns: list[Tensor] = []
        for i in range(z_next.shape[1]):
            later = torch.zeros_like(z_next[:, i:])
            s, t = self._conditioned(torch.cat([*(column[:, None] for column in columns), later], 1))
            columns.append((z_next[:, i] - t[:, i]) / (self.signs[i] * s[:, i].exp()))
        z = torch.stack(columns, 1)
        s = self._conditioned(z)[0]
        # Where nothing is reported on the way out, the way back tells the truth: the one lie that there-and-back finds.
        return FlowOutput(z, -s.sum(1) if self.kind == "nothing" else -self.reported(z, s))

    def reported(self, z: Tensor, s: Tensor) -> Tensor:
        """What stands where the log-determinant should."""
        return REPORTS[self.kind][0](self, z, s)

    def error(self, z: Tensor) -> float:
        """The largest distance of the report from the truth over the rows of z."""
        s = self._conditioned(z)[0]
        return (self.reported(z, s) - s.sum(1)).abs().max().item()

    def _conditioned(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(z @ self.on_scale.tril(-1).T) + self.log_scale, z @ self.on_shift.tril(-1).T

    def __repr__(self) -> str:
        """One line for a verdict: what kind of flow this is."""
        mirrored = ", one coordinate reflected" if self.reflected else ""
        return f"a flow in {len(self.signs)} dimensions{mirrored}; it reports {REPORTS[self.kind][1]}"


def _at_the_origin(flow: Specimen, z: Tensor, s: Tensor) -> Tensor:
    return flow._conditioned(torch.zeros_like(z))[0].sum(1) + 0 * s.sum(1)


REPORTS: dict[str, tuple[Callable[[Specimen, Tensor, Tensor], Tensor], str]] = {
    "right": (lambda flow, z, s: s.sum(1), "log |det J|"),
    "nothing": (lambda flow, z, s: 0 * s.sum(1), "0"),
    "flipped": (lambda flow, z, s: -s.sum(1), "−log |det J|"),
    "one short": (lambda flow, z, s: s[:, 1:].sum(1), "log |det J| without one coordinate's term"),
    "origin": (_at_the_origin, "log |det J| at the origin, whatever z is"),
    "rolled": (lambda flow, z, s: s.sum(1).roll(1), "each example's log |det J| beside another example"),
    "first": (lambda flow, z, s: s.sum(1)[0] + 0 * s.sum(1), "the first example's log |det J| for all of them"),
}
"""What specimens report: the report itself, and words for it."""


def specimen_and_points(rng: np.random.Generator) -> tuple[Specimen, Tensor]:
    """Draw a flow, right (three times in ten) or clearly wrong, and points at which to examine it.

    Args:
        rng: Source of randomness.

    Returns:
        The flow, and z of shape (B, D) in float64.
    """
    batch, dim = size(rng, high=5), int(rng.integers(2, 5))
    z = normal(rng, batch, dim, scale=1.5, dtype=torch.float64)
    wrong = [kind for kind in REPORTS if kind != "right"]
    while True:
        # Some ways to be wrong need two examples, so the kind is drawn anew as well.
        kind = "right" if rng.random() < 0.3 else str(rng.choice(wrong))
        flow = Specimen(dim, rng, kind, reflected=bool(rng.random() < 0.4))
        if kind == "right" or flow.error(z) > _CLEARLY:
            return flow, z
