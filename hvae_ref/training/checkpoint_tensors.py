"""A checkpoint as named tensors, which is all that a safetensors file holds, and back."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hvae_ref.training.weights import Weights

GROUPS = ("model", "ema", "best", "step")


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """A CRC-32 of the bytes of all tensors, in the order of their names: what a damaged disk or copy changes.

    >>> checksum({"a": torch.zeros(2), "b": torch.ones(())}) == checksum({"b": torch.ones(()), "a": torch.zeros(2)})
    True
    """
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy(), found)
    return f"{found:08x}"


def flatten(
    groups: Mapping[str, Weights | None], optimizers: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a checkpoint under names of one level, and what is not a tensor in its optimisers.

    Args:
        groups: the tensors of each of `GROUPS`, or None.
        optimizers: `state_dict` of each phase's optimiser.
    """
    groups = {name: groups[name] or {} for name in GROUPS}
    plain: dict[str, Any] = {}
    for phase, optimizer in optimizers.items():
        values = {
            f"{index}.{key}": value for index, state in optimizer["state"].items() for key, value in state.items()
        }
        groups[f"optimizer.{phase}"] = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        plain[phase] = {
            "param_groups": optimizer["param_groups"],
            "values": {name: value for name, value in values.items() if not isinstance(value, Tensor)},
        }
    # Cloned, because the format refuses tensors that share memory, such as tied weights.
    tensors = {
        f"{group}.{name}": value.detach().cpu().clone().contiguous()
        for group, values in groups.items()
        for name, value in values.items()
    }
    return tensors, plain


def unflatten(
    tensors: Mapping[str, Tensor], optimizers: Mapping[str, Any]
) -> tuple[dict[str, Weights], dict[str, dict[str, Any]]]:
    """The inverse of `flatten`: the groups of tensors, and the optimisers' `state_dict`s."""
    groups: dict[str, Weights] = {name: {} for name in GROUPS}
    states: dict[str, dict[str, Any]] = {phase: dict(plain["values"]) for phase, plain in optimizers.items()}
    for name, value in tensors.items():
        group, _, rest = name.partition(".")
        if group in groups:
            groups[group][rest] = value
        else:
            phase, _, rest = rest.partition(".")
            states[phase][rest] = value
    result = {}
    for phase, plain in optimizers.items():
        state: dict[int, dict[str, Any]] = {}
        for name, value in states[phase].items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        result[phase] = {"state": state, "param_groups": plain["param_groups"]}
    return groups, result
