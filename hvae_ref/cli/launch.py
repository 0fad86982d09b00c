"""Several processes on CPUs: starts those that `accelerate launch --cpu` was asked for and leaves out.

accelerate starts the processes itself on GPUs. With `--cpu --num_processes 2` and no MPI it sets the address at which
the processes are to meet, then starts a single one (https://github.com/huggingface/accelerate/issues/2741).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

# Whichever of them is set says that a launcher has started all processes.
_STARTED = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def missing_processes() -> int:
    """How many processes this one should start and wait for; 0 where it should do the work itself.

    Raises:
        ValueError: where several are asked for and their number cannot be told.
    """
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1") and "MASTER_ADDR" in os.environ
    if not asked or any(name in os.environ for name in _STARTED):
        return 0
    count = processes_asked_for(psutil.Process().parent().cmdline())
    if count is None:
        raise ValueError(
            "accelerate launch: several processes on CPUs are asked for, but not how many; "
            "give --num_processes on its command line (and for several machines start them with torchrun)"
        )
    return count if count > 1 else 0


def processes_asked_for(command: Sequence[str]) -> int | None:
    """The number of processes in the command line of `accelerate launch`, for one machine.

    >>> processes_asked_for(["accelerate", "launch", "--cpu", "--num_processes", "2", "-m", "hvae_ref"])
    2
    """
    options: dict[str, str] = {}
    for index, word in enumerate(command):
        name, _, value = word.partition("=")
        options[name.replace("-", "_")] = value or (command[index + 1] if index + 1 < len(command) else "")
    if options.get("__num_machines", "1") != "1" or not options.get("__num_processes", "").isdigit():
        return None
    return int(options["__num_processes"])


def start(count: int, command: Sequence[str]) -> int:
    """Run a command in `count` processes that form one group, and wait for them.

    Args:
        count: number of processes.
        command: what each runs.

    Returns:
        0 when all succeed, else the first failure's exit status; the other processes are then ended.
    """
    processes = []
    for rank in range(count):
        group = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        environment = os.environ | {name: str(value) for name, value in group.items()}
        processes.append(subprocess.Popen(command, env=environment))
    try:
        while None in (ends := [process.poll() for process in processes]) and not any(ends):
            time.sleep(0.05)
        if None in ends:
            # A moment for the others to say what happened to them, before they are ended.
            time.sleep(1.0)
        return next((end for end in ends if end), 0)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()


def again() -> list[str]:
    """The command line of this process, to be run by others."""
    return [sys.executable, "-m", "hvae_ref", *sys.argv[1:]]
