"""How much each latent of a conditional model is used: by the encoder, and by the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvae_ref.elbo import analytic_kl_or_sample
from hvae_ref.evaluation.conditions import batches, given
from hvae_ref.evaluation.information import ACTIVE_VARIANCE
from hvae_ref.nn.eval_mode import eval_mode


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


def posterior_means(
    model: nn.Module, x: Tensor, condition: Tensor | None = None, batch_size: int = 1000
) -> dict[str, Tensor]:
    """E_q[z|x, c] of every level.

    Args:
        model: with `encode`.
        x: (N, *shape).
        condition: (N, …), or (1, …) for all rows; None for a model without one.
        batch_size: rows at once.

    Returns:
        One (N, *shape) tensor a level.

    Raises:
        ValueError: where x and condition differ in rows.
    """
    with eval_mode(model):
        parts = [
            {level: q.mean for level, q in model.encode(rows, **beside).items()}
            for rows, beside in batches(x, condition, batch_size)
        ]
    return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}


def posterior_samples(
    model: nn.Module, x: Tensor, condition: Tensor | None = None, seed: int = 0, batch_size: int = 1000
) -> dict[str, Tensor]:
    """One z ~ q(z|x, c) of every level and example: what the decoder is given while training.

    A level that has all but collapsed still has means that differ in some far digit, and a probe, which brings every
    code to unit variance, reads them as well as any. In samples they drown, as they do for the decoder.

    Args:
        model: with `encode`.
        x: (N, *shape).
        condition: (N, …), or (1, …) for all rows; None for a model without one.
        seed: of the draws.
        batch_size: rows at once.

    Returns:
        One (N, *shape) tensor a level.

    Raises:
        ValueError: where x and condition differ in rows.
    """
    with eval_mode(model, seed):
        parts = [
            {level: q.sample() for level, q in model.encode(rows, **beside).items()}
            for rows, beside in batches(x, condition, batch_size)
        ]
    return {level: torch.cat([part[level] for part in parts]) for level in parts[0]}


def utilisation(
    model: nn.Module,
    x: Tensor,
    condition: Tensor | None = None,
    threshold: float = ACTIVE_VARIANCE,
    seed: int = 0,
) -> dict[str, LevelUse]:
    """Use of each level, top to bottom, over the given examples.

    Active units say that the encoder *writes* something into a level, the KL how much; only `effect` says that the
    decoder reads it.

    Args:
        model: with `infer`, `encode`, `decode` and `sample_latents`.
        x: (N, *shape), at least two rows.
        condition: (N, …), or (1, …) for all rows; None for a model without one.
        threshold: variance above which a unit is active.
        seed: of the draws from the prior.

    Raises:
        ValueError: with fewer than two rows.
    """
    if len(x) < 2:
        raise ValueError(f"x: expected at least 2 rows, got {len(x)}")
    beside = given(condition, len(x))
    means = posterior_means(model, x, condition)
    result = {}
    with eval_mode(model, seed):
        latents = model.infer(x, **beside).latents
        prior = model.sample_latents(len(x), **beside)
        whole = model.decode(means, **beside).mean
        for level in model.levels:
            changed = model.decode({**means, level: prior[level]}, **beside).mean
            variance = means[level].var(0)
            result[level] = LevelUse(
                variance=variance.tolist(),
                active=int((variance > threshold).sum()),
                kl=analytic_kl_or_sample(latents[level]).nats.mean().item(),
                effect=(changed - whole).square().mean().sqrt().item(),
            )
    return result
