"""Whether a run may be gone on with: the same configuration, the same step, the same data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hvae_ref.training.checkpoint import Checkpoint, CheckpointError
from hvae_ref.training.described import differences

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
        data: what tells the training data from others.

    Raises:
        CheckpointError: naming what differs.
    """
    old, new = ({key: value for key, value in each.items() if key not in FREE} for each in (found.config, config))
    lines = differences(old, new) + differences(found.settings, settings, "step")
    if lines:
        raise CheckpointError(
            f"{path}: cannot resume with other settings: {'; '.join(lines)}; use the run's own, or another checkpoint"
        )
    if found.data != data:
        lines = differences(found.data, data, "train")
        raise CheckpointError(
            f"{path}: cannot resume with other training data: {'; '.join(lines)}; "
            "use the run's own, or another checkpoint"
        )


def config_dict(config: Any) -> dict[str, Any]:  # noqa: ANN401  (any dataclass)
    """A dataclass as JSON would give it back, so that two can be compared."""
    return json.loads(json.dumps(asdict(config)))
