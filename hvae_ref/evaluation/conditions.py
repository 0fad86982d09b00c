"""Rows of x with the rows of their condition, for models that have one and models that have none."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def rows_of(condition: Tensor | None, n: int) -> Tensor | None:
    """A condition with one row for each of n examples; None stays None.

    Args:
        condition: (n, C), (1, C), or None for a model without a condition.
        n: number of examples.

    Raises:
        ValueError: for another number of rows.
    """
    if condition is None:
        return None
    if condition.ndim != 2 or len(condition) not in (n, 1):
        raise ValueError(f"condition: expected shape ({n}, C) or (1, C), got {tuple(condition.shape)}")
    return condition.expand(n, -1)


def batches(x: Tensor, condition: Tensor | None, size: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches (x,), or (x, condition), of at most `size` rows: what a model's methods take in the place of x.

    Args:
        x: (N, D).
        condition: (N, C), (1, C) or None.
        size: rows at once.

    Raises:
        ValueError: for a condition with another number of rows.
    """
    condition = rows_of(condition, len(x))
    if condition is None:
        yield from ((rows,) for rows in x.split(size))
    else:
        yield from zip(x.split(size), condition.split(size), strict=True)
