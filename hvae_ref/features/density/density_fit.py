"""Fitting a density over a pyramid: EM for every level alone, then gradients for what a level says about another."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from hvae_ref.features.density.density_init import init_from_vectors, mean_nll, sampled_vectors
from hvae_ref.features.density.density_step import DensityStep
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.training import History, TrainConfig, fit

MAX_NORM = 10.0
"""Bound on the norm of the gradient of levels that are trained together: one strange position must not decide."""


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
    features: Any,  # noqa: ANN401  (see `hvae_ref.data.source_of`)
    validation: Any = None,  # noqa: ANN401
    *,
    epochs: int = 30,
    batch_size: int = 16,
    positions: int = 512,
    learning_rate: float = 2e-3,
    rows: int = 50_000,
    seed: int = 0,
) -> list[DensityEpoch]:
    """Fit all levels by maximum likelihood; the density is changed in place.

    `init_from_em` sets each level to the mixture that EM finds for its positions. A level that stands alone is then
    done. The others are trained with `fit` and a `DensityStep`, one run for each of the density's `trainable_groups`:
    in a chain levels have parameters of their own, so each has its own run; in a graph all levels share the nets of the
    messages and are trained together. With validation features a group ends with the weights of its best epoch, the
    start among them, so that a neighbour that says nothing does no harm.

    Args:
        density: with the levels of the features.
        features: maps (N, D, H, W) by level; or anything that can be iterated over again and again for batches of them.
            It is read once for EM, and once an epoch for every group.
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
        NonFiniteLoss: where the loss is no longer finite.
    """
    for name, value, least in (("batch_size", batch_size, 1), ("epochs", epochs, 0)):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    DensityStep(positions=positions)
    groups = density.trainable_groups
    if epochs and not all(any(p.requires_grad for p in part.parameters()) for part in groups.values()):
        raise ValueError("density: expected parameters that can learn, got frozen ones; call its requires_grad_(True)")
    vectors, steps = sampled_vectors(density, features, rows, batch_size, seed)
    train = init_from_vectors(density, vectors, seed)
    held_out = {} if validation is None else mean_nll(density, validation, batch_size)
    start = DensityEpoch(0, train, held_out)
    if not groups or not epochs:
        return [start]
    config = TrainConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule="cosine",
        gradient_clip=MAX_NORM,
        patience=None if validation is None else epochs,
        steps_per_epoch=steps,
        seed=seed,
        progress=False,
    )
    runs: list[History] = []
    for levels, part in groups.items():
        before = copy.deepcopy(part.state_dict())
        run = fit(density, features, validation, step=DensityStep(levels, positions), config=config)
        if validation is not None:
            best = min(record.validation.value("loss") for record in run.epochs)
            if not best < sum(held_out[level] for level in levels):
                part.load_state_dict(before)
        runs.append(run)
    return [start, *(_epoch(number, runs, held_out) for number in range(epochs))]


def _epoch(number: int, runs: list[History], held_out: dict[str, float]) -> DensityEpoch:
    """What the runs of all groups reached in one epoch."""
    train: dict[str, float] = {}
    validation = dict(held_out)
    for record in (run.epochs[number] for run in runs):
        train |= record.train.terms
        if record.validation is not None:
            validation |= {level: nll for level, nll in record.validation.terms.items() if level in held_out}
    return DensityEpoch(number + 1, train, validation)
