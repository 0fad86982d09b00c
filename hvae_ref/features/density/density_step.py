"""The training step of a density over maps: −log p at some positions of each map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from hvae_ref.data import Batch
from hvae_ref.features.density.feature_density import FeatureDensity
from hvae_ref.objectives import TrainingState
from hvae_ref.training import Step, StepResult


class DensityStep(Step):
    """Σ_l mean_i −log p(f_l at i | ·) over levels l and positions i that are drawn anew for each batch.

    Every level counts the same, however many positions it has. The batch holds maps by level. The terms are each
    level's mean −log p of a position, in nats, for each example; in validation over all positions.

    Args:
        levels: which levels are trained; None for all that gradients can improve, those of `trainable_groups`.
        positions: at most so many of each map.

    Raises:
        ValueError: for positions below 1; in a call, for unknown levels and for batches that are not maps by level.

    >>> import torch
    >>> from hvae_ref.features import HierarchicalLatentDensity, init_from_em
    >>> from hvae_ref.training import TrainConfig, fit
    >>> maps = {"level1": torch.randn(20, 4, 8, 8), "level2": torch.randn(20, 6, 4, 4)}
    >>> density = HierarchicalLatentDensity({"level1": 4, "level2": 6}, components=2)
    >>> start = init_from_em(density, maps)
    >>> history = fit(density, maps, step=DensityStep(), config=TrainConfig(epochs=2, batch_size=10, progress=False))
    >>> list(history.last.train.terms)
    ['level1']
    """

    def __init__(self, levels: Sequence[str] | None = None, positions: int = 512) -> None:
        if positions < 1:
            raise ValueError(f"positions: expected at least 1, got {positions}")
        self.levels, self.positions = None if levels is None else tuple(levels), positions

    def __call__(self, model: FeatureDensity, batch: Batch, state: TrainingState) -> StepResult:
        """The loss, and each level's −log p, (B,) nats."""
        maps, index = _maps(batch), {}
        for level in self._levels(model):
            if level not in maps:
                raise ValueError(f"batch: expected a map of {level}, got {', '.join(maps)}")
            f = maps[level]
            index[level] = torch.randperm(f[0, 0].numel(), device=f.device)[: self.positions]
        nll = {level: -log_p.mean(1) for level, log_p in model.log_prob(maps, index).items()}
        return StepResult(torch.stack([value.mean() for value in nll.values()]).sum(), nll)

    def parameters(self, model: FeatureDensity, phase: str) -> Iterable[nn.Parameter]:
        """The parameters of the groups that hold these levels."""
        levels = self._levels(model)
        parts = [part for group, part in model.trainable_groups.items() if set(group) & set(levels)]
        return [parameter for part in parts for parameter in part.parameters()]

    def evaluate(self, model: FeatureDensity, batch: Batch, state: TrainingState) -> Mapping[str, Tensor]:
        """−log p of each level over all positions, (B,) nats, and their sum as "loss"."""
        log_p = model.log_prob(_maps(batch))
        nll = {level: -log_p[level].flatten(1).mean(1) for level in self._levels(model)}
        return nll | {"loss": torch.stack(list(nll.values())).sum(0)}

    def _levels(self, model: FeatureDensity) -> tuple[str, ...]:
        known = tuple(level for group in model.trainable_groups for level in group)
        levels = known if self.levels is None else self.levels
        if not levels or not set(levels) <= set(known):
            raise ValueError(f"levels: expected some of {', '.join(known) or 'no level at all'}, got {levels}")
        return levels


def _maps(batch: Batch) -> Mapping[str, Tensor]:
    if not isinstance(batch, Mapping):
        raise ValueError(f"batch: expected maps by level, got {type(batch).__name__}")
    return batch
