"""The command sample: images or evoked responses, drawn from a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hvae_ref.cli.commands.opened import open_run
from hvae_ref.cli.commands.pictures import save_image_grid, save_responses
from hvae_ref.data import Dataset


def sample(
    checkpoint: str,
    out: str,
    n: int,
    temperature: float,
    fix: Sequence[str],
    seed: int,
    condition: str | None = None,
) -> None:
    """Draw images or responses: a picture as PNG, or the draws and their latents as NPZ."""
    target = Path(out)
    if target.suffix not in (".png", ".npz"):
        raise ValueError(f"--out: expected a file ending in .png or .npz, got {out!r}")
    if not target.parent.is_dir():
        raise ValueError(f"--out: expected a file in a folder that exists, got {out!r}")
    if n < 1:
        raise ValueError(f"--n: expected at least 1, got {n}")
    _, _, run = open_run(checkpoint)
    model = run.model.eval()
    unknown = [level for level in fix if level not in model.levels]
    if unknown:
        raise ValueError(f"--fix: expected one of {', '.join(model.levels)}, got {unknown[0]!r}")
    data = run.data("validation")
    given: tuple[Tensor, ...] = ()
    if not isinstance(data, Dataset):
        from hvae_ref.cli.commands.condition import condition_row, in_words

        given = (condition_row(condition, data.condition, model.statics),)
    elif condition is not None:
        raise ValueError(f"--condition: {type(model).__name__} takes none; leave it out")
    torch.manual_seed(seed)
    first = model.sample_latents(1, temperature=temperature)
    latents = model.sample_latents(n, fixed={level: first[level] for level in fix}, temperature=temperature)
    with torch.no_grad():
        p_x = model.decode(latents, *given)
        x, mean = p_x.sample(), p_x.mean
    if given:
        from hvae_ref.abr.data import STATIC_NAMES, time_axis

        words = in_words(given[0], model.statics)
        arrays = {
            "x": x,
            "mean": mean,
            "time_ms": time_axis(),
            "condition": given[0][0],
            "statics": np.array(STATIC_NAMES),
        }
        _write(target, lambda file: save_responses(file, x, mean, words), arrays | latents)
        print(f"{n} responses under {words} written to {target}")
    else:
        grid = x.reshape(n, *data.image_shape).numpy()
        _write(target, lambda file: save_image_grid(file, grid, model.num_values), {"x": grid} | latents)
        print(f"{n} images written to {target}")


def _write(target: Path, draw: Callable[[Path], None], arrays: Mapping[str, Tensor | np.ndarray]) -> None:
    """Draw a PNG or save an NPZ, in one piece or not at all."""
    temporary = target.with_name(f".{target.name}.tmp{target.suffix}")
    try:
        if target.suffix == ".png":
            draw(temporary)
        else:
            np.savez(temporary, **{name: np.asarray(value) for name, value in arrays.items()})
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
