"""Where the positions of a feature map lie in the image it was computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from jaxtyping import Bool
from torch import Tensor

from hvae_ref.errors import is_whole


@dataclass(frozen=True)
class MapGeometry:
    """Position (i, j) of a map has its centre at the pixel (first[0] + i stride[0], first[1] + j stride[1]).

    Pixels are counted by their centres: the first pixel lies at 0, its left edge at −0.5. A pixel belongs to the
    position whose centre is the nearest; pixels beyond the outermost centres belong to the outermost positions.

    Attributes:
        shape: (rows, columns) of the map.
        size: (H, W) of the image in pixels.
        stride: pixels between two centres, down and right.
        first: (y, x) of the centre of position (0, 0); it may lie between two pixels.

    Raises:
        ValueError: for a shape or size below 1, a stride that is not positive, or a centre that is not finite.

    >>> geometry = MapGeometry(shape=(8, 8), size=(64, 64), stride=(8.0, 8.0), first=(0.0, 0.0))
    >>> geometry.position_of((3, 60)), geometry.position_of((4, 61)), geometry.centre(1, 7)
    ((0, 7), (1, 7), (8.0, 56.0))
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[float, float]
    first: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("shape", "size"):
            object.__setattr__(self, name, checked_size(name, getattr(self, name)))
        for name in ("stride", "first"):
            value = getattr(self, name)
            least = 0.0 if name == "stride" else -math.inf
            pair = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
            if not pair or not all(_is_finite(v) and v > least for v in value):
                raise ValueError(f"{name}: expected two finite numbers{' above 0' * (name == 'stride')}, got {value!r}")
            object.__setattr__(self, name, (float(value[0]), float(value[1])))

    def centre(self, row: float, column: float) -> tuple[float, float]:
        """(y, x) in pixels of the centre of a position."""
        return self.first[0] + self.stride[0] * row, self.first[1] + self.stride[1] * column

    def position_of(self, pixel: Sequence[float]) -> tuple[int, int]:
        """The position (row, column) that the pixel (y, x) belongs to.

        Raises:
            ValueError: for a pixel outside of the image.
        """
        height, width = self.size
        pair = isinstance(pixel, Sequence | Tensor) and not isinstance(pixel, str) and len(pixel) == 2
        if not pair or not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
            raise ValueError(f"pixel: expected (y, x) with 0 ≤ y < {height} and 0 ≤ x < {width}, got {pixel}")
        row, column = (int(self._nearest(axis, torch.tensor([float(pixel[axis])]))) for axis in (0, 1))
        return row, column

    def positions_in(self, region: Bool[Tensor, "height width"]) -> Bool[Tensor, "rows columns"]:
        """The positions of which at least half of the pixels that belong to them lie in a region of the image.

        Raises:
            ValueError: for a region that is no mask of the image.
        """
        if tuple(region.shape) != self.size or region.dtype != torch.bool:
            raise ValueError(f"region: expected booleans {self.size}, got {region.dtype} {tuple(region.shape)}")
        owners = [self._owners(axis) for axis in (0, 1)]
        covered = owners[0].T @ region.cpu().double() @ owners[1]
        pixels = owners[0].sum(0)[:, None] * owners[1].sum(0)
        return (covered >= 0.5 * pixels).to(region.device)

    def at(self, maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """A map read between its positions: linearly between centres, and as at the outermost centre beyond it.

        Args:
            maps: (…, *shape), any real type of floating point.
            rows: (P,) heights y in pixels.
            columns: (Q,) places x in pixels.

        Returns:
            (…, P, Q).

        Raises:
            ValueError: for maps of another shape.
        """
        if tuple(maps.shape[-2:]) != self.shape:
            raise ValueError(f"maps: expected shape (…, {self.shape[0]}, {self.shape[1]}), got {tuple(maps.shape)}")
        down, right = self._weights(0, rows).to(maps), self._weights(1, columns).to(maps)
        return down @ maps @ right.mT

    def to_pixels(self, maps: Tensor) -> Tensor:
        """A map (…, *shape) enlarged to the pixels, (…, H, W); see `at`."""
        return self.at(maps, *(torch.arange(edge, dtype=torch.float64) for edge in self.size))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(left, right, bottom, top) of the whole map, in pixels from the image's upper left corner, for `imshow`."""
        top, left = (self.first[axis] + 0.5 - self.stride[axis] / 2 for axis in (0, 1))
        return left, left + self.stride[1] * self.shape[1], top + self.stride[0] * self.shape[0], top

    def _owners(self, axis: int) -> Tensor:
        """(pixels, positions), 1 where a pixel belongs to a position; one beyond all pixels has the nearest of them."""
        edge, count = self.size[axis], self.shape[axis]
        owners = torch.nn.functional.one_hot(self._nearest(axis, torch.arange(edge)), count).double()
        centres = self.first[axis] + self.stride[axis] * torch.arange(count)
        alone = (owners.sum(0) == 0).nonzero()[:, 0]
        owners[centres[alone].round().clamp(0, edge - 1).long(), alone] = 1
        return owners

    def _place(self, axis: int, pixels: Tensor) -> Tensor:
        """Pixels in units of positions, in float64."""
        return (pixels.double() - self.first[axis]) / self.stride[axis]

    def _nearest(self, axis: int, pixels: Tensor) -> Tensor:
        return (self._place(axis, pixels) + 0.5).floor().clamp(0, self.shape[axis] - 1).long()

    def _weights(self, axis: int, pixels: Tensor) -> Tensor:
        """(P, positions): what each position counts at each pixel."""
        place = self._place(axis, pixels.cpu()).clamp(0, self.shape[axis] - 1)
        return (1 - (place[:, None] - torch.arange(self.shape[axis])).abs()).clamp_min(0)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def checked_size(name: str, size: Sequence[int]) -> tuple[int, int]:
    """Height and width as whole numbers of at least 1.

    Raises:
        ValueError: for anything else.
    """
    whole = isinstance(size, Sequence | torch.Size) and not isinstance(size, str) and len(size) == 2
    if not whole or not all(map(is_whole, size)):
        raise ValueError(f"{name}: expected (height, width), two whole numbers of at least 1, got {size!r}")
    return int(size[0]), int(size[1])


def tiles(shape: Sequence[int], size: Sequence[int], stride: int | None = None) -> MapGeometry:
    """The geometry of a map whose positions are tiles of the image: (i, j) covers the pixels is … (i+1)s − 1.

    That holds for means over tiles and for patch embeddings. The maps of a convolutional network lie elsewhere: ask
    `FeaturePyramid.geometry`.

    Args:
        shape: (rows, columns) of the map.
        size: (H, W) of the image.
        stride: s; by default the map is spread evenly over the image.

    >>> tiles((3, 3), (12, 12), 4).first
    (1.5, 1.5)
    """
    shape, size = checked_size("shape", shape), checked_size("size", size)
    strides = tuple(float(stride or size[axis] / shape[axis]) for axis in (0, 1))
    return MapGeometry(shape, size, strides, tuple((s - 1) / 2 for s in strides))


def checked_geometry(
    geometry: Mapping[str, MapGeometry], shapes: Mapping[str, Sequence[int]], size: Sequence[int] | None = None
) -> dict[str, MapGeometry]:
    """The geometries of some levels, of maps of these shapes and of one image size.

    Raises:
        ValueError: for a level without geometry, or a geometry of other maps or images.
    """
    for level, shape in shapes.items():
        found = geometry.get(level) if isinstance(geometry, Mapping) else None
        if not isinstance(found, MapGeometry):
            raise ValueError(
                f"geometry: expected a MapGeometry for {level}, as FeaturePyramid.geometry gives it, got {found!r}"
            )
        if found.shape != tuple(shape):
            raise ValueError(f"geometry: expected that of a {level} map of shape {tuple(shape)}, got {found.shape}")
        if size is not None and found.size != tuple(size):
            raise ValueError(f"geometry: expected that of images {tuple(size)} for {level}, got {found.size}")
    return {level: geometry[level] for level in shapes}
