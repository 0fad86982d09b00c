"""What each level knows of x: active units, and the mutual information under the posterior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.evaluation.conditions import batches, given, spheres_of
from hvae_ref.nn.eval_mode import eval_mode

ACTIVE_VARIANCE = 0.01
"""Burda's threshold on Var_x(E_q[z_u|x]); the variances of units in use and idle ones lie decades apart."""


def posterior_mean_variance(
    model: nn.Module,
    x: Tensor,
    paths: int = 8,
    batch_size: int = 1000,
    seed: int = 0,
    condition: Tensor | None = None,
) -> dict[str, Tensor]:
    """Var_x(E_q[z_u|x]) of every unit u of every level.

    `encode` gives a level's posterior along one sampled path of the levels it depends on, so E_q[z_u|x] is
    an average over paths. The spread over paths inflates the variance of that average by s²/paths; it is
    measured and subtracted, which makes the estimate unbiased. (An idle unit's value may come out slightly
    negative.)

    Args:
        model: with `encode(x) -> dict[str, Distribution]`.
        x: (N, *shape), at least two rows.
        paths: sampled paths an example, at least 2.
        batch_size: rows encoded at once.
        seed: of the paths.
        condition: (N, …) or (1, …), for a model whose `encode` takes one.

    Returns:
        One tensor of the event shape a level, in the level's own units, squared.

    Raises:
        ValueError: with fewer than two rows or paths.
    """
    if len(x) < 2 or paths < 2:
        raise ValueError(f"x, paths: expected at least 2 rows and 2 paths, got {len(x)} and {paths}")
    means: dict[str, list[Tensor]] = {}
    within: dict[str, list[Tensor]] = {}
    with eval_mode(model, seed):
        for rows, beside in batches(x, condition, batch_size):
            drawn = [model.encode(rows, **beside) for _ in range(paths)]
            for level in drawn[0]:
                path_means = torch.stack([q[level].mean for q in drawn])
                means.setdefault(level, []).append(path_means.mean(0))
                within.setdefault(level, []).append(path_means.var(0))
    return {level: torch.cat(parts).var(0) - torch.cat(within[level]).mean(0) / paths for level, parts in means.items()}


def active_units(
    model: nn.Module,
    x: Tensor,
    threshold: float = ACTIVE_VARIANCE,
    paths: int = 8,
    batch_size: int = 1000,
    seed: int = 0,
    condition: Tensor | None = None,
) -> dict[str, int]:
    """Number of units a level uses: those whose posterior mean moves with x.

    A_u = Var_x(E_q[z_u|x]) > threshold

    The threshold is relative to a prior variance of 1. The m coordinates of a unit vector have 1/m each, so for a level
    on a sphere it is divided by m.

    Args:
        model: with `encode(x) -> dict[str, Distribution]`.
        x: (N, *shape).
        threshold: variance above which a unit counts.
        paths: sampled paths an example, see `posterior_mean_variance`.
        batch_size: rows encoded at once.
        seed: of the paths.
        condition: (N, …) or (1, …), for a model whose `encode` takes one.

    Returns:
        One count a level.

    Reference:
        Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders, section 4,
        https://arxiv.org/abs/1509.00519
    """
    variance = posterior_mean_variance(model, x, paths, batch_size, seed, condition)
    spheres = spheres_of(model)
    return {
        level: int((value > (threshold / value.shape[-1] if level in spheres else threshold)).sum())
        for level, value in variance.items()
    }


def _pairwise_log_prob(q: Distribution, z: Tensor, rows: int) -> Tensor:
    # (N, d) against a batch of N posteriors: entry (i, j) is log q(z_i|x_j). Split, since it holds N·N·d numbers.
    return torch.cat([q.log_prob(part.unsqueeze(1)) for part in z.split(rows)])


def mutual_information(
    model: nn.Module, x: Tensor, paths: int = 4, seed: int = 0, rows: int = 64, condition: Tensor | None = None
) -> dict[str, float]:
    """I_q(x; z_l) of each level, between the N given examples and their latents.

    I_q = E_i E_{z ~ q(z|x_i)} [log q(z|x_i) − log (1/N) Σ_j q(z|x_j)]

    This is the index-code term of the split  E_x KL(q(z|x) ‖ p(z)) = I_q(x; z) + KL(q(z) ‖ p(z)).  The N
    examples stand for the population, so **no value can exceed log N** (6.9 nats with 1,000), however much z
    knows: near that ceiling read it as "at least". A level that depends on others along a sampled path has
    q(z_l|x) = E[q(z_l|z_other, x)]; the average of `paths` draws stands for it. On average that overstates I,
    less the more paths there are, and never by more than I_q(z_l; z_other|x).

    Args:
        model: with `encode(x) -> dict[str, Distribution]`.
        x: (N, *shape); time and memory grow with N², 1,000 are a good choice.
        paths: draws of the other levels an example.
        seed: of all draws.
        rows: rows of the N × N table computed at once.
        condition: (N, …) or (1, …), for a model whose `encode` takes one. The N examples are then pairs (x, c): what z
            knows of c counts too.

    Returns:
        Nats, one number a level.

    Raises:
        ValueError: with fewer than two rows or without a path.

    Reference:
        Hoffman and Johnson (2016), ELBO surgery: yet another way to carve up the variational evidence lower
        bound,
        http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
    """
    if len(x) < 2 or paths < 1:
        raise ValueError(f"x, paths: expected at least 2 rows and 1 path, got {len(x)} and {paths}")
    result = {}
    with eval_mode(model, seed):
        beside = given(condition, len(x))
        drawn = [model.encode(x, **beside) for _ in range(paths)]
        for level in drawn[0]:
            z = drawn[0][level].sample()
            log_q = torch.stack([_pairwise_log_prob(q[level], z, rows) for q in drawn])
            table = torch.logsumexp(log_q, dim=0) - math.log(paths)
            marginal = torch.logsumexp(table, dim=1) - math.log(len(x))
            result[level] = (table.diagonal() - marginal).mean().item()
    return result
