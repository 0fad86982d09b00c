"""Maps of latents on the circle and on the sphere, and of what is decoded from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hvae_ref.viz.images import mosaic
from hvae_ref.viz.spheres import bare
from hvae_ref.viz.style import CYCLE, FAINT, HALO, styled


def hemispheres(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lambert's azimuthal projection of unit vectors: places (N, 2) in a disc of radius √2, and which disc.

    Equal areas of the sphere have equal areas in the discs. The front disc is centred at +e₁, with e₂ to the right and
    e₃ upwards, the back one at −e₁ with −e₂ to the right, so that the two touch where they are printed side by side.

    Args:
        z: (N, 3) unit vectors.

    Returns:
        (N, 2), and (N,) true for the front.
    """
    front = z[:, 0] >= 0
    right = np.where(front, z[:, 1], -z[:, 1])
    stretch = np.sqrt(2 / (1 + np.abs(z[:, 0])))
    return np.stack([right, z[:, 2]], axis=1) * stretch[:, None], front


def from_disc(places: np.ndarray, front: bool) -> np.ndarray:
    """The unit vectors (N, 3) at `places` (N, 2) within the disc of radius √2: the inverse of `hemispheres`."""
    square = (places**2).sum(1)
    across = places * np.sqrt(1 - square / 4)[:, None]
    sign = 1.0 if front else -1.0
    return np.stack([sign * (1 - square / 2), sign * across[:, 0], across[:, 1]], axis=1)


def _discs() -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.4))
    plt.close(figure)
    t = np.linspace(0, 2 * np.pi, 200)
    for ax, name in zip(axes, ("front", "back"), strict=True):
        ax.plot(math.sqrt(2) * np.cos(t), math.sqrt(2) * np.sin(t), color=FAINT, linewidth=0.8)
        bare(ax, 1.46)
        ax.set_title(name, loc="center")
    return figure, list(axes)


def _unit_vectors(z: Tensor | np.ndarray, dim: int) -> np.ndarray:
    z = z.detach().cpu().double().numpy() if isinstance(z, torch.Tensor) else np.asarray(z, dtype=float)
    if z.ndim != 2 or z.shape[1] != dim or not np.allclose(np.linalg.norm(z, axis=1), 1, atol=1e-3):
        raise ValueError(f"z: expected unit vectors of shape (N, {dim}), got {z.shape}")
    return z


@styled
def sphere_map(z: Tensor | np.ndarray, y: Tensor | np.ndarray, labels: Sequence[str]) -> Figure:
    """Latents on the sphere in three dimensions, as two hemispheres in equal-area projection, one colour a class.

    Args:
        z: (N, 3) unit vectors, such as mean directions.
        y: (N,) class of each row.
        labels: name of each class, written at the mean direction of its rows.

    Raises:
        ValueError: where z are not unit vectors in three dimensions, or y has another length.
    """
    z, y = _unit_vectors(z, 3), np.asarray(y)
    if y.shape != z.shape[:1]:
        raise ValueError(f"y: expected shape ({len(z)},), got {y.shape}")
    figure, axes = _discs()
    places, front = hemispheres(z)
    for number in np.unique(y):
        color = CYCLE[int(number) % len(CYCLE)]
        face = "none" if int(number) >= len(CYCLE) else color
        for ax, side in zip(axes, (front, ~front), strict=True):
            points = places[(y == number) & side]
            ax.scatter(*points.T, s=11, facecolors=face, edgecolors=color, linewidths=0.7, alpha=0.75)
        mean = z[y == number].mean(0)
        place, before = hemispheres((mean / np.linalg.norm(mean))[None])
        axes[0 if before[0] else 1].text(
            *place[0], labels[int(number)], color=color, fontsize=14, fontweight="bold", ha="center", va="center",
            path_effects=HALO,
        )  # fmt: skip
    return figure


