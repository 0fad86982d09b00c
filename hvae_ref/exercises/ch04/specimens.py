"""Flows for exercise 4.2: triangular maps, some after a rotation, that report a right or a wrong log-determinant.

Every flow is invertible, moves each example by itself, and keeps volumes, with a reported log-determinant of 0,
when its parameters are set to zero. A wrong flow moves z as a right one does; only its report is wrong. Some are
wrong by 1e-4 nats or less only, some at a single point.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.exercises.engine.inputs import normal, size
from hvae_ref.flows.base import FlowOutput

_CLEARLY = 0.05  # nats between report and truth from which a flow counts as wrong
_SLIGHTLY = 3e-5  # the same for a slight mistake, times 1 + |log-determinant|: 3 times what allclose accepts
_SPOT = 1e-3  # width of the region where "spot" is wrong, too small to be found by chance


class Specimen(nn.Module):
    """A map z'_i = ± exp(s_i) z_i + t_i, where s_i and t_i depend on the coordinates before i.

    log |det ∂z'/∂z| = Σ_i s_i

    Args:
        dim: D, number of coordinates.
        rng: Source of the parameters.
        kind: What it reports, a key of `REPORTS`.
        reflected: Whether the first coordinate changes its sign, so that the Jacobian's determinant is negative.
        spot: (D,), where the report of kind "spot" is wrong; the origin where it is not given.
        turned: Whether z is rotated first, so that the Jacobian is full; it leaves the determinant as it is.
        share: Mix of the true log-determinant, at 0, and the report that `REPORTS` has for its kind, at 1.
    """

    def __init__(
        self,
        dim: int,
        rng: np.random.Generator,
        kind: str,
        reflected: bool,
        spot: Tensor | None = None,
        share: float = 1.0,
        turned: bool = False,
    ) -> None:
        super().__init__()
        self.on_scale = nn.Parameter(normal(rng, dim, dim, scale=0.8, dtype=torch.float64))
        self.on_shift = nn.Parameter(normal(rng, dim, dim, scale=0.8, dtype=torch.float64))
        self.log_scale = nn.Parameter(normal(rng, dim, scale=0.7, dtype=torch.float64))
        signs = torch.ones(dim, dtype=torch.float64)
        signs[0] = -1.0 if reflected else 1.0
        self.register_buffer("signs", signs)
        self.register_buffer("spot", torch.zeros_like(signs) if spot is None else spot.clone())
        axes = normal(rng, dim, dim, dtype=torch.float64) if turned else torch.eye(dim, dtype=torch.float64)
        self.register_buffer("axes", torch.linalg.qr(axes)[0] if turned else axes)
        self.kind, self.reflected, self.share = kind, reflected, share

    def forward(self, z: Tensor) -> FlowOutput:
        """Move z, (B, D), and report log |det ∂z'/∂z|, (B,)."""
        turned = z @ self.axes
        s, t = self._conditioned(turned)
        return FlowOutput(self.signs * s.exp() * turned + t, self.reported(z, s))

    def inverse(self, z_next: Tensor) -> FlowOutput:
        """Move z' back and report log |det ∂z/∂z'|, (B,)."""
        columns: list[Tensor] = []
        for i in range(z_next.shape[1]):
            later = torch.zeros_like(z_next[:, i:])
            s, t = self._conditioned(torch.cat([*(column[:, None] for column in columns), later], 1))
            columns.append((z_next[:, i] - t[:, i]) / (self.signs[i] * s[:, i].exp()))
        turned = torch.stack(columns, 1)
        z, s = turned @ self.axes.T, self._conditioned(turned)[0]
        # "nothing" reports the true value on the way back: the one mistake that a test of there and back finds.
        return FlowOutput(z, -s.sum(1) if self.kind == "nothing" else -self.reported(z, s))

    def reported(self, z: Tensor, s: Tensor) -> Tensor:
        """The reported log-determinant, (B,)."""
        return torch.lerp(s.sum(1), REPORTS[self.kind][0](self, z, s), self.share)

    def error(self, z: Tensor) -> float:
        """The largest distance of the report from the truth over the rows of z."""
        return (self.reported(z, self._conditioned(z @ self.axes)[0]) - self.true(z)).abs().max().item()

    def true(self, z: Tensor) -> Tensor:
        """log |det ∂z'/∂z|, (B,), for z of shape (B, D)."""
        return self._conditioned(z @ self.axes)[0].sum(1)

    def _conditioned(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(z @ self.on_scale.tril(-1).T) + self.log_scale, z @ self.on_shift.tril(-1).T

    def __repr__(self) -> str:
        """One line for a verdict: what kind of flow this is."""
        mirrored = ", one coordinate reflected" if self.reflected else ""
        slightly = "" if self.share == 1 else "log |det J|, moved by less than 0.001 nats towards "
        return f"a flow in {len(self.signs)} dimensions{mirrored}; it reports {slightly}{REPORTS[self.kind][1]}"


def _at_the_origin(flow: Specimen, z: Tensor, s: Tensor) -> Tensor:
    return flow._conditioned(torch.zeros_like(z))[0].sum(1) + 0 * s.sum(1)


def _but_for_a_spot(flow: Specimen, z: Tensor, s: Tensor) -> Tensor:
    near = (-(z - flow.spot).square().sum(1) / (2 * _SPOT**2)).exp()
    return (1 - near) * s.sum(1)


REPORTS: dict[str, tuple[Callable[[Specimen, Tensor, Tensor], Tensor], str]] = {
    "right": (lambda flow, z, s: s.sum(1), "log |det J|"),
    "nothing": (lambda flow, z, s: 0 * s.sum(1), "0"),
    "flipped": (lambda flow, z, s: -s.sum(1), "−log |det J|"),
    "one short": (lambda flow, z, s: s[:, 1:].sum(1), "log |det J| without one coordinate's term"),
    "origin": (_at_the_origin, "log |det J| at the origin, whatever z is"),
    "rolled": (lambda flow, z, s: s.sum(1).roll(1), "each example's log |det J| beside another example"),
    "first": (lambda flow, z, s: s.sum(1)[0] + 0 * s.sum(1), "the first example's log |det J| for all of them"),
    "spot": (_but_for_a_spot, "log |det J|, but 0 at one of the points"),
}
"""What specimens report: the report itself, and words for it."""


def specimen_and_points(rng: np.random.Generator) -> tuple[Specimen, Tensor]:
    """Draw a flow, right (one in five) or wrong, and points at which to test it.

    Three in ten of the wrong ones are wrong by less than 0.001 nats: 3e-5 (1 + |log-determinant|).

    Args:
        rng: Source of randomness.

    Returns:
        The flow, and z of shape (B, D) in float64.
    """
    dim = int(rng.integers(2, 5))
    kind = "right" if rng.random() < 0.2 else str(rng.choice([kind for kind in REPORTS if kind != "right"]))
    # Two kinds exchange numbers between examples, so they need two or more.
    batch = size(rng, low=2 if kind in ("rolled", "first") else 1, high=5)
    while True:
        # The points are drawn again with the flow: two that are close have nearly the same log-determinant.
        z = normal(rng, batch, dim, scale=1.5, dtype=torch.float64)
        spot = z[int(rng.integers(batch))]
        flow = Specimen(dim, rng, kind, reflected=bool(rng.random() < 0.4), spot=spot)
        if kind == "right":
            return flow, z
        error = flow.error(z)
        if error > _CLEARLY:
            if rng.random() < 0.3:
                flow.share = _SLIGHTLY * (1 + flow.true(z).abs().max().item()) / error
            return flow, z


def specimens_of_every_kind() -> list[tuple[Specimen, Tensor]]:
    """Make flows of every kind, in more dimensions than a random one has, and spots at each of many points.

    Returns:
        Flows, each with z of shape (B, D) in float64.
    """
    rng = np.random.default_rng(42)
    right = [
        (Specimen(dim, rng, "right", reflected), normal(rng, batch, dim, scale=1.5, dtype=torch.float64))
        for dim, batch, reflected in ((1, 1, False), (1, 3, True), (9, 12, False), (6, 2, True))
    ]
    wrong = [_clearly_wrong(rng, kind, place=3) for kind in REPORTS if kind != "right"]
    wrong += [_clearly_wrong(rng, "spot", *each) for each in ((8, 9, 9), (35, 40, 3), (139, 140, 2))]
    wrong += [_clearly_wrong(rng, "one short", 0, 1, 24), _clearly_wrong(rng, "flipped", 0, 2, 9)]
    full = [
        (Specimen(dim, rng, "right", reflected, turned=True), normal(rng, batch, dim, dtype=torch.float64))
        for dim, batch, reflected in ((2, 3, False), (5, 2, True))
    ]
    nearly = [_off_by(rng, *each) for each in ((1.7e-6, 0.01), (4e-6, -0.05), (8e-6, 0.02), (6e-7, 0.5), (6e-7, -2.0))]
    return [*right, *wrong, *(_clearly_wrong(rng, "spot", place) for place in range(7)), *full, *nearly]


def _off_by(rng: np.random.Generator, error: float, log_det: float) -> tuple[Specimen, Tensor]:
    """A flow and one point with this log-determinant, of which the report is so many nats off."""
    flow, z = Specimen(3, rng, "one short", reflected=False), normal(rng, 1, 3, dtype=torch.float64)
    with torch.no_grad():
        flow.log_scale[0] = 0.7
        flow.log_scale[1] += log_det - flow.true(z).item()
    flow.share = error / flow.error(z)
    return flow, z


def _clearly_wrong(
    rng: np.random.Generator, kind: str, place: int, batch: int = 7, dim: int = 6
) -> tuple[Specimen, Tensor]:
    """A flow, and points; at the place of one of them lies the spot."""
    while True:
        z = normal(rng, batch, dim, scale=1.5, dtype=torch.float64)
        flow = Specimen(dim, rng, kind, reflected=False, spot=z[place])
        if flow.error(z) > _CLEARLY:
            return flow, z
