"""Does a model's spread mean what it says? Ranks of observations among the model's draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hvae_ref.data.seeds import EVALUATION_STREAM, derived_seed
from hvae_ref.errors import real_number, whole_number
from hvae_ref.evaluation.intervals import bootstrap_interval
from hvae_ref.nn.eval_mode import eval_mode

LEVELS = (0.5, 0.8, 0.9)


@dataclass(frozen=True)
class Coverage:
    """How often central intervals of a model hold what is observed.

    Attributes:
        nominal: probability that the interval claims.
        observed: share of the observations inside.
        low: lower end of the 95 % interval of `observed`, resampling whole rows (responses).
        high: its upper end.
    """

    nominal: float
    observed: float
    low: float
    high: float


def ranks(draws: Tensor, observed: Tensor, seed: int = 0) -> Tensor:
    """Where each observation lies among draws of the model at its condition, in (0, 1); the PIT.

    u = (#{draws below} + V (1 + #{draws equal})) / (K + 1), V uniform

    If the observation is one more draw of the same distribution, u is exactly uniform, whatever the number of draws.
    NaN among the draws are left out, and the rank of a NaN observation is NaN.

    Args:
        draws: (K, N, …), K draws for each observation.
        observed: (N, …).
        seed: of V, which parts what is equal.

    Returns:
        (N, …) float64.

    Raises:
        ValueError: for shapes that don't fit, or what is no tensor.

    Reference:
        Gneiting, Balabdaoui and Raftery (2007), Probabilistic forecasts, calibration and sharpness,
        https://doi.org/10.1111/j.1467-9868.2007.00587.x
    """
    for name, value in (("draws", draws), ("observed", observed)):
        check_tensor(name, value)
    seed = whole_number("seed", seed, least=0)
    if observed.ndim < 1 or draws.ndim != observed.ndim + 1 or draws.shape[1:] != observed.shape or not len(draws):
        raise ValueError(
            f"draws, observed: expected shapes (K, N, …) and (N, …), got {(*draws.shape,)} and {(*observed.shape,)}"
        )
    below, equal = (draws < observed).sum(0).double(), (draws == observed).sum(0).double()
    count = (~draws.isnan()).sum(0).double()
    generator = torch.Generator().manual_seed(derived_seed(seed, EVALUATION_STREAM, 1))
    uniform = torch.rand(observed.shape, dtype=torch.float64, generator=generator).to(observed.device)
    rank = (below + uniform * (1 + equal)) / (count + 1)
    return torch.where(observed.isnan() | (count == 0), torch.full_like(rank, torch.nan), rank)


def coverage(pit: Tensor, levels: Sequence[float] = LEVELS, seed: int = 0) -> list[Coverage]:
    """Share of the observations inside the central intervals: P(|u − ½| ≤ level / 2)   (book, eq. 6.11).

    The samples of one response lie high or low together; the interval resamples rows, not single samples, and so does
    not take them for independent.

    Args:
        pit: (N,) or (N, T), as `ranks` returns it; NaN are left out.
        levels: nominal probabilities.
        seed: of the resampling.

    Returns:
        One record a level.

    Raises:
        ValueError: for a level outside (0, 1), ranks outside [0, 1], or without an observation.
    """
    check_tensor("pit", pit)
    if not isinstance(levels, Sequence | np.ndarray) or isinstance(levels, str):
        raise ValueError(f"levels: expected a sequence of probabilities such as {LEVELS}, got {levels!r}")
    levels, seed = [real_number("levels", level) for level in levels], whole_number("seed", seed, least=0)
    if any(not 0 < level < 1 for level in levels):
        raise ValueError(f"levels: expected probabilities in (0, 1), got {tuple(levels)}")
    if ((pit < 0) | (pit > 1)).any():
        low, high = (find(pit[~pit.isnan()]) for find in (torch.min, torch.max))
        raise ValueError(f"pit: expected ranks in [0, 1], as `ranks` returns them, got {low:g} to {high:g}")
    if not pit.ndim or not pit.numel():
        raise ValueError("pit: expected at least one observation, got none")
    rows = pit.reshape(len(pit), -1)
    rows = rows[~rows.isnan().all(1)]
    if not len(rows):
        raise ValueError("pit: expected at least one observation, got none")
    known = (~rows.isnan()).double()
    result = []
    for level in levels:
        inside = ((rows - 0.5).abs() <= level / 2).double() * known
        # Every response counts the same, however many of its samples are known.
        share = (inside.sum(1) / known.sum(1)).cpu().numpy()
        low, high = bootstrap_interval(share, seed=seed)
        result.append(Coverage(level, float(np.mean(share)), low, high))
    return result


def check_tensor(name: str, value: object) -> None:
    """Refuse what is no tensor.

    Raises:
        ValueError: naming the argument.
    """
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}; torch.as_tensor makes one")


def conditional_draws(
    model: nn.Module,
    condition: Tensor | None = None,
    draws: int = 100,
    noise: bool = True,
    seed: int = 0,
    batch_size: int = 2000,
) -> Tensor:
    """Draw x from the model, at each condition where it has one.

    Args:
        model: with `sample(n, condition=…)`, and for `noise=False` with `sample_latents` and `decode`.
        condition: (N, …) as the model takes it; None for a model without one, which counts as a single row.
        draws: K, for each row.
        noise: draw x ~ p(x|z, c); False returns E[x|z, c] at drawn z.
        seed: of all draws.
        batch_size: examples at once.

    Returns:
        (K, N, *shape of x).

    Raises:
        ValueError: without a draw or a condition, or for a condition without rows.
    """
    if condition is not None and condition.ndim < 1:
        raise ValueError(f"condition: expected shape (N, …), got {(*condition.shape,)}")
    n = 1 if condition is None else len(condition)
    if draws < 1 or not n:
        raise ValueError(f"draws, condition: expected at least one of each, got {draws} and {n}")
    beside = {} if condition is None else {"condition": condition.repeat(draws, *[1] * (condition.ndim - 1))}
    parts = []
    with eval_mode(model, seed):
        for start in range(0, draws * n, batch_size):
            rows = min(batch_size, draws * n - start)
            given = {name: value[start : start + rows] for name, value in beside.items()}
            if noise:
                parts.append(model.sample(rows, **given))
            else:
                parts.append(model.decode(model.sample_latents(rows, **given), **given).mean)
    return torch.cat(parts).unflatten(0, (draws, n))
