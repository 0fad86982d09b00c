"""Densities on the sphere in three dimensions, seen from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from torch.distributions import Distribution

from hvae_ref.viz.style import INK, styled

PIXELS = 320
"""Side of a sphere's picture."""
WIDEST_ROW = 4
"""Spheres beside each other before the next row begins."""
RELIEF = LinearSegmentedColormap.from_list("relief", ["#0b2f57", "#4d86bd", "#f4f1e6", "#e08a3c", "#8f2f00"])
"""From far below the uniform density, by way of the uniform, to far above."""


def _camera(azimuth: float, elevation: float) -> np.ndarray:
    # Rows: to the right, upwards, towards the reader; angles in degrees.
    a, e = math.radians(azimuth), math.radians(elevation)
    towards = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0.0])
    return np.stack([right, np.cross(towards, right), towards])


def bare(ax: Axes, reach: float) -> None:
    """A square without ticks and spines, `reach` to each side; unlike axis("off") it leaves its title in the layout."""
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _graticule(camera: np.ndarray) -> list[np.ndarray]:
    # Circles of latitude and longitude, where they face the reader, as (points, 2) with NaN in the gaps.
    t = np.linspace(0, 2 * np.pi, 241)
    circles = [
        np.stack([math.cos(lat) * np.cos(t), math.cos(lat) * np.sin(t), np.full_like(t, math.sin(lat))], axis=1)
        for lat in np.radians([-60, -30, 0, 30, 60])
    ]
    circles += [
        np.stack([np.cos(t) * math.cos(lon), np.cos(t) * math.sin(lon), np.sin(t)], axis=1)
        for lon in np.radians(np.arange(0, 180, 30))
    ]
    seen = [circle @ camera.T for circle in circles]
    return [np.where(circle[:, 2:] > 0, circle[:, :2], np.nan) for circle in seen]


def _draw_sphere(ax: Axes, p: Distribution, camera: np.ndarray, draws: int, limit: float) -> None:
    u, v = np.meshgrid(*2 * (np.linspace(-1.01, 1.01, PIXELS),))
    square = u**2 + v**2
    inside = np.minimum(square, 1.0)
    facing = np.sqrt(1 - inside)
    outside = np.sqrt(np.maximum(square, 1.0))
    points = np.stack([u / outside, v / outside, facing], axis=-1)
    z = torch.as_tensor(points @ camera, dtype=torch.float64)
    uniform = -math.log(4 * math.pi)
    relative = p.log_prob(z / z.norm(dim=-1, keepdim=True)).numpy() - uniform
    colors = RELIEF(np.clip(0.5 + 0.5 * relative / limit, 0, 1))
    light = points @ np.array([-0.45, 0.55, 0.7])
    colors[..., :3] *= (0.72 + 0.28 * np.clip(light, 0, 1))[..., None]
    # The rim fades over a pixel.
    colors[..., 3] = np.clip((1 - np.sqrt(square)) * PIXELS / 2 + 0.5, 0, 1)
    ax.imshow(colors, extent=(-1.01, 1.01, -1.01, 1.01), origin="lower", interpolation="bilinear")
    for line in _graticule(camera):
        ax.plot(*line.T, color=INK, linewidth=0.4, alpha=0.25)
    z = p.sample((draws,)).numpy() @ camera.T
    near = z[:, 2] > 0
    ax.scatter(*z[near, :2].T, s=9, color=INK, edgecolors="white", linewidths=0.5)
    bare(ax, 1.1)


@styled
def sphere_densities(
    distributions: Mapping[str, Distribution],
    draws: int = 150,
    azimuth: float = 35.0,
    elevation: float = 20.0,
    limit: float = 5.0,
    seed: int = 0,
) -> Figure:
    """Densities on the sphere in three dimensions, seen from outside, with draws; only those that face us are seen.

    Args:
        distributions: title -> a distribution in float64 with event shape (3,) on the unit sphere, without a batch.
        draws: points sampled from each, on the whole sphere.
        azimuth: of the reader, in degrees from the first axis.
        elevation: of the reader, in degrees above the plane of the first two axes.
        limit: log-density, relative to the uniform one, at which the colours end, nats.
        seed: of the draws.

    Returns:
        The figure: one sphere each, and the scale of the colours.

    Raises:
        ValueError: for no distribution, or one of another shape or dtype.
    """
    for name, p in distributions.items():
        if tuple(p.event_shape) != (3,) or tuple(p.batch_shape) != () or p.mean.dtype != torch.float64:
            raise ValueError(
                f"distributions[{name!r}]: expected event shape (3,), no batch, float64; got {tuple(p.event_shape)}, "
                f"{tuple(p.batch_shape)}, {p.mean.dtype}"
            )
    figure, axes = _row_of_axes(len(distributions), 2.15)
    camera = _camera(azimuth, elevation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for ax, (name, p) in zip(axes, distributions.items(), strict=True):
            _draw_sphere(ax, p, camera, draws, limit)
            ax.set_title(name, loc="center")
    scale = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), RELIEF),
        ax=axes,
        orientation="horizontal",
        shrink=0.5,
        aspect=40,
        pad=0.02,
        extend="both",
    )
    scale.set_label("log density against the uniform one (nats)")
    scale.outline.set_visible(False)
    return figure


def _row_of_axes(count: int, inches: float) -> tuple[Figure, list[Axes]]:
    if count < 1:
        raise ValueError("expected at least one distribution to draw, got none")
    import matplotlib.pyplot as plt

    columns = min(count, WIDEST_ROW)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(inches * columns, inches * rows + 0.7), squeeze=False)
    plt.close(figure)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, list(axes.flat[:count])
