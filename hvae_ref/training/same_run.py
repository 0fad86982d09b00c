"""Whether a run may be gone on with: the same configuration, the same step, the same data."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hvae_ref.data import Source
from hvae_ref.objectives import TrainingState
from hvae_ref.training.checkpoint import Checkpoint, CheckpointError
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.described import described, differences
from hvae_ref.training.loop import Place
from hvae_ref.training.steps import Step

FREE = ("epochs", "progress", "device", "checkpoint_every")
"""Settings that may differ in a run that is resumed."""


def check_same_run(path: str | Path, found: Checkpoint, config: Any, settings: Any, data: Any) -> None:  # noqa: ANN401
    """Refuse to go on with another configuration, another step or other data than the run began with.

    A run may be made longer, and what does not change its numbers may differ.

    Args:
        path: of the checkpoint, for the error.
        found: the checkpoint.
        config: the `TrainConfig` as a dict.
        settings: the step by value.
        data: what tells the training and the validation data from others, as "data" and "validation".

    Raises:
        CheckpointError: naming what differs.
    """
    old, new = ({key: value for key, value in each.items() if key not in FREE} for each in (found.config, config))
    lines = differences(old, new) + differences(found.settings, settings, "step")
    if lines:
        raise CheckpointError(
            f"{path}: cannot resume with other settings: {'; '.join(lines)}; use the run's own, or another checkpoint"
        )
    for name, kept, kind in (("train", found.data, "data"), ("validation", found.validation, "validation")):
        if kind == "validation" and kept is None:  # a file of an older version does not tell
            continue
        now = data[kind]
        if "items" in now and "items" not in kept:  # nor of what the items are
            now = {key: value for key, value in now.items() if key != "items"}
        if lines := differences(kept, now, name):
            whose = "training" if name == "train" else name
            raise CheckpointError(
                f"{path}: cannot resume with other {whose} data: {'; '.join(lines)}; "
                "use the run's own, or another checkpoint"
            )


def fingerprint(source: Source | None) -> dict[str, Any]:
    """What tells some data from others, as JSON has it; empty without data."""
    if source is None:
        return {}
    transform = {} if source.transform is None else {"transform": described(source.transform)}
    return source.fingerprint() | transform


def warn_of_rate(found: Checkpoint, config: TrainConfig, place: Place) -> None:
    """Warn where a longer or shorter run goes on with another learning rate than its own schedule had here.

    Schedule and warm-up are shares of the run: with more epochs, a rate that had come down goes up again.

    Args:
        found: the checkpoint.
        config: of the run from now on.
        place: where it stands.
    """
    before, now = found.config.get("epochs"), config.epochs
    if not config.rate_moves or place.total is None or before in (None, now) or place.epoch >= now:
        return
    old = config.learning_rate_at(TrainingState(place.step, round(place.total * before / now)))
    new = config.learning_rate_at(TrainingState(place.step, place.total))
    if abs(new - old) > 0.01 * max(new, old):
        warnings.warn(
            f"epochs was {before} and is {now}: the learning rate goes on at {new:.3g} where the schedule of {before} "
            f"epochs has {old:.3g}; for a run that goes on in its own schedule, keep epochs as it was",
            stacklevel=2,
        )


def warn_of_weights(found: Checkpoint, config: TrainConfig, step: Step, place: Place) -> None:
    """The same for the weights of a step's objective, such as β, whose schedules may be shares of the run too.

    Args:
        found: the checkpoint, with what the step has learned already set in the step.
        config: of the run from now on.
        step: whose weights they are.
        place: where it stands.
    """
    before, now = found.config.get("epochs"), config.epochs
    if place.total is None or before in (None, now) or place.epoch >= now or not found.history.epochs:
        return
    terms = list(found.history.epochs[-1].train.terms)
    old = step.report(terms, TrainingState(place.step, round(place.total * before / now)))
    new = step.report(terms, TrainingState(place.step, place.total))
    pairs = {name: (old[name], value) for name, value in new.items() if name in old}
    moved = [name for name, (a, b) in pairs.items() if abs(b - a) > 0.01 * max(abs(a), abs(b))]
    if moved:
        name = moved[0]
        others = f" (and {len(moved) - 1} more)" if len(moved) > 1 else ""
        warnings.warn(
            f"epochs was {before} and is {now}: {name}{others} goes on at {new[name]:.3g} where the schedule of "
            f"{before} epochs has {old[name]:.3g}; for a run that goes on in its own schedule, keep epochs as it was",
            stacklevel=2,
        )


def config_dict(config: Any) -> dict[str, Any]:  # noqa: ANN401  (any dataclass)
    """A dataclass as JSON would give it back, so that two can be compared."""
    return json.loads(json.dumps(asdict(config)))
