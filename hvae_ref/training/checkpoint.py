"""Checkpoints: one safetensors file that holds all a run needs to go on, written in one piece or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hvae_ref.training.checkpoint_tensors import GROUPS, checksum, flatten, unflatten
from hvae_ref.training.history import History
from hvae_ref.training.same_model import description_of, model_differences, not_a_number
from hvae_ref.training.weights import Weights, set_weights, weights_of

FORMAT, VERSION = "hvae_ref.checkpoint", 2
LEFT_BEHIND_AFTER = 3600.0
"""Seconds after which a temporary file belongs to no writer any more."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, does not fit, or must not be overwritten; the message says what to do."""


@dataclass(eq=False)
class Checkpoint:
    """The state of a run at the end of an epoch.

    Attributes:
        model: the model's `state_dict` as training left it.
        ema: moving average of the weights, or None.
        best: weights of the best epoch on the validation set, kept where patience is in use, or None.
        optimizers: `state_dict` of each phase's optimiser; empty for a checkpoint that is only to be read.
        step: what the step, or its objective, has learned.
        history: all epochs so far; their number is where training goes on.
        config: the `TrainConfig` as a dict.
        settings: the step by value.
        data: what tells the training data from others.
        validation: the same of the validation data, empty without; None in files of older versions.
        likelihoods: the model's likelihoods by value; None in files of older versions.
        layers: torch's own layers in the model by value; None in files of older versions.
        recipe: the recipe that the run was built from, or None.
    """

    model: Weights
    ema: Weights | None = None
    best: Weights | None = None
    optimizers: dict[str, dict[str, Any]] = field(default_factory=dict)
    step: Weights = field(default_factory=dict)
    history: History = field(default_factory=History)
    config: dict[str, Any] = field(default_factory=dict)
    settings: Any = None
    data: Any = None
    validation: Any = None
    likelihoods: dict[str, Any] | None = None
    layers: dict[str, Any] | None = None
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
        CheckpointError: where the folder does not exist, cannot be written to, or has no space left, where the path is
            a folder, or where the recipe is not what JSON can hold.
    """
    path = Path(path)
    if isinstance(checkpoint, nn.Module):
        checkpoint = Checkpoint(model=weights_of(checkpoint), **description_of(checkpoint))
    tensors, optimizers = flatten({name: getattr(checkpoint, name) for name in GROUPS}, checkpoint.optimizers)
    metadata = {"format": FORMAT, "version": str(VERSION), "crc32": checksum(tensors)}
    metadata["header"] = _header(path, checkpoint, optimizers)
    # A name of its own for every writer, so that several can write the same file; the last one wins.
    temporary = _temporary(path)
    try:
        save_file(tensors, temporary, metadata)
        # The library makes the file readable for its owner alone; a checkpoint is as public as any other result.
        temporary.chmod(0o644)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: could not be written, what was there is kept ({error}); free some space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, checkpoint: Checkpoint) -> None:
    """Refuse, before anything is trained, a path or settings that could not be written later.

    Raises:
        CheckpointError: as `save_checkpoint` would.
    """
    if wrong := [name for name, value in checkpoint.step.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{path}: expected tensors in the step's state_dict, got another kind for {wrong[0]!r}")
    _header(path, checkpoint, {phase: values["param_groups"] for phase, values in checkpoint.optimizers.items()})
    _temporary(path).unlink()


def load_checkpoint(path: str | Path, model: nn.Module | None = None) -> Checkpoint:
    """Read a checkpoint and, where a model is given, set its weights to `Checkpoint.weights`.

    Nothing is changed where the file or the model does not fit. What `torch.compile` or a wrapper for several processes
    puts before the names of weights makes no difference, on either side.

    Args:
        path: file written by `save_checkpoint`.
        model: model to load into, or None.

    Raises:
        CheckpointError: where the file is missing, damaged, of another kind or version, or of another model (its
            likelihood included), or where a weight is NaN.
    """
    if not (path := Path(path)).is_file():
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
    if metadata.get("crc32") not in (None, checksum(tensors)):  # files of older versions have none
        raise CheckpointError(f"{path}: its numbers are not the ones that were written; restore it from a copy")
    try:
        checkpoint = _restored(metadata["header"], tensors)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: the description in it is damaged ({type(error).__name__}: {error}); restore it from a copy, or "
            "train anew into another folder"
        ) from error
    if wrong := not_a_number({name: getattr(checkpoint, name) for name in ("model", "ema", "best")}):
        raise CheckpointError(f"{path}: expected weights that are numbers, got NaN in {wrong}; train anew")
    if model is not None:
        load_weights(model, checkpoint.weights, str(path), checkpoint)
    return checkpoint


def _restored(described: str, tensors: Mapping[str, Tensor]) -> Checkpoint:
    """The checkpoint of a file's header and tensors."""
    header = json.loads(described)
    groups, optimizers = unflatten(tensors, header.pop("optimizers"))
    return Checkpoint(
        model=groups["model"],
        ema=groups["ema"] or None,
        best=groups["best"] or None,
        optimizers=optimizers,
        step=groups["step"],
        history=History.from_dict(header.pop("history")),
        **header,
    )


def load_weights(model: nn.Module, weights: Weights, source: str, found: Checkpoint | None = None) -> None:
    """Set a model's weights, all or none.

    Args:
        model: model to change.
        weights: a `state_dict`.
        source: where the weights come from, for the error.
        found: what tells of the model that had these weights; None where nothing does.

    Raises:
        CheckpointError: listing the tensors that are missing, unexpected or of another shape, or how likelihoods or
            layers differ.
    """
    lines = [] if found is None else model_differences(vars(found), model)
    try:
        if lines:
            raise ValueError("; ".join(lines))
        set_weights(model, weights)
    except ValueError as error:
        raise CheckpointError(
            f"{source}: belongs to another model ({error}); build the model with the settings it was trained with"
        ) from error


def _header(path: Path, checkpoint: Checkpoint, optimizers: Mapping[str, Any]) -> str:
    header = {"history": checkpoint.history.to_dict(), "optimizers": optimizers}
    for name in ("config", "settings", "data", "validation", "likelihoods", "layers", "recipe"):
        try:
            header[name] = json.loads(json.dumps(getattr(checkpoint, name), default=_as_json))
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path}: {name}: expected text, numbers, lists and dicts, which JSON can hold, got others ({error})"
            ) from error
    try:
        return json.dumps(header)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: the optimiser's settings cannot be written as JSON ({error})") from error


def _as_json(value: Any) -> Any:  # noqa: ANN401
    """A number of NumPy's as Python's own, a path as text."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} is neither")


def _temporary(path: Path) -> Path:
    """A new file beside `path`; those that killed writers left behind are removed."""
    if not path.parent.is_dir():
        raise CheckpointError(f"{path}: expected an existing folder; create {path.parent} first")
    if path.is_dir():
        raise CheckpointError(f"{path}: expected a file to write, got a folder; give the path of a file in it")
    for old in path.parent.glob(f".{path.name}.*.tmp"):
        try:
            if time.time() - old.stat().st_mtime > LEFT_BEHIND_AFTER:
                old.unlink()
        except FileNotFoundError:  # another writer was faster
            continue
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error}); choose a folder that can be written to") from error
    os.close(handle)
    return Path(name)
