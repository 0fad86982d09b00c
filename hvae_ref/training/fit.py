"""Training: from a model and data to trained weights and a history of how they came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from hvae_ref.data import source_of
from hvae_ref.data.batch import dtype_of, is_conditional
from hvae_ref.objectives import Objective
from hvae_ref.training.checkpoint import CheckpointError
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.elbo_step import ElboStep
from hvae_ref.training.history import History
from hvae_ref.training.loop import own_randomness
from hvae_ref.training.run import Callback, TrainingRun
from hvae_ref.training.steps import FunctionStep, Step


def fit(
    model: nn.Module,
    train: Any,  # noqa: ANN401  (see `hvae_ref.data.source_of`)
    validation: Any = None,  # noqa: ANN401
    *,
    step: Step | Callable[..., Any] | None = None,
    objective: Objective | None = None,
    config: TrainConfig | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    recipe: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train a model: minimise the loss that a step makes of each batch, −ELBO by default.

    On one CPU or GPU, or on several processes under `torchrun` or, on GPUs, `accelerate launch`; each batch is shared
    between them. Every epoch draws from its own random stream, made from (seed, epoch, process): the same seed gives
    the same numbers on the same machine, and a resumed run continues as if it had never stopped. The caller's random
    state is left alone, and the model comes back in evaluation mode, on the device it came from.

    Args:
        model: any model of the package, or a module that the step knows; its weights are changed in place. One that
            `torch.compile` wrapped is trained compiled; its checkpoint loads into one that is not.
        train: an array or tensor (N, …), a record with `x` (and `condition`, `targets`, `batch_transform`), arrays by
            name, a torch `Dataset` or a `DataLoader`; see `hvae_ref.data.source_of`. Values are cast to the model's
            type and never scaled. The y of a pair (x, y) is the condition where the model is conditional, or a step is
            given that is no `ElboStep`; else it is left out.
        validation: the same, or None.
        step: how a batch becomes a loss and named terms: a `Step`, or a function of the model and a batch that returns
            the loss, or the loss and terms by name; None for `ElboStep(objective)`.
        objective: what to minimise of the ELBO; None for `NegativeElbo()`, or where a step is given.
        config: how to train; None for `TrainConfig()`.
        checkpoint: file to write the run's state to, or None.
        resume: go on from `checkpoint` where it exists, else begin. Refused where the configuration (other than its
            epochs), the step, the likelihood, or the training or validation data differ. Of a data set without all its
            examples in memory, class, length and five items are compared; of a loader, class, number of batches and
            five items of its data set. Not compared: the other items, items that are random or no numbers, what an
            `IterableDataset` or a generator of batches gives, a loader's order, and the body of a function.
        overwrite: replace an existing `checkpoint` by a new run.
        recipe: kept in the checkpoint, so that the model can be built again.
        callbacks: called after each epoch.

    Returns:
        One record for each epoch. With `config.patience` the model ends with its best weights, else with the average
        (`config.ema_decay`) or the last ones.

    Raises:
        ValueError: where an argument does not fit. What can be found out before the first epoch is.
        CheckpointError: where a checkpoint exists and neither `resume` nor `overwrite` is set, does not fit, or could
            not be written.
        NonFiniteLoss: where training breaks down; the last good checkpoint is kept.

    >>> from hvae_ref.training import fit, TrainConfig
    >>> fit(model, train, validation, config=TrainConfig(epochs=20, patience=5))  # doctest: +SKIP
    """
    step = _as_step(step, objective)
    config = TrainConfig() if config is None else config
    check_arguments(model, config, checkpoint, recipe, callbacks, resume=resume, overwrite=overwrite)
    if config.patience is not None and validation is None:
        raise ValueError("validation: expected a data set because config.patience is set, got None")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"model: expected parameters that can be trained, got {type(model).__name__} without any")
    # A step of the user's own may read y whatever the model does with conditions.
    as_data = {"dtype": dtype_of(model), "conditional": is_conditional(model) or not isinstance(step, ElboStep)}
    held_out = None if validation is None else source_of("validation", validation, **as_data)
    run = TrainingRun(model, source_of("train", train, **as_data), held_out, step, config, recipe)
    path = None if checkpoint is None else Path(checkpoint)
    home = next(model.parameters()).device
    try:
        with own_randomness(run.processes.device):
            begin(run, path, resume, overwrite)
            run.train(path, callbacks)
    finally:
        model.to(home).eval()
    return run.history


def begin(run: TrainingRun, path: Path | None, resume: bool, overwrite: bool) -> None:
    """Take over a checkpoint or begin anew, and get everything ready.

    Raises:
        CheckpointError: where a checkpoint exists and neither `resume` nor `overwrite` is set, or does not fit.
    """
    if path is not None and path.is_file() and resume:
        run.restore(path)
    elif path is not None and path.exists() and not path.is_dir() and not overwrite:
        raise CheckpointError(f"{path}: exists already; resume it, overwrite it, or choose another file")
    run.prepare(path)


def check_arguments(
    model: Any,  # noqa: ANN401
    config: Any,  # noqa: ANN401
    checkpoint: Any,  # noqa: ANN401
    recipe: Any,  # noqa: ANN401
    callbacks: Any,  # noqa: ANN401
    **switches: Any,  # noqa: ANN401
) -> None:
    """Refuse arguments of `fit` that are of another kind than its signature says.

    Raises:
        ValueError: naming the argument.
    """
    if not isinstance(model, nn.Module):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise ValueError(f"model: expected a module, got {got}")
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config: expected TrainConfig(…) or None, got {config!r}")
    if checkpoint is not None and not isinstance(checkpoint, str | PathLike):
        raise ValueError(f"checkpoint: expected the path of a file or None, got {checkpoint!r}")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name}: expected True or False, got {value!r}")
    if recipe is not None and not isinstance(recipe, Mapping):
        raise ValueError(f"recipe: expected values by name or None, got {recipe!r}")
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
        raise ValueError(f"callbacks: expected a sequence of functions such as [{callbacks!r}], got {callbacks!r}")
    if wrong := [callback for callback in callbacks if not callable(callback)]:
        raise ValueError(f"callbacks: expected functions of a record and the model, got {wrong[0]!r}")


def _as_step(step: Step | Callable[..., Any] | None, objective: Objective | None) -> Step:
    if isinstance(step, Objective):
        raise ValueError(f"step: expected a Step or a function, got {type(step).__name__}; give it as objective=…")
    if objective is not None and not isinstance(objective, Objective):
        got = f"the class {objective.__name__}" if isinstance(objective, type) else repr(objective)
        raise ValueError(f"objective: expected an object such as NegativeElbo(), or None, got {got}")
    if step is None:
        return ElboStep(objective)
    if objective is not None:
        raise ValueError("objective: expected None because a step is given, got one; give fit ElboStep(objective, …)")
    if not isinstance(step, Step) and not callable(step):
        raise ValueError(f"step: expected a Step or a function of the model and a batch, got {type(step).__name__}")
    if isinstance(step, type):
        raise ValueError(f"step: expected a Step, got the class {step.__name__}; give fit {step.__name__}()")
    return step if isinstance(step, Step) else FunctionStep(step)
