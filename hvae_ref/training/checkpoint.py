"""Checkpoints: one safetensors file that holds all a run needs to go on, written in one piece or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hvae_ref.training.history import History

FORMAT, VERSION = "hvae_ref.checkpoint", 1

Weights = dict[str, Tensor]


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, does not fit, or must not be overwritten; the message says what to do."""


@dataclass
class Checkpoint:
    """The state of a run at the end of an epoch.

    Attributes:
        model: the model's `state_dict` as training left it.
        ema: moving average of the weights, or None.
        best: weights of the best epoch on the validation set, kept where patience is in use, or None.
        optimizer: `state_dict` of the optimiser, or None for a checkpoint that is only to be read.
        objective: what the objective has learned.
        history: all epochs so far; their number is where training goes on.
        config: the `TrainConfig` as a dict.
        objective_name: the objective in words, to notice another one.
        recipe: the recipe that the run was built from, or None.
    """

    model: Weights
    ema: Weights | None = None
    best: Weights | None = None
    optimizer: dict[str, Any] | None = None
    objective: Weights = field(default_factory=dict)
    history: History = field(default_factory=History)
    config: dict[str, Any] = field(default_factory=dict)
    objective_name: str = ""
    recipe: dict[str, Any] | None = None

    @property
    def weights(self) -> Weights:
        """The weights to evaluate: the best where they are kept, else the average, else the last."""
        return self.best or self.ema or self.model


def save_checkpoint(path: str | Path, checkpoint: Checkpoint | nn.Module) -> None:
    """Write a checkpoint; whatever happens, `path` holds either its old content or the new one.

    Args:
        path: file to write, usually `….safetensors`; its folder must exist.
        checkpoint: a run's state, or just a model.

    Raises:
        CheckpointError: where the folder does not exist, cannot be written to, or has no space left.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise CheckpointError(f"{path}: expected an existing folder; create {path.parent} first")
    if isinstance(checkpoint, nn.Module):
        checkpoint = Checkpoint(model=checkpoint.state_dict())
    tensors, optimizer = _flatten(checkpoint)
    header = {
        "optimizer": optimizer,
        "history": checkpoint.history.to_dict(),
        "config": checkpoint.config,
        "objective_name": checkpoint.objective_name,
        "recipe": checkpoint.recipe,
    }
    metadata = {"format": FORMAT, "version": str(VERSION), "header": json.dumps(header)}
    # One fixed name: a file left behind by a killed process is overwritten by the next.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        save_file(tensors, temporary, metadata)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: could not be written, what was there is kept ({error}); free some space or choose another folder"
        ) from error
    # The library makes the file readable for its owner alone; a checkpoint is as public as any other result.
    temporary.chmod(0o644)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_checkpoint(path: str | Path, model: nn.Module | None = None) -> Checkpoint:
    """Read a checkpoint and, where a model is given, set its weights to `Checkpoint.weights`.

    Nothing is changed where the file or the model does not fit.

    Args:
        path: file written by `save_checkpoint`.
        model: model to load into, or None.

    Raises:
        CheckpointError: where the file is missing, truncated, of another kind or version, or of another model.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; train one first, or give the path of its file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file, it may be truncated ({error}); "
            "restore it from a copy, or train anew into another folder"
        ) from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: a safetensors file, but not written by hvae_ref (format {metadata.get('format')!r}); "
            "give the path of a checkpoint that `fit` or `save_checkpoint` wrote"
        )
    if metadata.get("version") != str(VERSION):
        raise CheckpointError(
            f"{path}: written in version {metadata.get('version')} of the format, "
            f"this package reads version {VERSION}; install the package version that wrote it"
        )
    checkpoint = _unflatten(tensors, json.loads(metadata["header"]))
    if model is not None:
        load_weights(model, checkpoint.weights, str(path))
    return checkpoint


