"""Fitting a density over a pyramid: EM for every level alone, then gradients for what other positions tell."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvae_ref.features.density.em import fit_mixture
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.kmeans import Reservoir
from hvae_ref.features.validation import checked_features, feature_vectors

Features = Mapping[str, Tensor]

MAX_NORM = 10.0
"""Bound on the norm of the gradient of levels learned together: one strange position must not throw them out."""


@dataclass(frozen=True)
class DensityEpoch:
    """Mean −log p of a position, in nats, for each level.

    Attributes:
        epoch: 0 is the start, the unconditioned mixtures.
        train: over the positions that the epoch drew, while weights were changing; at epoch 0 over those EM saw.
        validation: over all positions of the validation features, after the epoch; empty without them.
    """

    epoch: int
    train: dict[str, float]
    validation: dict[str, float]


def fit_density(
    density: FeatureDensity,
    features: Features | Iterable[Features],
    validation: Features | Iterable[Features] | None = None,
    *,
    epochs: int = 30,
    batch_size: int = 16,
    positions: int = 512,
    learning_rate: float = 2e-3,
    rows: int = 50_000,
    seed: int = 0,
) -> list[DensityEpoch]:
    """Fit all levels by maximum likelihood; the density is changed in place.

    Each level starts as the mixture that EM finds for its positions, whatever others say. A level that stands alone is
    then done. For the others Adam lowers −log p at positions drawn anew for each batch: its mean in a level, summed
    over levels. In a chain the levels have parameters of their own, so the sum fits each as if alone. In a graph they
    share the nets of the messages, and each level counts the same, however many positions it has. With validation
    features the levels that are learned together end with the weights of their best epoch, the start among them: what
    tells nothing then does no harm.

    Args:
        density: with the levels of the features.
        features: maps (N, D, H, W); or anything that can be iterated over again and again for batches of them.
        validation: the same, or None.
        epochs: passes over the features.
        batch_size: examples a step; a stream's batches are taken as they come.
        positions: at most so many of each level and example in a step.
        learning_rate: at the start; it falls to zero along half a cosine.
        rows: at most so many positions of each level, drawn evenly, that EM sees.
        seed: of EM, batches and positions. The caller's random state is left alone.

    Returns:
        What each epoch reached, the start first.

    Raises:
        ValueError: where features or an argument do not fit.
        FloatingPointError: where the loss is no longer finite.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1), ("positions", positions, 1), ("rows", rows, 1), ("epochs", epochs, 0)
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    if isinstance(features, Iterator) or isinstance(validation, Iterator):
        raise ValueError("features: expected maps or batches that can be iterated over again, got an iterator")
    learned = density.trainable_groups
    if epochs and not all(any(p.requires_grad for p in part.parameters()) for part in learned.values()):
        raise ValueError("density: expected parameters that can learn, got frozen ones; call its requires_grad_(True)")
    generator = torch.Generator().manual_seed(seed)
    history = [
        DensityEpoch(0, _start(density, features, rows, batch_size, seed), _nll(density, validation, batch_size))
    ]
    if not learned or epochs < 1:
        return history
    best = {} if validation is None else {levels: (0, _copy(part)) for levels, part in learned.items()}
    optimizer = torch.optim.Adam(
        [parameter for part in learned.values() for parameter in part.parameters()], lr=learning_rate
    )
    for epoch in range(1, epochs + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        train = _epoch(density, optimizer, _batches(features, batch_size, generator), positions, generator)
        history.append(DensityEpoch(epoch, train, _nll(density, validation, batch_size)))
        for levels, (best_epoch, _) in best.items():
            now, before = (sum(history[at].validation[level] for level in levels) for at in (epoch, best_epoch))
            if now < before:
                best[levels] = (epoch, _copy(learned[levels]))
    for levels, (_, weights) in best.items():
        learned[levels].load_state_dict(weights)
    return history


def _start(
    density: FeatureDensity, features: Features | Iterable[Features], rows: int, batch_size: int, seed: int
) -> dict[str, float]:
    """Give every level its unconditioned mixture; mean −log p of the rows that it was fitted on."""
    reservoirs = {level: Reservoir(rows, torch.Generator().manual_seed(seed)) for level in density.levels}
    like = next(density.parameters())
    for batch in _batches(features, batch_size):
        for level, f in checked_features(batch, density.dims, like).items():
            reservoirs[level].add(feature_vectors(f))
    kept = {level: reservoir.kept for level, reservoir in reservoirs.items()}
    fits = {
        level: fit_mixture(seen, density.components[level], seed=seed, min_scale=density.min_scale(level))
        for level, seen in kept.items()
    }
    density.init_from_mixtures({level: fit.mixture for level, fit in fits.items()}, kept)
    return {level: -fit.log_likelihood for level, fit in fits.items()}


def _epoch(
    density: FeatureDensity,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Features],
    positions: int,
    generator: torch.Generator,
) -> dict[str, float]:
    """One pass over the features; mean −log p of the positions that were drawn."""
    learned = [level for levels in density.trainable_groups for level in levels]
    totals, steps = dict.fromkeys(learned, 0.0), 0
    device = next(density.parameters()).device
    for batch in batches:
        places = {level: batch[level].shape[2:].numel() for level in learned}
        index = {
            level: torch.randperm(count, generator=generator)[:positions].to(device) for level, count in places.items()
        }
        losses = {level: -log_p.mean() for level, log_p in density.log_prob(batch, index).items()}
        loss = torch.stack(list(losses.values())).sum()
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is no longer finite: { ({k: v.item() for k, v in losses.items()}) }")
        optimizer.zero_grad()
        loss.backward()
        for part in density.trainable_groups.values():
            torch.nn.utils.clip_grad_norm_(part.parameters(), MAX_NORM)
        optimizer.step()
        steps += 1
        for level, value in losses.items():
            totals[level] += value.item()
    return {level: total / steps for level, total in totals.items()}


def _nll(density: FeatureDensity, features: Features | Iterable[Features] | None, batch_size: int) -> dict[str, float]:
    """Mean −log p over all positions of each level; empty without features."""
    totals, counts = dict.fromkeys(density.levels, 0.0), dict.fromkeys(density.levels, 0)
    if features is None:
        return {}
    for maps in density.stream(_batches(features, batch_size)):
        for level, log_p in maps.items():
            totals[level] -= log_p.double().sum().item()
            counts[level] += log_p.numel()
    if not all(counts.values()):
        raise ValueError("validation: expected at least one example, got none")
    return {level: totals[level] / counts[level] for level in density.levels}


def _batches(
    features: Features | Iterable[Features], batch_size: int, generator: torch.Generator | None = None
) -> Iterator[Features]:
    """Batches of maps, in random order where a generator is given; those of a stream as they come."""
    if not isinstance(features, Mapping):
        yield from features
        return
    counts = {level: len(f) for level, f in features.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"features: expected as many examples on every level, got {counts}")
    n = next(iter(counts.values()), 0)
    order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
    for index in order.split(batch_size):
        yield {level: f[index.to(f.device)] for level, f in features.items()}


def _copy(part: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(part.state_dict())
