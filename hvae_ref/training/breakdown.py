"""Training that breaks down: noticed whether it shows as a loss, a weight or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from hvae_ref.data.examples import Examples


class NonFiniteLoss(FloatingPointError):
    """Training broke down: the loss, a weight or what a net puts out is no longer a finite number."""


class Watch:
    """Turns an error that numbers like infinity brought about into `NonFiniteLoss`, in a `with` statement.

    A distribution refuses parameters that are not numbers before the loss can be one. Such an error is a breakdown
    where a weight is not finite, or where the function that raised it holds a tensor that is not, though the batch is.
    Other errors stay what they are.

    Args:
        model: what is trained.
        epoch: number of the epoch, 0 for the first.

    Attributes:
        batch: the batch that is worked on, to be set by whoever works on it.

    Raises:
        NonFiniteLoss: in the place of such an error.
    """

    def __init__(self, model: nn.Module, epoch: int) -> None:
        self.model, self.epoch = model, epoch
        self.batch: Any = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, ValueError | RuntimeError | ArithmeticError) or isinstance(error, NonFiniteLoss):
            return
        if not is_finite(self.model) or (_is_finite_batch(self.batch) and _holds_infinities(trace)):
            raise NonFiniteLoss(breakdown(self.epoch)) from error


def is_finite(model: nn.Module) -> bool:
    """Whether all weights are finite numbers."""
    weights = [parameter.detach() for parameter in model.parameters()]
    # A finite sum has no other terms; one that is not may have overflowed, and then each number is looked at.
    if not weights or all(math.isfinite(total) for total in torch.stack([w.sum() for w in weights]).tolist()):
        return True
    return all(bool(weight.isfinite().all()) for weight in weights)


def breakdown(epoch: int) -> str:
    """What happened, and what can be done."""
    return (
        f"training broke down in epoch {epoch + 1}: the loss, a weight or the output of a net is not finite; the last "
        "checkpoint, if any, is kept. Try a smaller learning_rate, a gradient_clip, or a warmup; and look whether the "
        "data hold NaN or infinity"
    )


def _is_finite_batch(batch: Any) -> bool:  # noqa: ANN401
    values: list[Any] = []
    if isinstance(batch, Examples):
        batch.map(lambda value: values.append(value) or value)
    elif isinstance(batch, Mapping):
        values = list(batch.values())
    return all(bool(value.isfinite().all()) for value in values)


def _holds_infinities(trace: TracebackType | None) -> bool:
    """Whether a tensor that is not finite, or a positive parameter that vanished, lies where an error was raised."""
    frame = None
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
    if frame is None:
        return False
    values = [value for value in frame.f_locals.values() if isinstance(value, Tensor) and value.is_floating_point()]
    if any(not bool(value.detach().isfinite().all()) for value in values):
        return True
    # torch's distributions name the parameter that they refuse: one that must be positive and is 0 has underflowed.
    refused = frame.f_locals.get("value")
    in_torch = str(frame.f_globals.get("__name__", "")).startswith("torch.distributions")
    return in_torch and "param" in frame.f_locals and isinstance(refused, Tensor) and bool((refused == 0).any())
