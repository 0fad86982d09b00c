"""The state in which answers run: the same for every answer, and put back afterwards, whatever an answer changes."""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch

# What an answer could replace by something of its own, with effects on whatever is compared after it.
_GUARDED: tuple[ModuleType | type, ...] = (
    torch,
    torch.Tensor,
    torch.autograd,
    torch.distributions,
    torch.linalg,
    torch.nn.functional,
    torch.special,
    math,
    np,
    np.linalg,
    np.random,
    random,
)


@contextmanager
def fixed_randomness(seed: int) -> Iterator[None]:
    """Seed torch, NumPy and Python inside the block, and put their states back afterwards.

    Args:
        seed: The seed.

    Yields:
        Nothing.
    """
    # torch.manual_seed would queue a call for every kind of device that is not there.
    on_cuda = torch.cuda.is_initialized()
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if on_cuda else []
    try:
        reseed(seed)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if on_cuda:
            torch.cuda.set_rng_state_all(cuda_states)


def reseed(seed: int) -> None:
    """Seed torch, NumPy and Python.

    Args:
        seed: The seed.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def usual_modes() -> Iterator[None]:
    """Gradients on, float32, the CPU, no autocast and no warnings inside the block, as before it afterwards.

    Yields:
        Nothing.
    """
    gradients, dtype, device = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_default_device()
    autocast, limit, errors = torch.is_autocast_enabled("cpu"), sys.getrecursionlimit(), np.geterr()
    try:
        with torch.inference_mode(False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _set_modes(True, torch.float32, torch.device("cpu"), False)
            np.seterr(all="ignore")
            yield
    finally:
        _set_modes(gradients, dtype, device, autocast)
        np.seterr(**errors)
        sys.setrecursionlimit(limit)


def _set_modes(gradients: bool, dtype: torch.dtype, device: torch.device, autocast: bool) -> None:
    torch.set_grad_enabled(gradients)
    torch.set_default_dtype(dtype)
    if torch.get_default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)
    if torch.is_autocast_enabled("cpu") != autocast:
        torch.set_autocast_enabled("cpu", autocast)


@contextmanager
def guarded_modules() -> Iterator[None]:
    """Put back what is replaced in torch, NumPy, math and this package inside the block; close figures opened there.

    Yields:
        Nothing.
    """
    package = [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "hvae_ref"]
    before = [(owner, dict(vars(owner))) for owner in (*_GUARDED, *package)]
    figures = _figures()
    try:
        yield
    finally:
        for owner, names in before:
            _put_back(owner, names)
        for number in _figures() - figures:
            sys.modules["matplotlib.pyplot"].close(number)


def _put_back(owner: ModuleType | type, names: dict[str, object]) -> None:
    now = dict(vars(owner))
    for name, value in names.items():
        if name not in now or now[name] is not value:
            setattr(owner, name, value)
    for name in now.keys() - names.keys():
        if isinstance(owner, type):  # a module gains names by imports
            delattr(owner, name)


def _figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot is not None and hasattr(pyplot, "get_fignums") else set()
