"""A run between two epochs: everything that a checkpoint holds, and the steps from one epoch to the next."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from hvae_ref.data import Source
from hvae_ref.data.seeds import derived_seed
from hvae_ref.data.source import TensorSource
from hvae_ref.distributions.tracing import values_looked_at
from hvae_ref.errors import real_number
from hvae_ref.objectives import TrainingState
from hvae_ref.training.batches import Batches
from hvae_ref.training.breakdown import NonFiniteLoss, Watch, breakdown, is_finite
from hvae_ref.training.checkpoint import (
    Checkpoint,
    check_writable,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.history import EpochRecord, History, Terms
from hvae_ref.training.loop import Phase, Place, seed_streams, train_epoch, validate
from hvae_ref.training.processes import processes_of
from hvae_ref.training.progress import bar
from hvae_ref.training.same_model import description_of
from hvae_ref.training.same_run import check_same_run, config_dict, fingerprint, warn_of_rate, warn_of_weights
from hvae_ref.training.steps import Step, StepModule
from hvae_ref.training.weights import MovingAverage, Weights, copied, on_device, set_weights, swapped, weights_of

Callback = Callable[[EpochRecord, nn.Module], None]
"""Called after each epoch, on the main process, with the epoch's record and the model as it would be evaluated."""


class TrainingRun:
    """A run of `fit`.

    Args:
        model: what is trained.
        train: the training data.
        validation: what epochs are compared on, or None.
        step: how a batch becomes a loss.
        config: how to train.
        recipe: kept in the checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Source,
        validation: Source | None,
        step: Step,
        config: TrainConfig,
        recipe: Mapping[str, Any] | None,
    ) -> None:
        self.model, self.step, self.config, self.recipe = model, step, config, recipe
        self.processes = processes_of(config)
        self.source, self.held_out = train, validation
        self.history = History()
        self.average: MovingAverage | None = None
        self.best: Weights | None = None
        self.restored: Checkpoint | None = None
        # Before the first step: what a step counts or learns while it trains is not a setting.
        self.step.reset()
        self.settings = step.settings()
        self._seen_whole = False

    def restore(self, path: Path) -> None:
        """Take over a checkpoint; nothing is changed where it does not fit."""
        found = load_checkpoint(path)
        check_same_run(path, found, config_dict(self.config), self.settings, self.data)
        load_weights(self.model, found.model, str(path), found)
        self.step.load_state_dict(found.step)
        self.history, self.best, self.restored = found.history, found.best, found

    def prepare(self, path: Path | None) -> None:
        """Move everything to the training device, and find out now what would go wrong after an epoch.

        Raises:
            ValueError: where the validation data or the step do not fit.
            CheckpointError: where the checkpoint could not be written.
        """
        if path is not None:
            check_writable(path, self.checkpoint())
        processes, config = self.processes, self.config
        self.model.to(processes.device)
        shared = (processes.index, processes.count, processes.device)
        self.batches = Batches(self.source, config.batch_size, config.seed, *shared, config.steps_per_epoch)
        self.validation = None
        if self.held_out is not None:
            self.validation = Batches(self.held_out, config.batch_size, config.seed, *shared)
        self.phases = [Phase(name, self.step.optimizer(self.model, name, config)) for name in self.step.phases]
        if self.restored is not None:
            for phase in self.phases:
                phase.optimizer.load_state_dict(self.restored.optimizers[phase.name])
            warn_of_rate(self.restored, config, self._place())
            warn_of_weights(self.restored, config, self.step, self._place())
        self.module = processes.wrap(StepModule(self.model, self.step), static=len(self.phases) == 1)
        self.best = on_device(processes.device, self.best)
        if config.ema_decay is not None:
            start = None if self.restored is None else on_device(processes.device, self.restored.ema)
            self.average = MovingAverage(self.model, config.ema_decay, start)
        if path is not None:
            check_writable(path, self.checkpoint())
        if self.validation is not None:
            # All of it where it lies in memory: what is wrong in its last row is told now, too.
            at_most = None if isinstance(self.held_out, TensorSource) else 1
            with Watch(self.model, len(self.history)) as watch:
                terms = validate(self.model, self.step, self.validation, processes, self._state(), watch, at_most)
            if terms.terms:
                self._criterion(terms)
            for name, value in self.step.report(terms.terms, self._state()).items():
                real_number(f"report[{name!r}]", value)

    def train(self, path: Path | None, callbacks: Sequence[Callback]) -> None:
        """All epochs that are still to come."""
        main = self.processes.is_main
        with bar(self.config.epochs, len(self.history), self.config.progress if main else False) as shown:
            while len(self.history) < self.config.epochs and not self.history.stopped_early:
                record = self._epoch()
                with swapped(self.model, self._averaged()):
                    if main:
                        for callback in callbacks:
                            callback(record, self.model)
                last = len(self.history) == self.config.epochs or self.history.stopped_early
                if path is not None and main and (last or record.epoch % self.config.checkpoint_every == 0):
                    save_checkpoint(path, self.checkpoint())
                shown.set_postfix_str(self._postfix(record), refresh=False)
                shown.update()
        self.processes.wait()
        end = self.best if self.config.patience is not None and self.best is not None else self._averaged()
        if end is not None:
            set_weights(self.model, end)

    def checkpoint(self) -> Checkpoint:
        """The run's state as it is now."""
        phases = getattr(self, "phases", [])
        return Checkpoint(
            model=weights_of(self.model),
            ema=self._averaged(),
            best=self.best,
            optimizers={phase.name: phase.optimizer.state_dict() for phase in phases},
            step=self.step.state_dict(),
            history=self.history,
            config=config_dict(self.config),
            settings=self.settings,
            **description_of(self.model),
            **self.data,
            recipe=None if self.recipe is None else dict(self.recipe),
        )

    def _epoch(self) -> EpochRecord:
        begun, epoch, processes = time.perf_counter(), len(self.history), self.processes
        seed_streams(derived_seed(self.config.seed, epoch, 3, processes.index), processes.device)
        looked_at = values_looked_at() if self._seen_whole else nullcontext()
        with Watch(self.model, epoch) as watch, looked_at:
            means, steps = train_epoch(
                self.module,
                self.step,
                self.phases,
                self.batches,
                self.config,
                processes,
                self._place(),
                watch,
                None if self.average is None else self.average.update,
            )
            self._seen_whole = self.batches.whole
            loss = means.pop("loss")
            if not math.isfinite(loss) or not is_finite(self.model):
                raise NonFiniteLoss(breakdown(epoch))
            state = self._state(steps)
            held_out = None
            if self.validation is not None:
                with swapped(self.model, self._averaged()):
                    held_out = validate(self.model, self.step, self.validation, processes, state, watch)
        record = EpochRecord(
            epoch=epoch + 1,
            loss=loss,
            train=Terms(means),
            validation=held_out,
            weights=self.step.report(means, state),
            learning_rate=self.phases[0].optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - begun,
            steps=steps,
        )
        self.history.epochs.append(record)
        if held_out is not None:
            self._judge(record, self._criterion(held_out))
        return record

    def _judge(self, record: EpochRecord, value: float) -> None:
        """Note whether the epoch is the best so far and whether patience has run out."""
        history, patience = self.history, self.config.patience
        best = math.inf
        if history.best_epoch is not None:
            best = self._criterion(history.epochs[history.best_epoch - 1].validation)
        # What is no number, or infinite, is never the best, also where it comes first.
        if math.isfinite(value) and value < best:
            history.best_epoch = record.epoch
            if patience is not None:
                self.best = copied(self._averaged() or weights_of(self.model))
        if patience is not None and record.epoch - (history.best_epoch or 0) >= patience:
            history.stopped_early = record.epoch < self.config.epochs

    def _criterion(self, terms: Terms) -> float:
        try:
            return terms.value(self.step.criterion)
        except ValueError as error:
            raise ValueError(
                f"criterion: expected one of the terms that {type(self.step).__name__}.evaluate returns, "
                f"{', '.join(terms.terms)}, got {self.step.criterion!r}"
            ) from error

    def _place(self, more: int = 0) -> Place:
        """Where the run stands, `more` batches after the last recorded epoch."""
        epoch, done = len(self.history), sum(record.steps for record in self.history.epochs) + more
        ended = epoch + (more > 0)
        steps = self.batches.steps
        # Data that cannot tell their number of batches are taken to go on as they did.
        steps = done / ended if steps is None and ended else steps
        return Place(epoch, done, None if steps is None else round(steps * self.config.epochs))

    def _state(self, more: int = 0) -> TrainingState:
        place = self._place(more)
        return TrainingState(place.step, place.total, self.processes.mean, self.step.phases[0])

    @cached_property
    def data(self) -> dict[str, Any]:
        """What tells the data from others; found out once, and only where there is a checkpoint."""
        return {"data": fingerprint(self.source), "validation": fingerprint(self.held_out)}

    def _averaged(self) -> Weights | None:
        return None if self.average is None else self.average.weights

    def _postfix(self, record: EpochRecord) -> str:
        if record.validation is not None and self.step.criterion != "negative_elbo":
            return f"{self.step.criterion} {self._criterion(record.validation):.4g}"
        terms = record.validation or record.train
        return f"−ELBO {terms.negative_elbo:.2f}" if "log_px" in terms.terms else f"loss {record.loss:.4g}"
