"""The training step of a feature decoder: images from random sets of levels, so that it works for each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from hvae_ref.data import Batch, Examples
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.objectives import TrainingState
from hvae_ref.training import Step, StepResult


def level_sets(levels: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All sets of at least one level, small ones first: 2^L − 1 of them.

    >>> level_sets(("fine", "coarse"))
    [('fine',), ('coarse',), ('fine', 'coarse')]
    """
    return [chosen for size in range(1, len(levels) + 1) for chosen in combinations(levels, size)]


def decoder_loss(
    decoded: Float[Tensor, "batch channels height width"],
    images: Float[Tensor, "batch channels height width"],
    edges: float = 1.0,
) -> Float[Tensor, " batch"]:
    r"""mean |x̂ − x| + edges · (mean |∂_y x̂ − ∂_y x| + mean |∂_x x̂ − ∂_x x|), with differences of neighbours for ∂.

    The absolute error asks for medians, which are less blurred than means; the differences ask for edges. Eq. 7.12 in
    the book is its expectation over images and sets of levels.
    """
    error = decoded - images
    loss = error.abs().mean((1, 2, 3))
    for axis in (-2, -1):
        if images.shape[axis] > 1:
            loss = loss + edges * error.diff(dim=axis).abs().mean((1, 2, 3))
    return loss


class DecoderStep(Step):
    """E_S[loss(d(f_S), x)] over images x and random sets S of levels, see `decoder_loss`.

    Each step takes all levels with probability ½, and otherwise a set drawn evenly from all sets that are not empty:
    coarse levels are then trained without the fine ones, and fine ones without the coarse. The batch is `Examples`: x
    holds the images (B, C, H, W), grey ones (B, 1, H, W) for a colour decoder too, and the targets their maps by level.
    The term "error" is the loss of each image; in validation all levels are used.

    Args:
        edges: weight of the differences of neighbouring pixels.

    Raises:
        ValueError: for a weight that is negative or not finite; in a call, for batches without a level of the decoder.

    >>> from hvae_ref.features import FeatureDecoder
    >>> from hvae_ref.training import TrainConfig, fit
    >>> decoder = FeatureDecoder({"level1": 8, "level2": 12}, width=16)
    >>> maps = {"level1": torch.randn(6, 8, 8, 8), "level2": torch.randn(6, 12, 4, 4)}
    >>> data = Examples(torch.rand(6, 3, 32, 32), targets=maps)
    >>> history = fit(decoder, data, step=DecoderStep(), config=TrainConfig(epochs=1, batch_size=3, progress=False))
    >>> list(history.last.train.terms)
    ['error']
    """

    def __init__(self, edges: float = 1.0) -> None:
        if not 0 <= edges < math.inf:
            raise ValueError(f"edges: expected a number of at least 0, got {edges}")
        self.edges = edges

    def __call__(self, model: FeatureDecoder, batch: Batch, state: TrainingState) -> StepResult:
        """The loss for one random set of levels, and that of each image, (B,)."""
        sets = level_sets(model.levels)
        number = int(torch.randint(2 * len(sets), ()))
        loss = self._loss(model, batch, sets[number] if number < len(sets) else model.levels)
        return StepResult(loss.mean(), {"error": loss})

    def evaluate(self, model: FeatureDecoder, batch: Batch, state: TrainingState) -> Mapping[str, Tensor]:
        """The loss of each image from all levels, (B,)."""
        loss = self._loss(model, batch, model.levels)
        return {"error": loss, "loss": loss}

    def _loss(self, model: FeatureDecoder, batch: Batch, levels: tuple[str, ...]) -> Tensor:
        if not isinstance(batch, Examples) or not set(levels) <= set(batch.targets):
            found = list(batch.targets) if isinstance(batch, Examples) else type(batch).__name__
            raise ValueError(f"batch: expected images x with targets {list(model.levels)}, got {found}")
        decoded = model({level: batch.targets[level] for level in levels}, size=tuple(batch.x.shape[2:]))
        return decoder_loss(decoded, batch.x.expand(-1, model.channels, -1, -1), self.edges)
