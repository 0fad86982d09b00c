"""Where the training of a density begins: every level as the mixture that EM finds for its positions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hvae_ref.data import source_of
from hvae_ref.data.batch import dtype_of
from hvae_ref.features.density.em import fit_mixture
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.features.density.kmeans import Reservoir
from hvae_ref.features.validation import checked_features, feature_vectors


def init_from_em(
    density: FeatureDensity,
    features: Any,  # noqa: ANN401  (see `hvae_ref.data.source_of`)
    rows: int = 50_000,
    batch_size: int = 16,
    seed: int = 0,
) -> dict[str, float]:
    """Set every level to the mixture that EM finds for its positions, whatever the other levels are.

    Args:
        density: changed in place.
        features: maps (N, D, H, W) by level, or anything that can be iterated over again for batches of them.
        rows: at most so many positions of each level, drawn evenly, that EM sees.
        batch_size: examples read at once; a stream has its own.
        seed: of the rows and of EM. The caller's random state is left alone.

    Returns:
        By level, the mean −log p of the rows that EM saw, in nats.

    Raises:
        ValueError: where the features do not fit.
    """
    vectors, _ = sampled_vectors(density, features, rows, batch_size, seed)
    return init_from_vectors(density, vectors, seed)


def sampled_vectors(
    density: FeatureDensity,
    features: Any,  # noqa: ANN401
    rows: int,
    batch_size: int,
    seed: int,
) -> tuple[dict[str, Tensor], int]:
    """Feature vectors (n, D) of each level, n ≤ rows, drawn evenly from all positions; and the number of batches read.

    Raises:
        ValueError: as `init_from_em`.
    """
    if rows < 1:
        raise ValueError(f"rows: expected at least 1, got {rows}")
    like, batches = next(density.parameters()), 0
    reservoirs = {level: Reservoir(rows, torch.Generator().manual_seed(seed)) for level in density.levels}
    for share in source_of("features", features, dtype_of(density)).shares(batch_size, seed):
        batches += 1
        for level, f in checked_features(share.batch, density.dims, like).items():
            reservoirs[level].add(feature_vectors(f))
    return {level: reservoir.kept for level, reservoir in reservoirs.items()}, batches


def init_from_vectors(density: FeatureDensity, vectors: Mapping[str, Tensor], seed: int = 0) -> dict[str, float]:
    """Set every level to the mixture that EM finds for its vectors (n, D); their mean −log p by level, nats."""
    fits = {
        level: fit_mixture(rows, density.components[level], seed=seed, min_scale=density.min_scale(level))
        for level, rows in vectors.items()
    }
    density.init_from_mixtures({level: fit.mixture for level, fit in fits.items()}, vectors)
    return {level: -fit.log_likelihood for level, fit in fits.items()}


def mean_nll(density: FeatureDensity, features: Any, batch_size: int = 16) -> dict[str, float]:  # noqa: ANN401
    """Mean −log p over all positions of each level, in nats; arguments as for `init_from_em`."""
    totals, counts = dict.fromkeys(density.levels, 0.0), dict.fromkeys(density.levels, 0)
    shares = source_of("validation", features, dtype_of(density)).shares(batch_size)
    for maps in density.stream(share.batch for share in shares):
        for level, log_p in maps.items():
            totals[level] -= log_p.double().sum().item()
            counts[level] += log_p.numel()
    return {level: totals[level] / counts[level] for level in density.levels}
