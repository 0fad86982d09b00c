"""Training: from a model and data to trained weights and a history of how they came about."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hvae_ref.objectives import NegativeElbo, Objective
from hvae_ref.training.batches import Batches, derived_seed
from hvae_ref.training.bound import BoundModule, targets_in_signature
from hvae_ref.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Weights,
    check_config,
    config_dict,
    copy_weights,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.examples import HasExamples, examples_of
from hvae_ref.training.history import EpochRecord, History
from hvae_ref.training.loop import make_accelerator, own_randomness, train_epoch, validate
from hvae_ref.training.progress import bar

Callback = Callable[[EpochRecord, nn.Module], None]
"""Called after each epoch, on the main process, with the epoch's record and the model as it would be evaluated."""


class NonFiniteLoss(FloatingPointError):
    """Training broke down: the loss or a weight is no longer a finite number."""


def fit(
    model: nn.Module,
    train: HasExamples | Tensor,
    validation: HasExamples | Tensor | None = None,
    *,
    objective: Objective | None = None,
    config: TrainConfig | None = None,
    bound: str = "elbo",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    recipe: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train a model by minimising an objective of its bound.

    On one CPU or GPU, or on several processes under `accelerate launch`, where each batch is shared between them.
    Every epoch draws from its own random stream, made from (seed, epoch, process): the same seed gives the same
    numbers on the same machine, and a resumed run continues as if it had never stopped. The caller's random state
    is left alone, and the model comes back in evaluation mode, on the device it came from.

    Args:
        model: any model of the package; its weights are changed in place.
        train: data set, or tensor (N, D). A data set's `batch_transform` is applied to each batch anew. Where it has
            a `condition` (N, C) the bound is called as `bound(x, condition)`; of its `targets`, a dict of tensors
            (N, …), the bound is given by keyword those that its signature names.
        validation: the same, or None.
        objective: what to minimise; None for `NegativeElbo()`.
        config: how to train; None for `TrainConfig()`.
        bound: name of the model's method that answers the `Elbo` to train with. Validation is always with `elbo`; the
            auxiliary terms of a bound that reads targets are measured beside it, where the validation set has them.
        checkpoint: file to write the run's state to, or None.
        resume: go on from `checkpoint` where it exists, else begin.
        overwrite: replace an existing `checkpoint` by a new run.
        recipe: kept in the checkpoint, so that the model can be built again.
        callbacks: called after each epoch.

    Returns:
        One record for each epoch. With `config.patience` the model ends with its best weights, else with the average
        (`config.ema_decay`) or the last ones.

    Raises:
        ValueError: where an argument does not fit.
        CheckpointError: where a checkpoint exists and neither `resume` nor `overwrite` is set, or does not fit.
        NonFiniteLoss: where training breaks down; the last good checkpoint is kept.

    >>> from hvae_ref.training import fit, TrainConfig
    >>> fit(model, train, validation, config=TrainConfig(epochs=20, patience=5))  # doctest: +SKIP
    """
    objective = NegativeElbo() if objective is None else objective
    config = TrainConfig() if config is None else config
    if not callable(getattr(model, bound, None)):
        raise ValueError(f"bound: expected the name of a method of {type(model).__name__}, got {bound!r}")
    if config.patience is not None and validation is None:
        raise ValueError("validation: expected a data set because config.patience is set, got None")
    run = _Run(model, train, validation, objective, config, bound, recipe)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        if resume:
            run.restore(path)
        elif not overwrite:
            raise CheckpointError(f"{path}: exists already; resume it, overwrite it, or choose another file")
    home = next(model.parameters()).device
    try:
        with own_randomness(run.accelerator.device):
            run.to_device()
            run.train(path, callbacks)
    finally:
        model.to(home).eval()
    return run.history


class _Run:
    """A run between two epochs: everything that a checkpoint holds, and the steps from one epoch to the next."""

    def __init__(
        self,
        model: nn.Module,
        train: HasExamples | Tensor,
        validation: HasExamples | Tensor | None,
        objective: Objective,
        config: TrainConfig,
        bound: str,
        recipe: Mapping[str, Any] | None,
    ) -> None:
        self.model, self.objective, self.config, self.recipe = model, objective, config, recipe
        self.accelerator = make_accelerator(config)
        device = self.accelerator.device
        examples, transform = examples_of("train", train)
        self.targets = targets_in_signature(model, bound, "train", examples)
        self.batches = Batches(
            examples.to(device),
            config.batch_size,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            transform,
        )
        self.validation = None
        if validation is not None:
            examples, transform = examples_of("validation", validation)
            targets_in_signature(model, "elbo", "validation", examples)
            self.validation = (examples.to(device), transform)
        self.method, self.bound = bound, BoundModule(model, bound, objective.needs_latents)
        self.history = History()
        self.ema: Weights | None = None
        self.best: Weights | None = None
        self.restored: Checkpoint | None = None
        self.name = f"{bound}: {objective!r}"

    def restore(self, path: Path) -> None:
        """Take over a checkpoint; nothing is changed where it does not fit."""
        found = load_checkpoint(path)
        check_config(path, found, config_dict(self.config), self.name)
        load_weights(self.model, found.model, str(path))
        self.objective.load_state_dict(found.objective)
        self.history, self.ema, self.best, self.restored = found.history, found.ema, found.best, found

    def to_device(self) -> None:
        """Move everything to the training device and let `accelerate` wrap it."""
        device = self.accelerator.device
        self.model.to(device)
        rate, decay = self.config.learning_rate, self.config.weight_decay
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=decay, fused=True)
        if self.restored is not None:
            optimizer.load_state_dict(self.restored.optimizer)
        self.bound, self.optimizer = self.accelerator.prepare(self.bound), optimizer
        self.ema = _on(device, self.ema)
        self.best = _on(device, self.best)
        if self.config.ema_decay is not None and self.ema is None:
            self.ema = copy_weights(self.model)

    def train(self, path: Path | None, callbacks: Sequence[Callback]) -> None:
        """All epochs that are still to come."""
        main = self.accelerator.is_main_process
        with bar(self.config.epochs, len(self.history), self.config.progress if main else False) as shown:
            while len(self.history) < self.config.epochs and not self.history.stopped_early:
                record = self._epoch()
                with _weights(self.model, self.ema):
                    if main:
                        for callback in callbacks:
                            callback(record, self.model)
                last = len(self.history) == self.config.epochs or self.history.stopped_early
                if path is not None and main and (last or record.epoch % self.config.checkpoint_every == 0):
                    save_checkpoint(path, self.checkpoint())
                shown.set_postfix_str(_postfix(record), refresh=False)
                shown.update()
        self.accelerator.wait_for_everyone()
        end = self.best if self.config.patience is not None else self.ema
        if end is not None:
            self.model.load_state_dict(end)

    def checkpoint(self) -> Checkpoint:
        """The run's state as it is now."""
        return Checkpoint(
            model=self.model.state_dict(),
            ema=self.ema,
            best=self.best,
            optimizer=self.optimizer.state_dict(),
            objective=self.objective.state_dict(),
            history=self.history,
            config=config_dict(self.config),
            objective_name=self.name,
            recipe=None if self.recipe is None else dict(self.recipe),
        )

    def _epoch(self) -> EpochRecord:
        begun, epoch = time.perf_counter(), len(self.history)
        torch.manual_seed(derived_seed(self.config.seed, epoch, 3, self.accelerator.process_index))
        try:
            loss, terms, progress = train_epoch(
                self.bound,
                self.objective,
                self.optimizer,
                self.batches,
                self.config,
                self.accelerator,
                epoch,
                self.targets,
                None if self.ema is None else self._update_ema,
            )
        except ValueError as error:
            # A distribution refuses parameters that are not numbers before the loss can be one.
            if not _finite(self.model):
                raise NonFiniteLoss(_breakdown(epoch)) from error
            raise
        if not math.isfinite(loss) or not _finite(self.model):
            raise NonFiniteLoss(_breakdown(epoch))
        held_out = None
        if self.validation is not None:
            with _weights(self.model, self.ema):
                examples, transform = self.validation
                targets = self.targets if set(self.targets) <= set(examples.targets) else ()
                held_out = validate(
                    self.model, examples, transform, self.config, self.accelerator, terms, self.method, targets
                )
        record = EpochRecord(
            epoch=epoch + 1,
            loss=loss,
            train=terms,
            validation=held_out,
            weights=self.objective.report(tuple(terms.kl), progress),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - begun,
        )
        self.history.epochs.append(record)
        if held_out is not None:
            self._judge(record)
        return record

    def _judge(self, record: EpochRecord) -> None:
        """Note whether the epoch is the best so far and whether patience has run out."""
        history, patience = self.history, self.config.patience
        curve = history.curve("validation.negative_elbo")
        if history.best_epoch is None or curve[-1] < curve[history.best_epoch - 1]:
            history.best_epoch = record.epoch
            if patience is not None:
                self.best = copy_weights(self.model) if self.ema is None else dict(_copy(self.ema))
        if patience is not None and record.epoch - history.best_epoch >= patience:
            history.stopped_early = record.epoch < self.config.epochs

    @torch.no_grad()
    def _update_ema(self) -> None:
        now = self.model.state_dict()
        for name, mean in self.ema.items():
            if mean.is_floating_point():
                mean.lerp_(now[name], 1 - self.config.ema_decay)
            else:
                mean.copy_(now[name])


class _weights:  # noqa: N801  (used as a function)
    """Give the model other weights for a while; None leaves it alone."""

    def __init__(self, model: nn.Module, weights: Weights | None) -> None:
        self.model, self.other = model, weights

    def __enter__(self) -> None:
        if self.other is not None:
            self.own = copy_weights(self.model)
            self.model.load_state_dict(self.other)

    def __exit__(self, *exception: object) -> None:
        if self.other is not None:
            self.model.load_state_dict(self.own)


def _copy(weights: Weights) -> Weights:
    return {name: value.clone() for name, value in weights.items()}


def _on(device: torch.device, weights: Weights | None) -> Weights | None:
    return None if weights is None else {name: value.to(device) for name, value in weights.items()}


def _finite(model: nn.Module) -> bool:
    norms = [parameter.detach().norm() for parameter in model.parameters()]
    return bool(torch.isfinite(torch.stack(norms)).all())


def _breakdown(epoch: int) -> str:
    return (
        f"training broke down in epoch {epoch + 1}: the loss or a weight is not finite; the last checkpoint, if any, "
        "is kept. Try a smaller learning_rate, a gradient_clip, or a warm-up"
    )


def _postfix(record: EpochRecord) -> str:
    terms = record.train if record.validation is None else record.validation
    return f"−ELBO {terms.negative_elbo:.2f}"
