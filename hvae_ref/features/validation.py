"""What every density over features asks of the maps it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hvae_ref.data.examples import in_words


def checked_tensor(name: str, value: Any, expected: str = "a tensor") -> Tensor:  # noqa: ANN401  (whatever was given)
    """A tensor, itself.

    Raises:
        ValueError: for anything else, such as a NumPy array, a list or a loader.
    """
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: expected {expected}, got {in_words(value)}")
    return value


def checked_map(name: str, f: Tensor, dim: int, like: Tensor) -> Tensor:
    """A map (B, dim, H, W) in the dtype of `like`, checked; half precision is converted to it.

    Raises:
        ValueError: for another shape, dtype or device, and for NaN or infinity.
    """
    checked_tensor(name, f, f"a tensor (B, {dim}, H, W)")
    if f.ndim != 4 or f.shape[1] != dim or 0 in f.shape[2:]:
        raise ValueError(f"{name}: expected shape (B, {dim}, H, W) with at least one position, got {tuple(f.shape)}")
    if f.dtype in (torch.float16, torch.bfloat16):
        f = f.to(like.dtype)
    if f.dtype != like.dtype:
        raise ValueError(f"{name}: expected dtype {like.dtype} here, got {f.dtype}")
    if f.device != like.device:
        raise ValueError(f"{name}: expected device {like.device} here, got {f.device}")
    if not f.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return f


def checked_surprise(level: str, maps: Tensor) -> Tensor:
    """Maps (B, H, W) of one number at each position, themselves.

    Raises:
        ValueError: for another shape or type, no image, and for NaN or infinity.
    """
    checked_tensor(level, maps, "maps (B, H, W)")
    if maps.ndim != 3 or not maps.numel():
        raise ValueError(f"{level}: expected maps (B, H, W) of at least one image, got shape {tuple(maps.shape)}")
    if not maps.is_floating_point():
        raise ValueError(f"{level}: expected floating-point values, got {maps.dtype}")
    if not maps.isfinite().all():
        raise ValueError(f"{level}: expected finite numbers, got NaN or infinity")
    return maps


def checked_features(features: Mapping[str, Tensor], dims: Mapping[str, int], like: Tensor) -> dict[str, Tensor]:
    """The maps of all levels in the order of `dims`, each checked by `checked_map`, with one batch size.

    Raises:
        ValueError: for other levels, unequal batch sizes, and as `checked_map`.
    """
    if not isinstance(features, Mapping):
        raise ValueError(f"features: expected maps by level, {list(dims)}, got {in_words(features)}")
    if features.keys() != dims.keys():
        raise ValueError(f"features: expected the levels {list(dims)}, got {list(features)}")
    maps = {level: checked_map(level, features[level], dim, like) for level, dim in dims.items()}
    batches = {level: len(f) for level, f in maps.items()}
    if len(set(batches.values())) > 1:
        raise ValueError(f"features: expected one batch size for all levels, got {batches}")
    return maps


def checked_positions(level: str, positions: Tensor, count: int) -> Tensor:
    """Positions (P,) of a map with `count` of them, checked; negative ones are refused.

    Raises:
        ValueError: for another shape or dtype, and for positions outside of the map.
    """
    whole = not (positions.is_floating_point() or positions.dtype == torch.bool)
    if positions.ndim != 1 or not whole:
        raise ValueError(
            f"positions: expected whole numbers (P,) for {level}, got {tuple(positions.shape)}, {positions.dtype}"
        )
    if len(positions) and not 0 <= positions.min() <= positions.max() < count:
        raise ValueError(
            f"positions: expected 0 … {count - 1} for {level}, got {positions.min().item()} … {positions.max().item()}"
        )
    return positions


def feature_vectors(f: Tensor) -> Tensor:
    """The vectors at the positions of a map (B, D, H, W), one in each row: (B·H·W, D)."""
    return f.movedim(1, -1).flatten(0, -2)


def checked_given(
    level: str, f: Tensor, keep: Tensor | None, n: int, shape: tuple[int, int]
) -> tuple[Tensor, Tensor | None]:
    """A given map as n examples (n, D, H, W), and the mask of the positions to keep, both checked.

    Raises:
        ValueError: for other shapes, or a mask that is not boolean.
    """
    if tuple(f.shape[2:]) != shape or len(f) not in (1, n):
        raise ValueError(
            f"fixed: expected {level} of shape ({n} or 1, D, {shape[0]}, {shape[1]}), got {tuple(f.shape)}"
        )
    if keep is not None and (tuple(keep.shape) != shape or keep.dtype != torch.bool):
        raise ValueError(f"keep: expected booleans {shape} for {level}, got {tuple(keep.shape)}, {keep.dtype}")
    return f.expand(n, -1, -1, -1), keep
