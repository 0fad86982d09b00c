"""A von Mises-Fisher distribution in any dimension: what κ means, and what it costs in nats."""

from __future__ import annotations

import math

import torch
from matplotlib import pyplot as plt
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn.functional import normalize

from hvae_ref.distributions import HypersphericalUniform, VonMisesFisher
from hvae_ref.viz.live.figure import LiveFigure, drawn
from hvae_ref.viz.style import CYCLE

DIMS, KAPPA, DRAWS = (3, 20, 200), 20.0, 400
CAPTION = (
    "400 draws of a von Mises-Fisher distribution with κ = 20, in 3, 20 and 200 dimensions. Each stands on the "
    "sphere at its own angle to μ; of all its other directions a sphere shows only one. Below: the density of the "
    "cosine t = μᵀz, and the histogram of the draws. Where scripts run, move κ and m, and turn the sphere by "
    "dragging or with the arrow keys."
)
ALT = (
    "Three spheres with points, and below each the density of the cosine to μ. In 3 dimensions the points crowd "
    "around the pole μ, with a mean cosine of {:.2f}; in 20 they lie between pole and equator, at {:.2f}; in "
    "200 around the equator, at {:.2f}."
)


def sphere() -> LiveFigure:
    """A sphere to turn, with sliders for κ and m; it needs no model."""
    torch.manual_seed(0)
    figure, axes = plt.subplots(2, len(DIMS), figsize=(7.4, 4.4), height_ratios=[1.5, 1], layout="constrained")
    for (globe, curve), m in zip(axes.T, DIMS, strict=True):
        mu = torch.eye(m, dtype=torch.float64)[0]
        z = VonMisesFisher(mu, torch.tensor(KAPPA, dtype=torch.float64)).sample((DRAWS,))
        t, side = z[:, 0], normalize(z[:, 1:3], dim=1) * (1 - z[:, :1].square()).sqrt()
        front = side[:, 1] < 0
        globe.add_patch(plt.Circle((0, 0), 1, fill=False, color=CYCLE[7], linewidth=1.0))
        globe.scatter(side[:, 0], t, s=4, linewidths=0, color=CYCLE[0], alpha=torch.where(front, 0.9, 0.35).numpy())
        globe.annotate("μ", (0, 1.04), ha="center", color=CYCLE[1])
        globe.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.25), aspect="equal", title=f"m = {m}")
        globe.set_axis_off()
        grid = torch.linspace(-0.999, 0.999, 500, dtype=torch.float64)
        mean, kl, _ = facts(m, KAPPA)
        curve.hist(t.numpy(), 30, density=True, color=CYCLE[7], alpha=0.3)
        curve.plot(grid, log_density_of_cosine(grid, m, KAPPA).exp(), color=CYCLE[0])
        curve.axvline(mean, color=CYCLE[1], linestyle="--")
        curve.set(xlim=(-1, 1), yticks=[], xlabel=f"cosine t; mean {mean:.2f}, KL {kl:.2f} nats")
    picture, size = drawn(figure)
    alt = ALT.format(*(facts(m, KAPPA)[0] for m in DIMS))
    return LiveFigure("sphere", lambda: {}, picture, size, alt, CAPTION, ("chart",))


def facts(m: int, kappa: float) -> tuple[float, float, float]:
    """Mean cosine, KL to the uniform distribution and entropy of a von Mises-Fisher distribution, in nats."""
    p = VonMisesFisher(torch.eye(m, dtype=torch.float64)[0], torch.tensor(kappa, dtype=torch.float64))
    return float(p.mean[0]), float(kl_divergence(p, HypersphericalUniform(m))), float(p.entropy())


def log_density_of_cosine(t: Tensor, m: int, kappa: float) -> Tensor:
    """log density of t = μᵀz (N,), by the density on the sphere and the area of the slice at t."""
    rest = torch.zeros(len(t), m, dtype=torch.float64)
    rest[:, 0], rest[:, 1] = t, (1 - t.square()).sqrt()
    p = VonMisesFisher(torch.eye(m, dtype=torch.float64)[0], torch.tensor(kappa, dtype=torch.float64))
    log_slice = math.log(2) + (m - 1) / 2 * math.log(math.pi) - math.lgamma((m - 1) / 2)
    return p.log_prob(rest) + log_slice + (m - 3) / 2 * torch.log1p(-t.square())
