"""How much of x each level carries, read off reconstructions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae_ref.evaluation.conditions import batches
from hvae_ref.nn.eval_mode import eval_mode


def reconstruction_errors(
    model: nn.Module, x: Tensor, batch_size: int = 500, seed: int = 0, condition: Tensor | None = None
) -> dict[tuple[str, ...], float]:
    """Root mean squared error of E[x|z], with more and more levels taken from the posterior.

    The first entry keeps nothing (a draw from the prior), the next keeps the top level alone, the last keeps
    all. The fall from one entry to the next is what a level adds to those above it.

    Args:
        model: with `levels` and `reconstruct(x, keep)`.
        x: (N, D).
        batch_size: rows at once.
        seed: of all draws; each entry starts from it anew.
        condition: (N, C) or (1, C), for a model of p(x|c).

    Returns:
        Grey levels, keyed by the levels kept: (), ("z2",), ("z2", "z1").
    """
    errors = {}
    for kept in range(len(model.levels) + 1):
        keep = tuple(model.levels[:kept])
        with eval_mode(model, seed):
            squares = []
            for rows, beside in batches(x, condition, batch_size):
                squares.append(((model.reconstruct(rows, keep=keep, **beside) - rows) ** 2).double())
        errors[keep] = torch.cat(squares).mean().sqrt().item()
    return errors
