"""Rows of x with the rows of their condition, for models that have one and models that have none."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hvae_ref.distributions.sphere.hyperspherical_uniform import unit_vector


def given(condition: Tensor | None, n: int) -> dict[str, Tensor]:
    """The keyword argument of a model's methods: a condition with one row for each of n examples, or nothing.

    Args:
        condition: (n, …), (1, …), or None for a model without a condition.
        n: number of examples.

    Raises:
        ValueError: for another number of rows.
    """
    if condition is None:
        return {}
    if condition.ndim < 1 or len(condition) not in (n, 1):
        raise ValueError(f"condition: expected {n} rows or 1, got shape {tuple(condition.shape)}")
    return {"condition": condition.expand(n, *condition.shape[1:])}


def batches(x: Tensor, condition: Tensor | None, size: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches of at most `size` rows, with what a model's methods take beside them.

    Args:
        x: (N, *shape).
        condition: (N, …), (1, …) or None.
        size: rows at once.

    Returns:
        Pairs of rows of x and the keyword argument of `given` for them.

    Raises:
        ValueError: for a condition with another number of rows.
    """
    beside = given(condition, len(x))
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        yield x[part], {name: value[part] for name, value in beside.items()}


def spheres_of(model: nn.Module) -> frozenset[str]:
    """The levels whose values are unit vectors along the last dimension."""
    supports = {level: support for level, (_, support) in getattr(model, "priors", {}).items()}
    return frozenset(
        level for level, support in supports.items() if getattr(support, "base_constraint", support) is unit_vector
    )


def on_spheres(z: Tensor) -> Tensor:
    """The directions of z (…, m), each brought to length 1."""
    return z / torch.linalg.vector_norm(z, dim=-1, keepdim=True)