@styled
def sphere_images(
    decode: Callable[[Tensor], Tensor], image_shape: tuple[int, int], num_values: int, side: int = 15
) -> Figure:
    """What is decoded all over the sphere in three dimensions: each image stands where its latent is on `sphere_map`.

    Args:
        decode: maps unit vectors (n, 3), float32, to images (n, H·W).
        image_shape: (H, W).
        num_values: grey levels; the highest is drawn black.
        side: images across a disc.
    """
    figure, axes = _discs()
    height, width = image_shape
    edge = math.sqrt(2)
    centres = (np.arange(side) + 0.5) / side * 2 * edge - edge
    places = np.stack(np.meshgrid(centres, centres[::-1]), axis=-1).reshape(-1, 2)
    within = (places**2).sum(1) < (edge - edge / side) ** 2
    for ax, front in zip(axes, (True, False), strict=True):
        z = torch.as_tensor(from_disc(places[within], front), dtype=torch.float32)
        images = np.full((side * side, height, width), np.nan)
        images[within] = decode(z).detach().cpu().numpy().reshape(-1, height, width)
        picture = mosaic(images.reshape(side, side, height, width), gap=max(1, height // 8))
        ax.imshow(
            picture, cmap="gray_r", vmin=0, vmax=num_values - 1, extent=(-edge, edge, -edge, edge),
            interpolation="nearest",
        )  # fmt: skip
    return figure


@styled
def circle_map(
    z: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    labels: Sequence[str],
    decode: Callable[[Tensor], Tensor] | None = None,
    image_shape: tuple[int, int] = (8, 8),
    num_values: int = 2,
    count: int = 18,
) -> Figure:
    """Latents on the circle, each class on a ring of its own, and inside it what is decoded at every angle.

    Args:
        z: (N, 2) unit vectors.
        y: (N,) class of each row.
        labels: name of each class, written at the mean direction of its rows.
        decode: maps unit vectors (n, 2), float32, to images (n, H·W); None for no images.
        image_shape: (H, W).
        num_values: grey levels; the highest is drawn black.
        count: images round the circle.

    Raises:
        ValueError: where z are not unit vectors in two dimensions, or y has another length.
    """
    import matplotlib.pyplot as plt

    z, y = _unit_vectors(z, 2), np.asarray(y)
    if y.shape != z.shape[:1]:
        raise ValueError(f"y: expected shape ({len(z)},), got {y.shape}")
    figure, ax = plt.subplots(figsize=(6.2, 6.2))
    plt.close(figure)
    t = np.linspace(0, 2 * np.pi, 300)
    classes = np.unique(y)
    radii = 1 + 0.095 * np.arange(1, len(classes) + 1)
    for radius, number in zip(radii, classes, strict=True):
        color = CYCLE[int(number) % len(CYCLE)]
        ax.plot(radius * np.cos(t), radius * np.sin(t), color="#e4e4e0", linewidth=0.8, zorder=0)
        points = radius * z[y == number]
        ax.scatter(*points.T, s=14, color=color, alpha=0.35, linewidths=0)
        mean = z[y == number].mean(0)
        ax.text(
            *radius * mean / np.linalg.norm(mean), labels[int(number)], color=color, fontsize=13, fontweight="bold",
            ha="center", va="center", path_effects=HALO,
        )  # fmt: skip
    if decode is not None:
        angles = 2 * np.pi * np.arange(count) / count
        around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        images = decode(torch.as_tensor(around, dtype=torch.float32)).detach().cpu().numpy()
        half = 0.82 * math.pi / (count + math.pi)
        for (a, b), image in zip(0.84 * around, images.reshape(count, *image_shape), strict=True):
            ax.imshow(
                image, cmap="gray_r", vmin=0, vmax=num_values - 1, extent=(a - half, a + half, b - half, b + half),
                interpolation="nearest", zorder=2,
            )  # fmt: skip
    far = radii[-1] + 0.09
    bare(ax, far)
    return figure
