"""Look at a model without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from hvae_ref.data.seeds import EVALUATION_STREAM, derived_seed
from hvae_ref.errors import whole_number


def device_of(model: nn.Module) -> torch.device:
    """Device of a model's first parameter or buffer; the CPU if it has neither."""
    tensor = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if tensor is None else tensor.device


@contextmanager
def random_state_kept(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Put torch's random state back at the end.

    Args:
        device: whose generator may be used inside, beside the CPU's.
        seed: start of the random numbers inside; None goes on from where they are.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield


@contextmanager
def eval_mode(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """Evaluation mode, no gradients, and torch's random state put back at the end.

    Every module gets back the mode it had, one by one: a model may hold parts that were frozen in evaluation
    mode.

    Args:
        model: used, not changed.
        seed: what the random numbers inside follow from; no `torch.manual_seed` of the same number gives them. None
            goes on from where they are.

    Raises:
        ValueError: for a seed that is no whole number of at least 0.
    """
    if seed is not None:
        seed = derived_seed(whole_number("seed", seed, least=0), EVALUATION_STREAM)
    modes = [(module, module.training) for module in model.modules()]
    with random_state_kept(device_of(model), seed), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
