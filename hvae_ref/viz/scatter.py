"""Scatter plots: a latent space with its classes, and objective against usefulness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.errors import unmasked
from hvae_ref.viz.style import CYCLE, HALO, INK, axes_for, styled


def principal_components(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two directions of largest variance: coordinates (N, 2) and their shares of the variance (2,).

    Each direction's sign is chosen so that its largest weight is positive; an SVD leaves it open.

    Args:
        z: (N, d) with d at least 2.
    """
    centred = z - z.mean(0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(directions[np.arange(2), np.abs(directions[:2]).argmax(1)])
    return centred @ (directions[:2] * signs[:, None]).T, (singular**2 / (singular**2).sum())[:2]


@styled
def latent_map(
    z: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    labels: Sequence[str],
    level: str = "z",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Latents in the plane, one colour a class, each class named at its median.

    Two dimensions are drawn as they are, more by their first two principal components, with the share of the
    variance on the axes.

    Args:
        z: (N, d), d at least 2, such as posterior means.
        y: (N,) class of each row.
        labels: name of each class.
        level: name on the axes.
        title: text above.
        ax: where to draw.

    Raises:
        ValueError: for d below 2, or y of another length.
    """
    z = z.detach().cpu().numpy() if isinstance(z, torch.Tensor) else np.asarray(unmasked("z", z))
    y = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(unmasked("y", y))
    if z.ndim != 2 or z.shape[1] < 2 or y.shape != z.shape[:1]:
        raise ValueError(f"z, y: expected shapes (N, d) with d at least 2 and (N,), got {z.shape} and {y.shape}")
    names = [f"{level}, coordinate {axis + 1}" for axis in range(2)]
    if z.shape[1] > 2:
        z, share = principal_components(z)
        names = [f"{level}, principal component {axis + 1} ({share[axis]:.0%} of variance)" for axis in range(2)]
    figure, ax = axes_for(ax, (5.4, 4.8))
    for number in np.unique(y):
        points = z[y == number]
        color = CYCLE[int(number) % len(CYCLE)]
        # More classes than colours: the second round is hollow.
        face = "none" if int(number) >= len(CYCLE) else color
        ax.scatter(*points.T, s=11, facecolors=face, edgecolors=color, linewidths=0.7, alpha=0.75)
    for number in np.unique(y):
        ax.text(
            *np.median(z[y == number], axis=0), labels[int(number)], color=CYCLE[int(number) % len(CYCLE)],
            fontsize=13, fontweight="bold", ha="center", va="center", path_effects=HALO,
        )  # fmt: skip
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    if title:
        ax.set_title(title)
    return figure


def _label_places(clouds: Sequence[np.ndarray]) -> list[np.ndarray]:
    # Each name goes to the point of its own cloud that is farthest from the other clouds and from the names before.
    # Names are wide and flat, so a distance counts for less along x than along y.
    everything = np.concatenate(clouds)
    extent = np.maximum(np.ptp(everything, axis=0), 1e-12) * np.array([2.5, 1.0])
    places: list[np.ndarray] = []
    for own, cloud in enumerate(clouds):
        others = [other for number, other in enumerate(clouds) if number != own] + [place[None] for place in places]
        if others:
            steps = (cloud[:, None] - np.concatenate(others)[None]) / extent
            places.append(cloud[np.linalg.norm(steps, axis=-1).min(1).argmax()])
        else:
            places.append(cloud[cloud[:, 1].argmax()])
    return places


@styled
def scatter_usefulness(
    points: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str = "usefulness I(x; z) (nats)",
    y_label: str = "objective E[log p(x)] (nats)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Objective against usefulness, one mark a model, families told apart by colour, shape and name.

    Args:
        points: family -> (usefulness of its models, their objective).
        x_label: name of the horizontal axis, with its unit.
        y_label: name of the vertical axis, with its unit.
        title: text above.
        ax: where to draw.

    Raises:
        ValueError: when a family's two lists differ in length or are empty.
    """
    figure, ax = axes_for(ax, (6.0, 4.2))
    shapes = "osD^vP*X"
    clouds = []
    for number, (family, (usefulness, objective)) in enumerate(points.items()):
        x, y = np.asarray(usefulness, dtype=float), np.asarray(objective, dtype=float)
        if x.shape != y.shape or x.ndim != 1 or len(x) == 0:
            raise ValueError(f"points[{family!r}]: expected two lists of one length, got {x.shape} and {y.shape}")
        color = CYCLE[number % len(CYCLE)]
        ax.scatter(x, y, s=26, color=color, marker=shapes[number % len(shapes)], alpha=0.7, linewidths=0)
        clouds.append(np.stack([x, y], axis=1))
    ax.margins(0.1, 0.12)
    for number, (family, place) in enumerate(zip(points, _label_places(clouds), strict=True)):
        ax.annotate(
            family, place, xytext=(0, 8), textcoords="offset points", ha="center",
            color=CYCLE[number % len(CYCLE)], fontsize=9, fontweight="bold", path_effects=HALO,
        )  # fmt: skip
    ax.set_xlabel(x_label, color=INK)
    ax.set_ylabel(y_label, color=INK)
    if title:
        ax.set_title(title)
    return figure