def load_weights(model: nn.Module, weights: Weights, source: str) -> None:
    """Set a model's weights, all or none.

    Args:
        model: model to change.
        weights: a `state_dict`.
        source: where the weights come from, for the error.

    Raises:
        CheckpointError: listing the tensors that are missing, unexpected or of another shape.
    """
    own = model.state_dict()
    wrong = [f"missing {name}" for name in own if name not in weights]
    wrong += [f"unexpected {name}" for name in weights if name not in own]
    wrong += [
        f"{name} has shape {tuple(weights[name].shape)}, the model's is {tuple(own[name].shape)}"
        for name in own
        if name in weights and own[name].shape != weights[name].shape
    ]
    if wrong:
        shown = "; ".join(wrong[:6]) + (f"; and {len(wrong) - 6} more" if len(wrong) > 6 else "")
        raise CheckpointError(
            f"{source}: belongs to another model ({shown}); build the model with the settings it was trained with"
        )
    model.load_state_dict(weights)


def check_config(path: str | Path, checkpoint: Checkpoint, config: Mapping[str, Any], objective_name: str) -> None:
    """Refuse to go on with other settings than the run began with.

    A run may be made longer, and what does not change its numbers may differ.

    Raises:
        CheckpointError: naming what differs.
    """
    free = {"epochs", "progress", "device", "checkpoint_every"}
    differs = [
        f"{name} was {checkpoint.config.get(name)!r} and is {value!r}"
        for name, value in config.items()
        if name not in free and checkpoint.config.get(name) != value
    ]
    if checkpoint.objective_name != objective_name:
        differs.append(f"the objective was {checkpoint.objective_name} and is {objective_name}")
    if checkpoint.optimizer is None:
        differs.append("it holds no optimiser state")
    if differs:
        raise CheckpointError(
            f"{path}: cannot resume with other settings ({'; '.join(differs)}); "
            "use the run's own settings, or train into another folder"
        )


def _flatten(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """All tensors by a prefixed name, and the part of the optimiser's state that is not tensors."""
    groups: dict[str, Mapping[str, Tensor] | None] = {
        "model": checkpoint.model,
        "ema": checkpoint.ema,
        "best": checkpoint.best,
        "objective": checkpoint.objective,
    }
    plain = None
    if checkpoint.optimizer is not None:
        state = checkpoint.optimizer["state"]
        groups["optimizer"] = {
            f"{index}.{name}": value
            for index, values in state.items()
            for name, value in values.items()
            if isinstance(value, Tensor)
        }
        plain = {"param_groups": checkpoint.optimizer["param_groups"]}
    # Cloned, because the format refuses tensors that share memory, such as tied weights.
    tensors = {
        f"{group}.{name}": value.detach().cpu().clone().contiguous()
        for group, values in groups.items()
        for name, value in (values or {}).items()
    }
    return tensors, plain


def _unflatten(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Checkpoint:
    groups: dict[str, Weights] = {name: {} for name in ("model", "ema", "best", "objective", "optimizer")}
    for name, value in tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = value
    optimizer = header["optimizer"]
    if optimizer is not None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in groups["optimizer"].items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        optimizer = {"state": state, **optimizer}
    return Checkpoint(
        model=groups["model"],
        ema=groups["ema"] or None,
        best=groups["best"] or None,
        optimizer=optimizer,
        objective=groups["objective"],
        history=History.from_dict(header["history"]),
        config=header["config"],
        objective_name=header["objective_name"],
        recipe=header["recipe"],
    )


def copy_weights(model: nn.Module) -> Weights:
    """A copy of a model's `state_dict` that training does not change."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def config_dict(config: Any) -> dict[str, Any]:  # noqa: ANN401  (any dataclass)
    """A dataclass as JSON would give it back, so that two can be compared."""
    return json.loads(json.dumps(asdict(config)))


__all__ = [
    "Checkpoint",
    "CheckpointError",
    "check_config",
    "config_dict",
    "copy_weights",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
]
