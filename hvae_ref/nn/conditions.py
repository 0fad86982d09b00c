"""Conditions: what stands behind the bar beside the latents, checked and put on the scale of nets."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from hvae_ref.distributions.tracing import values_are_known


class Condition(nn.Module):
    """Checks a condition and turns it into what nets see.

    Attributes:
        size: C, how many numbers nets see.
    """

    size: int

    @abstractmethod
    def forward(self, condition: Tensor, rows: int) -> Tensor:
        """What nets see of a condition, (rows, C).

        Args:
            condition: one row for each example, or a single one for all of them.
            rows: number of examples.

        Raises:
            ValueError: for another shape, dtype or device, or a value out of range.
        """

    @abstractmethod
    def example(self, rows: int) -> Tensor:
        """A condition that is valid, for `rows` examples."""


class Labels(Condition):
    """A class label, as a one-hot vector.

    Args:
        classes: how many classes there are.

    >>> Labels(3)(torch.tensor([2, 0]), rows=2)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"classes: expected at least 2, got {classes}")
        self.size = classes
        self.register_buffer("one_hot", torch.eye(classes), persistent=False)

    def forward(self, condition: Tensor, rows: int) -> Tensor:
        """(rows, classes) from whole numbers 0 … classes − 1, shape (rows,) or (1,)."""
        fits = isinstance(condition, Tensor) and condition.ndim == 1 and len(condition) in (rows, 1)
        if not fits or condition.is_floating_point() or condition.is_complex() or condition.dtype == torch.bool:
            got = f"{condition.dtype} {tuple(condition.shape)}" if isinstance(condition, Tensor) else type(condition)
            raise ValueError(f"condition: expected whole numbers of shape ({rows},) or (1,), got {got}")
        if condition.device != self.one_hot.device:
            raise ValueError(f"condition: expected device {self.one_hot.device}, got {condition.device}")
        if values_are_known() and not ((condition >= 0) & (condition < self.size)).all():
            low, high = condition.min().item(), condition.max().item()
            raise ValueError(f"condition: expected labels 0 … {self.size - 1}, got {low} … {high}")
        return self.one_hot[condition.long()].expand(rows, -1)  # a byte would be taken for a mask

    def example(self, rows: int) -> Tensor:
        """Label 0."""
        return torch.zeros(rows, dtype=torch.long, device=self.one_hot.device)


class Covariates(Condition):
    """Real numbers that stand beside x, seen as they are: bring them to the order of 1.

    Args:
        size: C, how many there are.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size: expected at least 1, got {size}")
        self.size = size
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def forward(self, condition: Tensor, rows: int) -> Tensor:
        """(rows, C) from (rows, C) or (1, C)."""
        if not isinstance(condition, Tensor) or condition.shape not in ((rows, self.size), (1, self.size)):
            got = tuple(condition.shape) if isinstance(condition, Tensor) else type(condition).__name__
            raise ValueError(f"condition: expected shape ({rows}, {self.size}) or (1, {self.size}), got {got}")
        if condition.dtype != self.zero.dtype or condition.device != self.zero.device:
            raise ValueError(
                f"condition: expected {self.zero.dtype} on {self.zero.device}, the model's, "
                f"got {condition.dtype} on {condition.device}; convert it with condition.to(…)"
            )
        if values_are_known() and not torch.isfinite(condition).all():
            raise ValueError("condition: expected finite numbers, found NaN or infinity")
        return condition.expand(rows, -1)

    def example(self, rows: int) -> Tensor:
        """Zeros."""
        return self.zero.new_zeros(rows, self.size)
