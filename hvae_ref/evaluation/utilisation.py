"""How much each latent of a conditional model is used: by the encoder, and by the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvae_ref.elbo import analytic_kl_or_sample
from hvae_ref.evaluation.conditions import batches, rows_of
from hvae_ref.evaluation.information import ACTIVE_VARIANCE
from hvae_ref.evaluation.quiet import quiet


@dataclass(frozen=True)
class LevelUse:
    """How one level is used.

    Attributes:
        variance: Var over examples of each unit's posterior mean, a list of d; its mean is what TensorBoard shows.
        active: units with a variance above 0.01.
        kl: mean KL(q ‖ p) of the level, nats an example.
        effect: root mean square change of E[x|z, c], in the unit of x, when this level alone is drawn from its prior
            instead: 0 for a level that the decoder ignores, whatever its encoder says.
    """

    variance: list[float]
    active: int
    kl: float
    effect: float


def posterior_means(model: nn.Module, x: Tensor, condition: Tensor, batch_size: int = 1000) -> dict[str, Tensor]:
    """E_q[z|x, c] of every level.

    Args:
        model: with `encode(x, condition)`.
        x: (N, D).
        condition: (N, C), or (1, C) for all rows.
        batch_size: rows at once.

    Returns:
        One (N, d) tensor a level.

    Raises:
        ValueError: where x and condition differ in rows.
    """
    with quiet(model):
        parts = [
            {level: q.mean for level, q in model.encode(*rows).items()} for rows in batches(x, condition, batch_size)
        ]
    return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}


def posterior_samples(
    model: nn.Module, x: Tensor, condition: Tensor, seed: int = 0, batch_size: int = 1000
) -> dict[str, Tensor]:
    """One z ~ q(z|x, c) of every level and example: what the decoder is given while training.

    A level that has all but collapsed still has means that differ in some far digit, and a probe, which brings every
    code to unit variance, reads them as well as any. In samples they drown, as they do for the decoder.

    Args:
        model: with `encode(x, condition)`.
        x: (N, D).
        condition: (N, C), or (1, C) for all rows.
        seed: of the draws.
        batch_size: rows at once.

    Returns:
        One (N, d) tensor a level.

    Raises:
        ValueError: where x and condition differ in rows.
    """
    with quiet(model, seed):
        parts = [
            {level: q.sample() for level, q in model.encode(*rows).items()}
            for rows in batches(x, condition, batch_size)
        ]
    return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}


def utilisation(
    model: nn.Module, x: Tensor, condition: Tensor, threshold: float = ACTIVE_VARIANCE, seed: int = 0
) -> dict[str, LevelUse]:
    """Use of each level, top to bottom, over the given examples.

    Active units say that the encoder *writes* something into a level, the KL how much; only `effect` says that the
    decoder reads it.

    Args:
        model: a conditional model whose levels are independent given x and c.
        x: (N, D), at least two rows.
        condition: (N, C), or (1, C) for all rows.
        threshold: variance above which a unit is active.
        seed: of the draws from the prior.

    Raises:
        ValueError: with fewer than two rows.
    """
    if len(x) < 2:
        raise ValueError(f"x: expected at least 2 rows, got {len(x)}")
    condition = rows_of(condition, len(x))
    means = posterior_means(model, x, condition)
    result = {}
    with quiet(model, seed):
        q = model.encode(x, condition)
        prior = model.sample_latents(len(x))
        whole = model.decode(means, condition).mean
        for level in model.levels:
            changed = model.decode({**means, level: prior[level]}, condition).mean
            variance = means[level].var(0)
            standard = torch.distributions.Independent(
                torch.distributions.Normal(torch.zeros_like(means[level]), torch.ones_like(means[level])), 1
            )
            result[level] = LevelUse(
                variance=variance.tolist(),
                active=int((variance > threshold).sum()),
                kl=analytic_kl_or_sample(q[level], standard, means[level]).mean().item(),
                effect=(changed - whole).square().mean().sqrt().item(),
            )
    return result
