"""Exercise 7.7: how often does the foreign pixel score higher?

Asked for is the pixel AUROC of scores and masks (B, H, W) over the pixels of all images; a tie counts one half.

The wrong answers, and the exercise itself, follow in `ex7_area_under_the_curve_wrong.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.inputs import normal, size

_SECTION = "What does not belong?"
Area = Callable[[Tensor, Tensor], Tensor]


def _pairs(scores: Tensor, masks: Tensor, tie: float = 0.5) -> Tensor:
    """Share of the pairs in which the anomalous pixel scores higher."""
    foreign, normal_ = scores[masks], scores[~masks]
    difference = foreign[:, None] - normal_
    return ((difference > 0).double() + tie * (difference == 0).double()).mean()


def _auroc(scores: Tensor, masks: Tensor) -> Tensor:
    return _pairs(scores, masks)


def _scores_and_masks(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    images, height, width = size(rng), int(rng.integers(3, 10)), int(rng.integers(3, 10))
    masks = torch.zeros(images, height, width, dtype=torch.bool)
    for mask in masks[: max(1, images - int(rng.integers(3)))]:  # some images have no foreign pixel
        top, left = rng.integers(height - 1), rng.integers(width - 1)
        mask[top : top + rng.integers(1, height), left : left + rng.integers(1, width)] = True
    masks[0, -1, -1] = False
    scores = normal(rng, images, height, width, dtype=torch.float64) + float(rng.uniform(0, 2)) * masks
    scores = 3 * scores + normal(rng, images, 1, 1, scale=4, dtype=torch.float64)
    if rng.random() < 0.5:  # enlarged maps have many equal scores
        scores = (scores / float(rng.choice([1.0, 4.0]))).round()
    order = torch.as_tensor(rng.permutation(images))
    return scores[order], masks[order]


def _after(change: Callable[[Tensor], Tensor]) -> Area:
    """The area of scores (B, P) that were changed image by image."""

    def auroc(scores: Tensor, masks: Tensor) -> Tensor:
        return _pairs(change(scores.flatten(1)), masks.flatten(1))

    return auroc


def _edges() -> list[tuple[Tensor, Tensor]]:
    """One foreign pixel, one normal one; nothing but ties; scores 1e-9 apart, and of ±10⁶; many pixels; float32."""
    rng = np.random.default_rng(77)
    scores = normal(rng, 2, 6, 7, dtype=torch.float64)
    masks = torch.as_tensor(rng.random((2, 6, 7)) < 0.3)
    one = torch.zeros_like(masks)
    one[1, 2, 3] = True
    large = normal(rng, 1, 40, 50, dtype=torch.float64)
    return [
        (scores, one),
        (scores, ~one),
        (0 * scores + 3, masks),
        (scores.sign(), masks),
        (1 + 1e-9 * scores, masks),
        (1e6 * scores - 3e6, masks),
        (masks.double() - 5, masks),
        (-masks.double(), masks),
        (scores.exp() ** 5, masks),
        (large, large + normal(rng, 1, 40, 50, dtype=torch.float64) > 1),
        (scores[:1, :1, :2], torch.tensor([[[True, False]]])),
        (scores.float(), masks),
        (normal(rng, 140, 2, 2, dtype=torch.float64), torch.as_tensor(rng.random((140, 2, 2)) < 0.1)),
    ]
