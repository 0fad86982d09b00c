"""Export shipped checkpoints for the live figures of the site: `python -m tools.live_weights`.

A matrix is stored as one signed byte a number, with a scale for each row; vectors are stored as 32-bit floats. The
script that comes out holds the checkpoint's hash and the largest change that rounding makes to a number of the model's
output, so that a test can tell when it is stale.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hvae_ref.cli import recipes
from hvae_ref.data import load
from hvae_ref.models import LatentVariableModel
from tools.environments import ROOT

FOLDER = ROOT / "book" / "_static" / "live"
MODELS = ("digits-top-down",)


def checkpoint_hash(name: str) -> str:
    """The first 16 hexadecimal digits of SHA-256 of a shipped checkpoint."""
    data = files("hvae_ref.cli.recipes").joinpath("checkpoints", f"{name}.safetensors").read_bytes()
    return hashlib.sha256(data).hexdigest()[:16]


def rounded(matrix: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (R, C) as signed bytes (R, C) and a scale for each row (R,)."""
    scale = (matrix.abs().amax(1) / 127).clamp(min=1e-12)
    return torch.round(matrix / scale[:, None]).to(torch.int8).numpy(), scale.to(torch.float32).numpy()


def dequantised(model: LatentVariableModel) -> dict[str, torch.Tensor]:
    """The model's state as a page reads it."""
    state = {}
    for name, value in model.state_dict().items():
        if value.ndim == 2:
            numbers, scale = rounded(value)
            value = torch.from_numpy(numbers).float() * torch.from_numpy(scale)[:, None]
        state[name] = value
    return state


def packed(model: LatentVariableModel, name: str, extra: dict[str, Any]) -> str:
    """The script that gives a page the model: `LadderModels[name]`."""
    parts, table, offset = [], {}, 0
    for key, value in model.state_dict().items():
        if value.ndim == 2:
            numbers, scale = rounded(value)
            data = scale.astype("<f4").tobytes() + numbers.tobytes()
        else:
            data = value.to(torch.float32).numpy().astype("<f4").tobytes()
        data += b"\0" * (-len(data) % 4)
        table[key] = [list(value.shape), offset]
        parts.append(data)
        offset += len(data)
    content = {"checkpoint": checkpoint_hash(name), "tensors": table, **extra}
    body = json.dumps(content, separators=(",", ":"))
    weights = base64.b64encode(b"".join(parts)).decode()
    return f'(self.LadderModels ??= {{}})[{json.dumps(name)}] = {{...{body}, data: "{weights}"}};\n'


def plane(model: LatentVariableModel, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    """Where the top latent of images lies: its mean, two principal directions of one standard deviation, the images."""
    with torch.no_grad():
        z = model.infer(x).latents[model.levels[0]].q.mean
    center = z.mean(0)
    _, spread, axes = torch.linalg.svd(z - center, full_matrices=False)
    scaled = axes[:2] * spread[:2, None] / len(z) ** 0.5
    places = (z - center) @ scaled.T / scaled.square().sum(1)
    points = [[round(float(a), 2), round(float(b), 2), int(digit)] for (a, b), digit in zip(places, y, strict=True)]
    return {"center": center.tolist(), "axes": scaled.tolist(), "points": points}


def export(name: str) -> str:
    """The script of one model, with a few test images to start from."""
    model = recipes.pretrained(name)
    test = load("digits", "test")
    shown = [int((test.y == digit).nonzero()[0]) for digit in range(10)]
    images = [[int(value) for value in test.x[index].flatten()] for index in shown]
    return packed(model, name, {**plane(model, test.x, test.y), "images": images, "levels": list(model.levels)})


def still(name: str, path: Path) -> None:
    """What a page shows where nothing moves: at each of four places of z2, six images with a z1 of their own."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    model, test = recipes.pretrained(name), load("digits", "test")
    start = plane(model, test.x, test.y)
    center, axes = torch.tensor(start["center"]), torch.tensor(start["axes"])
    places = [(-1.6, 0.4), (0.2, 1.4), (1.3, -0.6), (-0.3, -1.4)]
    generator = torch.Generator().manual_seed(0)
    figure, grid = plt.subplots(4, 6, figsize=(6, 4.2), dpi=160, layout="constrained")
    for row, (a, b) in zip(grid, places, strict=True):
        z2 = (center + a * axes[0] + b * axes[1]).expand(6, -1)
        noise = torch.randn(6, model.shapes["z1"][0], generator=generator)
        with torch.no_grad():
            images = decoded(model, z2, noise)
        for image, panel in zip(images, row, strict=True):
            panel.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
            panel.set(xticks=[], yticks=[])
        row[0].set_ylabel("one z2", fontsize=9)
    figure.savefig(path, facecolor="white")
    plt.close(figure)


def decoded(model: LatentVariableModel, z2: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Mean grey levels (B, 64) from z2 (B, D) and the noise of z1 (B, D), the number for each pixel that is drawn."""

    def source(level: str, p: torch.distributions.Distribution, state: torch.Tensor | None) -> torch.Tensor:
        return z2 if level == "z2" else p.base_dist.loc + p.base_dist.scale * noise

    return model.ancestral_pass(source, len(z2)).mean.flatten(1)


def main() -> None:
    """Write every script, and the pictures that stand in for them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        path = FOLDER / f"{name}.js"
        path.write_text(export(name), encoding="utf-8")
        still(name, FOLDER / f"{name}.png")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
