"""One epoch of training and one pass of validation, on whatever device and processes `accelerate` gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn

from hvae_ref.elbo import Elbo
from hvae_ref.objectives import Objective, Progress
from hvae_ref.training.batches import Batches, derived_seed
from hvae_ref.training.bound import call, latents_of, terms_of
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.examples import BatchTransform, Examples
from hvae_ref.training.history import Terms


def make_accelerator(config: TrainConfig) -> Accelerator:
    """An `Accelerator` for one run.

    Raises:
        ValueError: where a GPU is asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    if config.device == "cuda" and not has_cuda:
        raise ValueError('device: expected "cpu" or None because there is no CUDA device here, got "cuda"')
    # accelerate keeps the first run's precision and device for the life of the process; a second run may differ.
    if AcceleratorState._shared_state:
        AcceleratorState._reset_state(reset_partial_state=PartialState().num_processes == 1)
    return Accelerator(
        mixed_precision="bf16" if config.precision == "bfloat16" else "no",
        cpu=config.device == "cpu" or not has_cuda,
        # Parameters that a bound leaves out, such as heads without targets, are found in the first step.
        kwargs_handlers=[DistributedDataParallelKwargs(static_graph=True)],
    )


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Let training seed torch as it likes and give the caller's random state back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


class Averages:
    """Means over the steps of an epoch.

    The terms of each batch are kept on the device as they are, a number for an example and term, and added up once
    at the end: a step neither waits for numbers nor pays for sums.
    """

    def __init__(self) -> None:
        self.log_px: list[Tensor] = []
        self.kl: dict[str, list[Tensor]] = {}
        self.auxiliary: dict[str, list[Tensor]] = {}
        self.losses: list[Tensor] = []

    def add(self, elbo: Elbo, loss: Tensor | None = None) -> None:
        """Take in the terms of a batch."""
        self.log_px.append(elbo.log_px.detach())
        for kept, terms in ((self.kl, elbo.kl), (self.auxiliary, elbo.auxiliary)):
            for name, value in terms.items():
                kept.setdefault(name, []).append(value.detach())
        if loss is not None:
            self.losses.append(loss.detach())

    def reduce(self, accelerator: Accelerator, levels: Iterable[str], auxiliary: Iterable[str]) -> tuple[float, Terms]:
        """The mean loss of the steps and the mean terms of the examples, over all processes.

        The names are given because a process may have seen no example at all.
        """
        levels, auxiliary = tuple(levels), tuple(auxiliary)
        zero = torch.zeros((), dtype=torch.float64, device=accelerator.device)

        def total(values: list[Tensor]) -> Tensor:
            return torch.cat([value.reshape(-1) for value in values]).sum(dtype=torch.float64) if values else zero

        sums = [total(self.losses), total(self.log_px)]
        sums += [total(self.kl.get(name, [])) for name in levels]
        sums += [total(self.auxiliary.get(name, [])) for name in auxiliary]
        counts = [len(self.losses), sum(len(value) for value in self.log_px)]
        packed = torch.stack([*(zero + count for count in counts), *sums])
        steps, examples, loss, *means = accelerator.reduce(packed, reduction="sum").tolist()
        log_px, *others = (value / examples for value in means)
        kl = dict(zip(levels, others, strict=False))
        return loss / max(steps, 1), Terms(log_px, kl, dict(zip(auxiliary, others[len(levels) :], strict=True)))


def train_epoch(
    bound: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    config: TrainConfig,
    accelerator: Accelerator,
    epoch: int,
    targets: tuple[str, ...] = (),
    after_step: Any = None,  # noqa: ANN401
) -> tuple[float, Terms, Progress]:
    """All steps of one epoch.

    Args:
        bound: a `BoundModule`, prepared by `accelerate`.
        objective: what is minimised.
        optimizer: of the model's parameters.
        batches: this process's batches.
        config: learning rate and clipping.
        accelerator: averages over processes.
        epoch: 0 for the first.
        targets: names of the targets that the bound is given.
        after_step: called after each step, or None.

    Returns:
        The mean loss, the mean terms, and where training stands now.
    """
    bound.train()
    averages = Averages()
    average = _average(accelerator)
    total = config.epochs * len(batches)
    for step, batch in enumerate(batches.epoch(epoch), start=epoch * len(batches)):
        progress = Progress(step, total, average)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate_at(progress)
        terms = call(bound, batch, targets)
        elbo, latents = terms_of(terms), latents_of(terms)
        loss = objective(elbo, progress, latents)
        optimizer.zero_grad()
        # bfloat16 needs no loss scaling, so accelerate's own backward and optimiser would only add their cost.
        loss.backward()
        if config.gradient_clip is not None:
            nn.utils.clip_grad_norm_(bound.parameters(), config.gradient_clip)
        optimizer.step()
        objective.update(elbo, progress)
        if after_step is not None:
            after_step()
        averages.add(elbo, loss)
    mean_loss, means = averages.reduce(accelerator, averages.kl, averages.auxiliary)
    return mean_loss, means, Progress((epoch + 1) * len(batches), total, average)


@torch.no_grad()
def validate(
    model: nn.Module,
    examples: Examples,
    transform: BatchTransform | None,
    config: TrainConfig,
    accelerator: Accelerator,
    trained: Terms,
    bound: str = "elbo",
    targets: tuple[str, ...] = (),
) -> Terms:
    """The terms of `model.elbo` on the validation set, with the same random numbers each time.

    Fixed numbers make two epochs comparable: what changes between them is the model. The auxiliary terms, where the
    bound that is trained reads targets, come from a call of that bound beside `elbo`, which stays what it is.

    Args:
        model: what is measured.
        examples: the validation set.
        transform: applied to the x of each batch, or None.
        config: batch size and seed.
        accelerator: averages over processes.
        trained: the terms of training, for their names.
        bound: name of the method that is trained with.
        targets: names of the targets to call it with; none, and the auxiliary terms are left out.
    """
    training = model.training
    model.eval()
    seed = derived_seed(config.seed, 2, accelerator.process_index)
    device = examples.x.device
    noise = torch.Generator(device).manual_seed(seed)
    averages = Averages()
    with own_randomness(device):
        torch.manual_seed(seed)
        own = examples[slice(accelerator.process_index, None, accelerator.num_processes)]
        for batch in own.split(config.batch_size):
            batch = batch.transformed(transform, noise)
            with accelerator.autocast():
                elbo = call(model.elbo, batch)
                if targets:
                    elbo = replace(elbo, auxiliary=call(getattr(model, bound), batch, targets).auxiliary)
                averages.add(elbo)
    model.train(training)
    return averages.reduce(accelerator, trained.kl, trained.auxiliary if targets else ())[1]


def _average(accelerator: Accelerator) -> Any:  # noqa: ANN401
    if accelerator.num_processes == 1:
        return lambda value: value
    return lambda value: accelerator.reduce(value, reduction="mean")
