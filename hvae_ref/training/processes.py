"""The processes that train together, and the device of this one.

`accelerate` forms the group and picks each process's device where a launcher has started several; one process alone
needs neither. An `Accelerator` of the user's in the same process is used as it is and never changed.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from hvae_ref.training.config import TrainConfig

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_ADVICE = "start them with torchrun --nproc_per_node {} -m hvae_ref train …, or with torchrun and your own script"


@dataclass(frozen=True)
class Processes:
    """The group that this process is in.

    Attributes:
        device: where this process computes.
        index: number of this process, 0 … count − 1.
        count: number of processes.
        bfloat16: whether to autocast to that type.
    """

    device: torch.device
    index: int = 0
    count: int = 1
    bfloat16: bool = False

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.index == 0

    def wrap(self, module: nn.Module, static: bool) -> nn.Module:
        """A module whose gradients are averaged over the processes; itself with one process.

        Args:
            module: on `device`.
            static: whether every step uses the same parameters.
        """
        if self.count == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        # With a static graph, parameters that a step leaves out, such as heads without targets, are found once.
        return nn.parallel.DistributedDataParallel(
            module, device_ids=devices, static_graph=static, find_unused_parameters=not static
        )

    def autocast(self) -> AbstractContextManager[Any]:
        """Where forward passes happen."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        if self.count > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes."""
        return self.sum(value) / self.count if self.count > 1 else value

    def all_names(self, names: list[str]) -> list[str]:
        """The names that any process has, in one order for all."""
        if self.count == 1:
            return names
        everybody: list[Any] = [None] * self.count
        distributed.all_gather_object(everybody, names)
        return list(dict.fromkeys(name for own in everybody for name in own))

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.count > 1:
            distributed.barrier()


def launched() -> int:
    """How many processes a launcher has started, as the environment tells; 1 without a launcher.

    Raises:
        ValueError: where several were asked for and a single one was started.
    """
    for name in _SIZES:
        if os.environ.get(name, "").isdigit():
            return max(int(os.environ[name]), 1)
    # https://github.com/huggingface/accelerate/issues/2741
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1") and "MASTER_ADDR" in os.environ:
        raise ValueError(
            "processes: expected several because accelerate launch --cpu was asked for them, got a single one "
            f"(it starts no others on CPUs); {_ADVICE.format('N')}"
        )
    return 1


def is_main_process() -> bool:
    """Whether this process writes files and prints: the only one, or the first of a group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"


def processes_of(config: TrainConfig) -> Processes:
    """The group and the device for a run.

    Raises:
        ValueError: where a GPU is asked for and there is none, or where the launcher has started another number of
            processes than found each other.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError('device: expected "cpu" or None because there is no CUDA device here, got "cuda"')
    grouped = distributed.is_available() and distributed.is_initialized()
    count = distributed.get_world_size() if grouped else launched()
    bfloat16 = config.precision == "bfloat16"
    if count == 1:
        device = torch.device(config.device or _usual_device())
        if device.type == "cuda" and device.index is None:
            # With its number, so that tensors that lie there are seen to lie there.
            device = torch.device("cuda", torch.cuda.current_device())
        return Processes(device, bfloat16=bfloat16)
    device = _join(config, count)
    if distributed.get_world_size() != count:
        raise ValueError(
            f"processes: expected the {count} that the launcher has started, got {distributed.get_world_size()}; "
            + _ADVICE.format(count)
        )
    return Processes(device, distributed.get_rank(), count, bfloat16)


def _usual_device() -> str | torch.device:
    """The device of the user's `Accelerator` if there is one, else a GPU if there is one."""
    state = sys.modules.get("accelerate.state")
    if state is not None and state.is_initialized():
        return state.PartialState().device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _leave() -> None:
    """Leave the group, if this process is still in one."""
    if distributed.is_initialized():
        gc.collect()  # what still holds the group, such as a wrapped model in a circle of references
        with suppress(RuntimeError):  # the others may be gone already
            distributed.barrier()
        distributed.destroy_process_group()


def _join(config: TrainConfig, count: int) -> torch.device:
    """Join the group, unless this process is in it already; the device of this process."""
    from accelerate import PartialState

    on_cpu = config.device == "cpu" or not torch.cuda.is_available()
    if not distributed.is_initialized():
        # A group that is still there when the process ends may end it with an error.
        atexit.register(_leave)
    try:
        state = PartialState(cpu=on_cpu)
        if not distributed.is_initialized():
            # The state was made before, for a GPU that is not here: then it stands alone, and says so to nobody.
            distributed.init_process_group("gloo" if on_cpu else "nccl")
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"processes: expected {count} that find each other because the launcher has said so, got one that cannot "
            f"({error}); {_ADVICE.format(count)}"
        ) from error
    if config.device in (None, state.device.type):
        return state.device
    if config.device == "cpu" and distributed.get_backend() == "nccl":
        raise ValueError('device: expected "cuda" or None because the group of processes is one of GPUs, got "cpu"')
    index = int(os.environ.get("LOCAL_RANK", 0)) % max(torch.cuda.device_count(), 1)
    return torch.device("cpu") if config.device == "cpu" else torch.device("cuda", index)
