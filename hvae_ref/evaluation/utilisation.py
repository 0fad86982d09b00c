"""How much each latent of a model is used: by the encoder, and by the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvae_ref.evaluation.conditions import batches, on_spheres, spheres_of
from hvae_ref.evaluation.information import ACTIVE_VARIANCE, active_units, posterior_mean_variance
from hvae_ref.nn.eval_mode import eval_mode


@dataclass(frozen=True)
class LevelUse:
    """How one level is used.

    Attributes:
        variance: Var over examples of each unit's posterior mean, a list of its d numbers.
        active: units with a variance above 0.01.
        kl: mean KL(q ‖ p) of the level, nats an example.
        effect: root mean square change of E[x|z, c], in the unit of x, when this level alone is drawn from its prior
            instead: 0 for a level that the decoder ignores, whatever its encoder says.
    """

    variance: list[float]
    active: int
    kl: float
    effect: float


def posterior_means(
    model: nn.Module, x: Tensor, condition: Tensor | None = None, batch_size: int = 1000, seed: int = 0
) -> dict[str, Tensor]:
    """E_q[z|x, c] of every level.

    A level whose posterior depends on other levels is given samples of those. The mean of unit vectors lies inside the
    sphere; for such a level its direction is returned.

    Args:
        model: with `encode`.
        x: (N, *shape).
        condition: (N, …) as the model takes it, or (1, …) for all rows; None for a model without one.
        batch_size: rows at once.
        seed: of the samples of other levels.

    Returns:
        One tensor (N, *shape of the level) a level, top to bottom.

    Raises:
        ValueError: where x and condition differ in rows.
    """
    with eval_mode(model, seed):
        spheres = spheres_of(model)
        parts = [
            {level: on_spheres(q.mean) if level in spheres else q.mean for level, q in model.encode(rows, **c).items()}
            for rows, c in batches(x, condition, batch_size)
        ]
    return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}


def posterior_samples(
    model: nn.Module, x: Tensor, condition: Tensor | None = None, seed: int = 0, batch_size: int = 1000
) -> dict[str, Tensor]:
    """One z ~ q(z|x, c) of every level and example: what the decoder is given while training.

    A level that has all but collapsed still has means that differ in some far digit, and a probe, which brings every
    code to unit variance, reads them as well as any. In samples they drown, as they do for the decoder.

    Args:
        model: with `infer`.
        x: (N, *shape).
        condition: (N, …) as the model takes it, or (1, …) for all rows; None for a model without one.
        seed: of the draws.
        batch_size: rows at once.

    Returns:
        One tensor (N, *shape of the level) a level, top to bottom.

    Raises:
        ValueError: where x and condition differ in rows.
    """
    with eval_mode(model, seed):
        parts = [model.infer(rows, **c).z for rows, c in batches(x, condition, batch_size)]
    return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}


def utilisation(
    model: nn.Module,
    x: Tensor,
    condition: Tensor | None = None,
    threshold: float = ACTIVE_VARIANCE,
    seed: int = 0,
    batch_size: int = 1000,
) -> dict[str, LevelUse]:
    """Use of each level, top to bottom, over the given examples.

    Active units say that the encoder *writes* something into a level, the KL how much; only `effect` says that the
    decoder reads it. For `effect` all levels stand at their posterior means but one, which is drawn from its prior
    given those above it.

    Args:
        model: a `LatentVariableModel`, with a condition or without.
        x: (N, *shape), at least two rows.
        condition: (N, …) as the model takes it, or (1, …) for all rows; None for a model without one.
        threshold: variance above which a unit is active; see `active_units`.
        seed: of all draws.
        batch_size: rows at once.

    Raises:
        ValueError: with fewer than two rows, or where x and condition differ in rows.
    """
    if len(x) < 2:
        raise ValueError(f"x: expected at least 2 rows, got {len(x)}")
    means = posterior_means(model, x, condition=condition, batch_size=batch_size, seed=seed)
    settings = {"batch_size": batch_size, "seed": seed, "condition": condition}
    variance = posterior_mean_variance(model, x, **settings)
    active = active_units(model, x, threshold, **settings)
    kl: dict[str, list[Tensor]] = {level: [] for level in model.levels}
    squares: dict[str, list[Tensor]] = {level: [] for level in model.levels}
    with eval_mode(model, seed):
        for number, (rows, c) in enumerate(batches(x, condition, batch_size)):
            start = number * batch_size
            z = {level: mean[start : start + len(rows)] for level, mean in means.items()}
            whole = model.decode(z, **c).mean
            for level, nats in model.elbo(rows, **c).kl.items():
                kl[level].append(nats)
            above: dict[str, Tensor] = {}
            for level in model.levels:
                drawn = model.sample_latents(len(rows), fixed=above, **c)[level]
                squares[level].append((model.decode({**z, level: drawn}, **c).mean - whole).square())
                above[level] = z[level]
    return {
        level: LevelUse(
            variance=variance[level].flatten().tolist(),
            active=active[level],
            kl=torch.cat(kl[level]).mean().item(),
            effect=torch.cat(squares[level]).mean().sqrt().item(),
        )
        for level in model.levels
    }
