"""All rows of some data as one batch, whatever the data are."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hvae_ref.data import Examples, source_of
from hvae_ref.data.batch import dtype_of, is_conditional
from hvae_ref.data.seeds import EVALUATION_STREAM, derived_seed


def rows_of(name: str, data: Any, model: nn.Module, seed: int) -> Examples:  # noqa: ANN401  (see `source_of`)
    """Every example in order, cast to the model's type; what the data set draws for a batch is drawn once for all.

    Args:
        name: of the argument, for errors.
        data: what `fit` takes: an array, a data set, a loader, a record with `x`.
        model: its type, and whether it reads a condition.
        seed: of the transform.

    Raises:
        ValueError: for what is no data, has no x, or where some batches have a condition and others do not.
    """
    source = source_of(name, data, dtype_of(model), is_conditional(model))
    parts = []
    for batch, _ in source.shares(1000):
        if not isinstance(batch, Examples):
            raise ValueError(f"{name}: expected examples with x, got {type(batch).__name__}")
        parts.append(batch)
    conditions = [part.condition for part in parts]
    condition = None if conditions[0] is None else torch.cat(conditions)
    examples = Examples(torch.cat([part.x for part in parts]), condition)
    noise = torch.Generator(examples.x.device).manual_seed(derived_seed(seed, EVALUATION_STREAM, 2))
    return examples.transformed(source.transform, noise)
