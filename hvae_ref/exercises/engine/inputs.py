"""Ingredients of input generators: sizes, tensors and labels drawn from a NumPy generator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_ONE = 0.25  # a missing `keepdim` or a `squeeze` too many is seen in a batch of one


def size(rng: np.random.Generator, low: int = 1, high: int = 6) -> int:
    """Draw a size in ``low … high``, with one draw in four at ``low``.

    Args:
        rng: Source of randomness.
        low: Smallest size, and the one drawn more often.
        high: Largest size.

    Returns:
        A size.

    Raises:
        ValueError: If not ``0 <= low <= high``.
    """
    if not 0 <= low <= high:
        raise ValueError(f"low, high: expected 0 <= low <= high, got {low} and {high}.")
    return low if rng.random() < _ONE else int(rng.integers(low, high + 1))


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw a tensor from N(0, scale²).

    Args:
        rng: Source of randomness.
        *shape: Shape of the tensor.
        scale: Standard deviation.
        dtype: Type of the tensor.

    Returns:
        Tensor of the given shape.
    """
    return torch.as_tensor(scale * rng.standard_normal(shape), dtype=dtype)


def uniform(
    rng: np.random.Generator,
    *shape: int,
    low: float = 0.0,
    high: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw a tensor from the uniform distribution on [low, high).

    Args:
        rng: Source of randomness.
        *shape: Shape of the tensor.
        low: Lower end.
        high: Upper end.
        dtype: Type of the tensor.

    Returns:
        Tensor of the given shape.
    """
    return torch.as_tensor(rng.uniform(low, high, shape), dtype=dtype)


def integers(
    rng: np.random.Generator, *shape: int, low: int = 0, high: int = 2, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw a tensor of whole numbers in ``low … high - 1`` (pixels are kept as floats by default).

    Args:
        rng: Source of randomness.
        *shape: Shape of the tensor.
        low: Smallest value.
        high: One more than the largest value.
        dtype: Type of the tensor.

    Returns:
        Tensor of the given shape.
    """
    return torch.as_tensor(rng.integers(low, high, shape), dtype=dtype)
