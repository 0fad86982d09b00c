"""The command sample: images or evoked responses, drawn from a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hvae_ref.cli.commands.load_run import load_run
from hvae_ref.cli.commands.pictures import save_image_grid, save_responses
from hvae_ref.data import Dataset
from hvae_ref.models import LatentVariableModel
from hvae_ref.nn import Labels, eval_mode


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
    _, _, run = load_run(checkpoint)
    model, data = run.model, run.data("validation")
    unknown = [level for level in fix if level not in model.levels]
    if unknown:
        raise ValueError(f"--fix: expected one of {', '.join(model.levels)}, got {unknown[0]!r}")
    images = isinstance(data, Dataset)
    if images:
        given, words = _labels(model, condition, n)
    else:
        from hvae_ref.cli.commands.condition import condition_row, in_words

        given = condition_row(condition, data.condition, model.covariates)
        words = f" under {in_words(given, model.covariates)}"
    one, all_of_them = ({}, {}) if given is None else ({"condition": given[:1]}, {"condition": given})
    with eval_mode(model, seed), _overflow_told(temperature):
        first = model.sample_latents(1, temperature=temperature, **one)
        held = {level: first[level] for level in fix}
        latents = model.sample_latents(n, fixed=held, temperature=temperature, **all_of_them)
        p_x = model.decode(latents, **all_of_them)
        x, mean = p_x.sample(), p_x.mean
    if images:
        grid = x.reshape(n, *data.image_shape).numpy()
        arrays = {"x": grid} | latents | ({} if given is None else {"condition": given})
        _write(target, lambda file: save_image_grid(file, grid, data.num_values), arrays)
    else:
        from hvae_ref.abr.data import STATIC_NAMES, time_axis

        arrays = {
            "x": x,
            "mean": mean,
            "time_ms": time_axis(),
            "condition": given[0],
            "statics": np.array(STATIC_NAMES),
        }
        _write(target, lambda file: save_responses(file, x, mean, words.strip()), arrays | latents)
    print(f"{n} {'images' if images else 'responses'}{words} written to {target}")


@contextmanager
def _overflow_told(temperature: float) -> Iterator[None]:
    """Name the temperature where latents are so far out that a net's output, and so a distribution, is not finite."""
    try:
        yield
    except ValueError as error:
        if temperature <= 1 or not str(error).startswith("Expected parameter"):
            raise
        raise ValueError(
            f"--temperature: expected one at which the nets' outputs are finite, got {temperature:g}; try a smaller one"
        ) from error


def _labels(model: LatentVariableModel, text: str | None, n: int) -> tuple[Tensor | None, str]:
    """Labels (n,) of a model that has some, and what to say of them; None for a model without a condition."""
    known = model.observe.condition
    if known is None:
        if text is not None:
            raise ValueError(f"--condition: {type(model).__name__} takes none; leave it out")
        return None, ""
    if not isinstance(known, Labels):
        raise ValueError(f"--condition: no words for {type(known).__name__}; sample from Python, with model.sample")
    if text is None:
        return torch.arange(n) % known.size, f" under the labels 0 … {known.size - 1} in turn"
    name, separator, value = (word.strip() for word in text.partition("="))
    if name != "label" or not separator or not value.isdecimal() or int(value) >= known.size:
        raise ValueError(f"--condition: expected label=0 … label={known.size - 1}, got {text!r}")
    return torch.full((n,), int(value)), f" under label {int(value)}"


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
