"""Values in one line of text."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from hvae_ref.exercises.engine.evaluate import Outcome

_SHOWN = 24  # up to so many numbers are shown


def readable_outcome(outcome: Outcome) -> str:
    """Write what an answer gave in one line.

    Args:
        outcome: What it gave.

    Returns:
        Its parts and their places.
    """
    if list(outcome.leaves) == [""]:
        return readable(outcome.leaves[""])
    return "; ".join(f"{place}: {readable(leaf)}" for place, leaf in outcome.leaves.items())


def readable(value: Any) -> str:  # noqa: ANN401
    """Write a value in one line: numbers to four digits, and the shape.

    Args:
        value: Anything.

    Returns:
        The line, shortened where it would be long.
    """
    if isinstance(value, np.ndarray):
        value = torch.as_tensor(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if value.ndim == 0:
            return _number(value.item())
        if value.numel() > _SHOWN:
            first = ", ".join(_number(v) for v in value.flatten()[:6].tolist())
            return f"[{first}, …]  shape {tuple(value.shape)}"
        return f"{_nested(value.tolist())}  shape {tuple(value.shape)}"
    if isinstance(value, float | np.floating):
        return _number(float(value))
    if isinstance(value, Distribution):
        return clipped(repr(value), 120)
    if isinstance(value, list | tuple):
        return clipped("(" + ", ".join(readable(v) for v in value) + ")", 300)
    return clipped(" ".join(repr(value).split()), 120)


def _nested(value: Any) -> str:  # noqa: ANN401
    return f"[{', '.join(map(_nested, value))}]" if isinstance(value, list) else _number(value)


def _number(value: Any) -> str:  # noqa: ANN401
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clipped(text: str, width: int) -> str:
    """Shorten a text.

    Args:
        text: The text.
        width: How many characters may stay.

    Returns:
        The text, with an ellipsis where something was cut off.
    """
    return text if len(text) <= width else text[: width - 1] + "…"
