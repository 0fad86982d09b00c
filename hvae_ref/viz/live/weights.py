"""Weights as a page reads them: one signed byte a number, with a scale for each row of a matrix."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

State = Mapping[str, Tensor]


def fingerprint(state: State) -> str:
    """The first 16 hexadecimal digits of SHA-256 over names, shapes and numbers (as float32) of a model's state."""
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(f"{name} {tuple(value.shape)}\0".encode() + _floats(value))
    return digest.hexdigest()[:16]


def rounded(matrix: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (R, …) as signed bytes (R, …) and a scale for each row (R,).

    Raises:
        ValueError: for numbers that are not finite.
    """
    if not matrix.isfinite().all():
        raise ValueError("matrix: expected finite numbers, got infinities or NaN")
    rows = matrix.detach().to("cpu", torch.float32)
    scale = (rows.abs().flatten(1).amax(1) / 127).clamp(min=1e-12)
    numbers = torch.round(rows / scale.view(-1, *[1] * (rows.ndim - 1))).to(torch.int8)
    return numbers.numpy(), scale.numpy()


def dequantised(state: State) -> dict[str, Tensor]:
    """A model's state as a page reads it: what has rows is rounded, vectors are not; shapes and types stay."""
    found = {}
    for name, value in state.items():
        if value.ndim >= 2:
            numbers, scale = rounded(value)
            factors = torch.from_numpy(scale).view(-1, *[1] * (value.ndim - 1))
            found[name] = (torch.from_numpy(numbers).float() * factors).to(value)
        else:
            found[name] = value
    return found


def packed(state: State, **content: object) -> dict[str, Any]:
    """What a page is given of a model: a table of its tensors {name: [shape, offset]} and their bytes in base64.

    A tensor with rows is R scales (float32) and then its signed bytes; a vector is float32. `arithmetic.js` reads it.

    Args:
        state: names and tensors, any shapes.
        content: what the figure needs besides, ready for JSON.
    """
    parts, table, offset = [], {}, 0
    for name, value in state.items():
        if value.ndim >= 2:
            numbers, scale = rounded(value)
            data = scale.astype("<f4").tobytes() + numbers.tobytes()
        else:
            data = _floats(value)
        data += b"\0" * (-len(data) % 4)
        table[name] = [list(value.shape), offset]
        parts.append(data)
        offset += len(data)
    numbers = base64.b64encode(b"".join(parts)).decode()
    return {"weights": fingerprint(state), **content, "tensors": table, "data": numbers}


def script(name: str, stored: Mapping[str, Any]) -> str:
    """The script that gives a page the stored data, as `LadderModels[name]`."""
    body = json.dumps(stored, separators=(",", ":"), ensure_ascii=False)
    return f"(self.LadderModels ??= {{}})[{json.dumps(name)}] = {body};\n"


def _floats(value: Tensor) -> bytes:
    return value.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()
