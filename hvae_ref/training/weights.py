"""Weights of a model as dicts of tensors: named alike however the model is wrapped, copied, swapped and averaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

Weights = dict[str, Tensor]

COMPILED = "_orig_mod"
"""Name under which `torch.compile` keeps the module that it wraps."""

WRAPPERS = (COMPILED, "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Names under which wrappers for compiling, sharding and checkpointing keep what they wrap."""


def unwrapped(model: nn.Module) -> nn.Module:
    """The module within what `torch.compile` made of it."""
    return getattr(model, COMPILED, model)


def plain_name(name: str) -> str:
    """A weight's name without what wrappers put before it.

    >>> plain_name("module._orig_mod.encoder.weight")
    'encoder.weight'
    """
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    while len(parts) > 1 and parts[0] == "module":
        parts = parts[1:]
    return ".".join(parts)


def weights_of(model: nn.Module) -> Weights:
    """The tensors that a model is now made of, under their plain names."""
    return {name.replace(f"{COMPILED}.", ""): value for name, value in unwrapped(model).state_dict().items()}


def copied(weights: Weights) -> Weights:
    """A copy that training does not change."""
    return {name: value.detach().clone() for name, value in weights.items()}


def on_device(device: torch.device, weights: Weights | None) -> Weights | None:
    """Weights on a device; None stays None."""
    return None if weights is None else {name: value.to(device) for name, value in weights.items()}


def set_weights(model: nn.Module, weights: Weights) -> None:
    """Give a model other weights, named as `weights_of` names them or as a wrapper does.

    Raises:
        ValueError: listing the tensors that are missing, unexpected or of another shape; then nothing is changed.
    """
    own = unwrapped(model).state_dict()
    # A model may itself have a part called "module"; its own names are then the ones that count.
    given = {(name if name in own else plain_name(name)): value for name, value in weights.items()}
    names = {name: name if name in given or plain_name(name) in own else plain_name(name) for name in own}
    wrong = [f"missing {name}" for name, plain in names.items() if plain not in given]
    wrong += [f"unexpected {name}" for name in given if name not in names.values()]
    wrong += [
        f"{name} has shape {tuple(given[plain].shape)}, the model's is {tuple(own[name].shape)}"
        for name, plain in names.items()
        if plain in given and own[name].shape != given[plain].shape
    ]
    if wrong:
        raise ValueError("; ".join(wrong[:6]) + (f"; and {len(wrong) - 6} more" if len(wrong) > 6 else ""))
    unwrapped(model).load_state_dict({name: given[plain] for name, plain in names.items()})


@contextmanager
def swapped(model: nn.Module, weights: Weights | None) -> Iterator[None]:
    """Give a model other weights for a while; None leaves it alone."""
    if weights is None:
        yield
        return
    own = copied(weights_of(model))
    set_weights(model, weights)
    try:
        yield
    finally:
        set_weights(model, own)


class MovingAverage:
    """An exponential moving average of a model's weights: mean ← decay · mean + (1 − decay) · weights.

    Buffers, such as the running means of batch normalisation, are copied: they are averages or counts already, and an
    average that begins at their first value would lag behind them.

    Args:
        model: what is averaged.
        decay: in (0, 1), for one update.
        start: the average so far; None to begin with the weights as they are.
    """

    def __init__(self, model: nn.Module, decay: float, start: Weights | None = None) -> None:
        self.model = model
        self.weights = copied(weights_of(model)) if start is None else start
        self._average = get_ema_multi_avg_fn(decay)
        learned = {plain_name(name) for name, _ in unwrapped(model).named_parameters(remove_duplicate=False)}
        self._averaged = [
            name for name, mean in self.weights.items() if plain_name(name) in learned and mean.is_floating_point()
        ]
        self._copied = [name for name in self.weights if name not in self._averaged]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        now = weights_of(self.model)
        self._average([self.weights[name] for name in self._averaged], [now[name] for name in self._averaged], None)
        for name in self._copied:
            self.weights[name].copy_(now[name])
