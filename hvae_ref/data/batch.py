"""Batches of any kind: recognised in what a loader gives, cast, moved and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.data.examples import Examples, as_examples, as_tensor, in_words

HASHED_BYTES = 2**26
"""A tensor up to this size is hashed whole; of a larger one, rows at even distances are."""

Batch = Examples | Mapping[str, Tensor]
"""What a training step gets: examples, or tensors (B, …) by name where the data have no x."""


def is_conditional(model: nn.Module) -> bool:
    """Whether a model reads a condition: its attribute `condition` is there and not None."""
    return getattr(model, "condition", None) is not None


def dtype_of(model: nn.Module) -> torch.dtype:
    """The floating-point type of a model's parameters; float32 if it has none."""
    return next((value.dtype for value in model.parameters() if value.is_floating_point()), torch.float32)


def batch_size_of(batch: Any) -> int:  # noqa: ANN401  (a Batch, or an object of the user's with a length)
    """The number of examples in a batch."""
    return len(next(iter(batch.values()))) if isinstance(batch, Mapping) else len(batch)


def map_batch(function: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    """A batch with a function applied to every tensor."""
    if isinstance(batch, Examples):
        return batch.map(function)
    return {name: function(value) for name, value in batch.items()}


def moved(batch: Any, device: torch.device) -> Any:  # noqa: ANN401
    """A batch on a device; itself where it lies there, or has no method `to`."""
    if isinstance(batch, Mapping):
        return map_batch(lambda value: value.to(device, non_blocking=True), batch)
    if isinstance(batch, Examples) and batch.x.device == device:
        # The parts of one data set lie side by side, but need not.
        elsewhere = [batch.condition, *batch.targets.values()]
        if all(value is None or value.device == device for value in elsewhere):
            return batch
    return batch.to(device) if hasattr(batch, "to") else batch


def cast(batch: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """A batch in a model's floating-point type, without any scaling.

    x is cast whatever it was; whole numbers in condition (N,) are labels and become int64; elsewhere whole numbers and
    booleans stay what they are, and real numbers are cast.
    """
    if isinstance(batch, Mapping):
        return {name: _real(value, dtype) for name, value in batch.items()}
    if not isinstance(batch, Examples):
        return batch
    condition = batch.condition
    if condition is not None:
        labels = condition.dim() == 1 and not condition.is_floating_point()
        condition = condition.to(torch.long if labels else dtype)
    targets = {name: _real(value, dtype) for name, value in batch.targets.items()}
    return Examples(batch.x.to(dtype), condition, targets)


def is_cast(batch: Batch, dtype: torch.dtype) -> bool:
    """Whether `cast` would change nothing."""
    few = map_batch(lambda value: value[:1], batch)
    types: list[torch.dtype] = []
    for each in (few, cast(few, dtype)):
        map_batch(lambda value: types.append(value.dtype) or value, each)
    return types[: len(types) // 2] == types[len(types) // 2 :]


def as_batch(name: str, raw: Any, conditional: bool) -> Any:  # noqa: ANN401
    """A batch from what a loader gave: x, (x,), (x, y), or values by name.

    Raises:
        ValueError: for another form.
    """
    if isinstance(raw, Tensor | np.ndarray):
        return as_examples(name, raw)
    if isinstance(raw, list | tuple):
        if len(raw) not in (1, 2):
            raise ValueError(f"{name}: expected x or a pair (x, y), got {len(raw)} parts; give the parts names")
        return as_examples(name, raw[0], raw[1] if len(raw) == 2 and conditional else None)
    if isinstance(raw, Mapping):
        if "x" in raw:
            targets = {key: value for key, value in raw.items() if key not in ("x", "condition")}
            return as_examples(name, raw["x"], raw.get("condition"), targets)
        if not raw:
            raise ValueError(f"{name}: expected at least one array by name, got none")
        first, *_ = tensors = {key: as_tensor(f"{name}[{key!r}]", value) for key, value in raw.items()}
        if tensors[first].dim() == 0 or len(tensors[first]) == 0:
            raise ValueError(f"{name}[{first!r}]: expected at least one example, got {in_words(tensors[first])}")
        return {key: as_tensor(f"{name}[{key!r}]", value, len(tensors[first])) for key, value in tensors.items()}
    if isinstance(raw, Examples) or hasattr(raw, "__len__") and not isinstance(raw, str | bytes):
        return raw
    raise ValueError(f"{name}: expected batches of tensors, pairs or tensors by name, got {in_words(raw)}")


def digest(tensor: Tensor) -> str:
    """A hash of a tensor's content; of rows at even distances where it is larger than `HASHED_BYTES`.

    >>> digest(torch.zeros(3)) == digest(torch.zeros(3)), digest(torch.zeros(3)) == digest(torch.ones(3))
    (True, False)
    """
    size = tensor.numel() * tensor.element_size()
    if size > HASHED_BYTES and tensor.dim() > 0:
        tensor = tensor[:: -(-size // HASHED_BYTES)]
    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _real(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value
