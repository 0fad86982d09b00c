"""One epoch of training and one pass of validation, on whatever device and processes `accelerate` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn

from hvae_ref.elbo import Elbo
from hvae_ref.objectives import LatentSamples, Objective, Progress
from hvae_ref.training.batches import Batches, BatchTransform, derived_seed
from hvae_ref.training.config import TrainConfig
from hvae_ref.training.history import Terms


class BoundModule(nn.Module):
    """A model whose forward is its bound: what `accelerate` wraps, so that gradients meet between processes.

    Args:
        model: model with the method `bound`.
        bound: name of the method that answers an `Elbo`.
        needs_latents: whether to draw latents for an MMD penalty too.
    """

    def __init__(self, model: nn.Module, bound: str, needs_latents: bool) -> None:
        super().__init__()
        self.model = model
        self.bound = bound
        self.needs_latents = needs_latents

    def forward(self, x: Tensor) -> dict[str, Any]:
        """The terms of the bound and, where needed, samples of the latents; as dicts, which every wrapper knows."""
        elbo = getattr(self.model, self.bound)(x)
        terms: dict[str, Any] = {"log_px": elbo.log_px, "kl": dict(elbo.kl)}
        if self.needs_latents:
            terms["posterior"] = {level: q.rsample() for level, q in self.model.encode(x).items()}
            terms["prior"] = dict(self.model.sample_latents(len(x)))
        return terms


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
    )


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Let training seed torch as it likes and give the caller's random state back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


class Averages:
    """Means over the steps of an epoch.

    The terms of each batch are kept on the device as they are, a number for an example and level, and added up once
    at the end: a step neither waits for numbers nor pays for sums.
    """

    def __init__(self) -> None:
        self.terms: dict[str, list[Tensor]] = {}
        self.losses: list[Tensor] = []

    def add(self, elbo: Elbo, loss: Tensor | None = None) -> None:
        """Take in the terms of a batch."""
        for name, value in (("log_px", elbo.log_px), *elbo.kl.items()):
            self.terms.setdefault(name, []).append(value.detach())
        if loss is not None:
            self.losses.append(loss.detach())

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels seen, top to bottom."""
        return tuple(name for name in self.terms if name != "log_px")

    def reduce(self, accelerator: Accelerator, levels: tuple[str, ...]) -> tuple[float, Terms]:
        """The mean loss of the steps and the mean terms of the examples, over all processes."""
        zero = torch.zeros((), dtype=torch.float64, device=accelerator.device)

        def total(values: list[Tensor]) -> Tensor:
            return torch.cat([value.reshape(-1) for value in values]).sum(dtype=torch.float64) if values else zero

        sums = [total(self.losses), *(total(self.terms.get(name, [])) for name in ("log_px", *levels))]
        counts = [len(self.losses), sum(len(value) for value in self.terms.get("log_px", []))]
        packed = torch.stack([*(zero + count for count in counts), *sums])
        steps, examples, loss, *means = accelerator.reduce(packed, reduction="sum").tolist()
        log_px, *kl = (value / examples for value in means)
        return loss / max(steps, 1), Terms(log_px, dict(zip(levels, kl, strict=True)))


def train_epoch(
    bound: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    config: TrainConfig,
    accelerator: Accelerator,
    epoch: int,
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
        after_step: called after each step, or None.

    Returns:
        The mean loss, the mean terms, and where training stands now.
    """
    bound.train()
    averages = Averages()
    average = _average(accelerator)
    total = config.epochs * len(batches)
    for step, x in enumerate(batches.epoch(epoch), start=epoch * len(batches)):
        progress = Progress(step, total, average)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate_at(progress)
        elbo, latents = _record(bound(x))
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
    mean_loss, terms = averages.reduce(accelerator, averages.levels)
    return mean_loss, terms, Progress((epoch + 1) * len(batches), total, average)


@torch.no_grad()
def validate(
    model: nn.Module,
    x: Tensor,
    transform: BatchTransform | None,
    config: TrainConfig,
    accelerator: Accelerator,
    levels: tuple[str, ...],
) -> Terms:
    """The terms of `model.elbo` on the validation set, with the same random numbers each time.

    Fixed numbers make two epochs comparable: what changes between them is the model.
    """
    training = model.training
    model.eval()
    seed = derived_seed(config.seed, 2, accelerator.process_index)
    noise = torch.Generator(x.device).manual_seed(seed)
    averages = Averages()
    with own_randomness(x.device):
        torch.manual_seed(seed)
        for batch in x[accelerator.process_index :: accelerator.num_processes].split(config.batch_size):
            batch = batch if transform is None else transform(batch, noise)
            with accelerator.autocast():
                averages.add(model.elbo(batch))
    model.train(training)
    return averages.reduce(accelerator, levels)[1]


def _record(terms: Mapping[str, Any]) -> tuple[Elbo, LatentSamples | None]:
    latents = LatentSamples(terms["posterior"], terms["prior"]) if "posterior" in terms else None
    return Elbo(terms["log_px"], terms["kl"]), latents


def _average(accelerator: Accelerator) -> Any:  # noqa: ANN401
    if accelerator.num_processes == 1:
        return lambda value: value
    return lambda value: accelerator.reduce(value, reduction="mean")
