"""One epoch of training and one pass of validation, on whatever device and processes there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from hvae_ref.data.batch import batch_size_of
from hvae_ref.data.seeds import VALIDATION_STREAM, derived_seed
from hvae_ref.objectives import TrainingState
from hvae_ref.training.averages import Averages
from hvae_ref.training.batches import Batches
from hvae_ref.training.breakdown import Watch
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.history import Terms
from hvae_ref.training.processes import Processes
from hvae_ref.training.steps import Step, detached


@dataclass
class Phase:
    """An optimiser, what it changes, and its learning rates at their highest.

    Attributes:
        name: of the phase.
        optimizer: of its parameters.
    """

    name: str
    optimizer: torch.optim.Optimizer

    def __post_init__(self) -> None:
        groups = self.optimizer.param_groups
        for group in groups:
            # The name that torch's own schedulers use; a checkpoint keeps it with the group.
            group.setdefault("initial_lr", group["lr"])
        self.parameters = [parameter for group in groups for parameter in group["params"]]

    def set_rate(self, factor: float) -> None:
        """Multiply the learning rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


@dataclass(frozen=True)
class Place:
    """Where a run stands between two epochs.

    Attributes:
        epoch: 0 for the first.
        step: batches so far.
        total: batches of the whole run; None where that is not known.
    """

    epoch: int
    step: int
    total: int | None


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Let training seed torch as it likes and give the caller's random state back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def seed_streams(seed: int, device: torch.device) -> None:
    """Seed the streams that a run on `device` draws from; `torch.manual_seed` also notes the seed for devices to come.

    Args:
        seed: of every stream.
        device: of the run; where it is the CPU, only its stream is seeded.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def train_epoch(
    module: nn.Module,
    step: Step,
    phases: list[Phase],
    batches: Batches,
    config: TrainConfig,
    processes: Processes,
    place: Place,
    watch: Watch,
    after_batch: Callable[[], None] | None = None,
) -> tuple[dict[str, float], int]:
    """All batches of one epoch.

    Args:
        module: a `StepModule`, perhaps wrapped for several processes.
        step: the step in it.
        phases: its optimisers, in the order of their turns.
        batches: this process's batches.
        config: learning rate and clipping.
        processes: averages over them.
        place: where training stands.
        watch: is told each batch.
        after_batch: called after each batch, or None.

    Returns:
        The mean of every term, "loss" among them (the sum over the phases, and "loss/<phase>" where there are several);
        and the number of batches.
    """
    module.train()
    averages = Averages()
    several, moves, clip, number = len(phases) > 1, config.rate_moves, config.gradient_clip, place.step
    average: Callable[[Tensor], Tensor] | None = None
    for batch, weight in batches.shares(place.epoch):
        watch.batch = batch
        if processes.count > 1:
            average = _weighted_mean(processes, weight)
        losses, count = [], batch_size_of(batch)
        for phase in phases:
            state = TrainingState(number, place.total, average or _itself, phase.name)
            if moves:
                phase.set_rate(config.rate_factor_at(state))
            with processes.autocast():
                result = module(batch, state, weight)
            phase.optimizer.zero_grad()
            result["loss"].backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(phase.parameters, clip)
            phase.optimizer.step()
            terms = result["terms"]
            with torch.no_grad():
                step.update(terms, state)
            if weight == 0:  # the row is another process's
                continue
            if several:
                losses.append(terms.pop("loss"))
                terms[f"loss/{phase.name}"] = losses[-1]
            averages.add(terms, count)
        if losses:
            averages.add({"loss": torch.stack(losses).sum()}, count)
        if after_batch is not None:
            after_batch()
        number += 1
    return averages.reduce(processes), number - place.step


@torch.no_grad()
def validate(
    model: nn.Module,
    step: Step,
    batches: Batches,
    processes: Processes,
    state: TrainingState,
    watch: Watch | None = None,
    at_most: int | None = None,
) -> Terms:
    """The terms of `step.evaluate` on the validation set, with the same random numbers each time.

    Fixed numbers make two epochs comparable: what changes between them is the model.

    Args:
        model: what is measured; in evaluation mode meanwhile.
        step: what measures it.
        batches: this process's batches.
        processes: averages over them.
        state: where training stands.
        watch: is told each batch, or None.
        at_most: batches to look at; None for all of them.
    """
    training = model.training
    model.eval()
    averages = Averages()
    seed, process = batches.seed, batches.process
    with own_randomness(processes.device):
        seed_streams(derived_seed(seed, VALIDATION_STREAM, process), processes.device)
        # A seed of its own: with the one above, a posterior sample and the noise of its data would be the same numbers.
        noise = derived_seed(seed, VALIDATION_STREAM, process, 1)
        for batch, weight in islice(batches.in_order(noise), at_most):
            if watch is not None:
                watch.batch = batch
            if weight == 0:
                continue
            with processes.autocast():
                terms = step.evaluate(model, batch, state)
            count = batch_size_of(batch)
            averages.add(detached(terms, count), count)
    model.train(training)
    return Terms(averages.reduce(processes))


def _itself(value: Tensor) -> Tensor:
    return value


def _weighted_mean(processes: Processes, weight: float) -> Callable[[Tensor], Tensor]:
    """The mean over the processes of a mean over each one's rows, as the mean over all rows."""
    return lambda value: processes.mean(value * weight)
