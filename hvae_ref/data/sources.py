"""`source_of`: one door to batches, whatever the data are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from hvae_ref.data.batch import as_batch
from hvae_ref.data.examples import as_examples, in_words
from hvae_ref.data.loaders import ItemSource, LoaderSource
from hvae_ref.data.source import Source, TensorSource

KNOWN = "an array or a tensor (N, …), an object with x, arrays by name, a torch Dataset with a length, or a DataLoader"


def source_of(name: str, data: Any, dtype: torch.dtype = torch.float32, conditional: bool = True) -> Source:  # noqa: ANN401
    """The source of batches that some data are.

    - A tensor or NumPy array (N, …) of any real type: x. Nothing is scaled.
    - An object with `x`, and perhaps `condition`, `targets` (arrays by name) and `batch_transform`: `Examples`, and the
      records of `hvae_ref.data.load`.
    - Arrays by name: with "x" they are x, "condition" and targets; without it batches are tensors by name.
    - A torch `Dataset` with a length, or anything with `__getitem__` and `__len__`: its items are x, (x, y), or values
      by name as above.
    - A `DataLoader`, or anything that can be iterated over again and again for batches: of the same forms.

    The y of a pair (x, y) is the condition where `conditional` is True, and is left out where it is False.

    Args:
        name: of the argument, for errors.
        data: see above.
        dtype: floating-point type of the batches, the model's.
        conditional: whether the model reads a condition.

    Raises:
        ValueError: for what none of these is, or whose parts do not have a row for each example.

    >>> share = next(source_of("train", np.arange(12).reshape(4, 3)).shares(batch_size=2))
    >>> share.batch.x
    tensor([[0., 1., 2.],
            [3., 4., 5.]])
    """
    if isinstance(data, IterableDataset):
        raise ValueError(f"{name}: expected a DataLoader around the {type(data).__name__}, got it without one")
    if isinstance(data, TensorDataset):
        return TensorSource(name, as_batch(name, data.tensors, conditional), dtype)
    if isinstance(data, Tensor | np.ndarray | Mapping):
        return TensorSource(name, as_batch(name, data, conditional), dtype)
    if isinstance(data, DataLoader):
        return LoaderSource(name, data, dtype, conditional)
    if not isinstance(data, Dataset) and hasattr(data, "x"):
        parts = (getattr(data, part, None) for part in ("condition", "targets"))
        return TensorSource(name, as_examples(name, data.x, *parts), dtype, getattr(data, "batch_transform", None))
    if not isinstance(data, list | tuple | set | str | bytes | Iterator) and not hasattr(data, "to_numpy"):
        if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
            return ItemSource(name, data, dtype, conditional)
        if isinstance(data, Iterable):
            return LoaderSource(name, data, dtype, conditional)
    raise ValueError(f"{name}: expected {KNOWN}, got {in_words(data)}")
