"""Exercise of chapter 7 on the area under the curve of all pixels: 7.7."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae_ref.exercises.engine.exercise import Exercise, Misconception
from hvae_ref.exercises.engine.inputs import normal, size

_BELONGS = "What does not belong?"

Area = Callable[[Tensor, Tensor], Tensor]

_THRESHOLDS: dict[str, Callable[[Tensor], Tensor]] = {
    "their mean": Tensor.mean,
    "their median": Tensor.median,
    "0.5": lambda scores: scores.new_tensor(0.5),
    "0": lambda scores: scores.new_tensor(0.0),
}


def _scores_and_masks(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    images, height, width = size(rng), int(rng.integers(3, 10)), int(rng.integers(3, 10))
    masks = torch.zeros(images, height, width, dtype=torch.bool)
    for mask in masks[: max(1, images - int(rng.integers(3)))]:  # some images have nothing foreign in them
        top, left = rng.integers(height - 1), rng.integers(width - 1)
        mask[top : top + rng.integers(1, height), left : left + rng.integers(1, width)] = True
    masks[0, -1, -1] = False
    scores = normal(rng, images, height, width, dtype=torch.float64) + float(rng.uniform(0, 2)) * masks
    scores = 3 * scores + normal(rng, images, 1, 1, scale=4, dtype=torch.float64)
    if rng.random() < 0.5:  # maps that were enlarged from coarse ones hold every score many times
        scores = (scores / float(rng.choice([1.0, 4.0]))).round()
    order = torch.as_tensor(rng.permutation(images))
    return scores[order], masks[order]


def _pairs(scores: Tensor, masks: Tensor, tie: float = 0.5) -> Tensor:
    """Share of the pairs in which the anomalous pixel scores higher."""
    foreign, normal_ = scores[masks], scores[~masks]
    difference = foreign[:, None] - normal_
    return ((difference > 0).double() + tie * (difference == 0).double()).mean()


def _auroc(scores: Tensor, masks: Tensor) -> Tensor:
    return _pairs(scores, masks)


def _pairs_with_ties_won(scores: Tensor, masks: Tensor) -> Tensor:
    return _pairs(scores, masks, tie=1.0)


def _pairs_with_ties_lost(scores: Tensor, masks: Tensor) -> Tensor:
    return _pairs(scores, masks, tie=0.0)


def _reversed(scores: Tensor, masks: Tensor) -> Tensor:
    return _pairs(-scores, masks)


def _never_below_a_half(scores: Tensor, masks: Tensor) -> Tensor:
    area = _pairs(scores, masks)
    return torch.maximum(area, 1 - area)


def _mixed(masks: Tensor) -> Tensor:
    """Which images hold both kinds of pixels."""
    return masks.flatten(1).any(1) & ~masks.flatten(1).all(1)


def _by_image(scores: Tensor, masks: Tensor, otherwise: float | None = None) -> Tensor:
    both = _mixed(masks)
    areas = [_pairs(s, m) for s, m, mixed in zip(scores, masks, both, strict=True) if mixed]
    areas += [] if otherwise is None else [scores.new_tensor(otherwise)] * int((~both).sum())
    return torch.stack(areas).mean() if areas else scores.new_tensor(0.5)


def _by_image_with_half_for_others(scores: Tensor, masks: Tensor) -> Tensor:
    return _by_image(scores, masks, otherwise=0.5)


def _by_image_with_nothing_for_others(scores: Tensor, masks: Tensor) -> Tensor:
    return _by_image(scores, masks, otherwise=0.0)


def _by_image_with_nan_for_others(scores: Tensor, masks: Tensor) -> Tensor:
    return _by_image(scores, masks, otherwise=float("nan"))


def _after(change: Callable[[Tensor], Tensor]) -> Area:
    """The area of scores (B, P) that were changed image by image."""

    def auroc(scores: Tensor, masks: Tensor) -> Tensor:
        return _pairs(change(scores.flatten(1)), masks.flatten(1))

    return auroc


def _to_unit_range(scores: Tensor) -> Tensor:
    low, high = scores.amin(1, keepdim=True), scores.amax(1, keepdim=True)
    return (scores - low) / torch.where(high > low, high - low, 1)


def _standardised(scores: Tensor) -> Tensor:
    spread = scores.std(1, keepdim=True, unbiased=False)
    return (scores - scores.mean(1, keepdim=True)) / torch.where(spread > 0, spread, 1)


def _split_at(threshold: Callable[[Tensor], Tensor]) -> Area:
    """The area of decisions: scores above a threshold, or not."""

    def auroc(scores: Tensor, masks: Tensor) -> Tensor:
        return _pairs((scores > threshold(scores)).double(), masks)

    return auroc


def _accuracy_at(threshold: Callable[[Tensor], Tensor]) -> Area:
    def auroc(scores: Tensor, masks: Tensor) -> Tensor:
        return ((scores > threshold(scores)) == masks).double().mean()

    return auroc


def _by_ranks(scores: Tensor, masks: Tensor, ranks: Tensor, first: int) -> Tensor:
    """The area from the ranks of all pixels, of which the lowest is taken for `first`."""
    foreign = int(masks.sum())
    above = ranks[masks.flatten()].double().sum() - foreign * (foreign - 1) / 2 - first * foreign
    return above / (foreign * (masks.numel() - foreign))


def _ranks_by_place(descending: bool, stable: bool) -> Area:
    """Equal scores ranked in the order that a sort happens to leave them in."""

    def auroc(scores: Tensor, masks: Tensor) -> Tensor:
        ranks = scores.flatten().argsort(descending=descending, stable=stable).argsort()
        return _by_ranks(scores, masks, masks.numel() - 1 - ranks if descending else ranks, first=0)

    return auroc


def _middle_ranks(scores: Tensor) -> Tensor:
    """Ranks from 1 on, with the mean of their ranks for equal scores."""
    _, place, counts = scores.flatten().unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2)[place]


def _ranks_from_zero(scores: Tensor, masks: Tensor) -> Tensor:
    return _by_ranks(scores, masks, _middle_ranks(scores) - 1, first=1)


def _ranks_from_one(scores: Tensor, masks: Tensor) -> Tensor:
    return _by_ranks(scores, masks, _middle_ranks(scores), first=0)


def _ranks_without_gaps(scores: Tensor, masks: Tensor) -> Tensor:
    return _by_ranks(scores, masks, scores.flatten().unique(return_inverse=True)[1] + 1, first=1)


def _curve_without_its_beginning(scores: Tensor, masks: Tensor) -> Tensor:
    chosen = scores.flatten() >= scores.flatten().unique().flip(0)[:, None]
    hits, alarms = ((chosen & kind.flatten()).double().sum(1) / kind.sum() for kind in (masks, ~masks))
    return torch.trapezoid(hits, alarms)


def _of_images(scores: Tensor, masks: Tensor) -> Tensor:
    return _pairs(scores.flatten(1).amax(1), masks.flatten(1).any(1))


def _share_of_all_pairs(scores: Tensor, masks: Tensor) -> Tensor:
    foreign = masks.sum()
    return _pairs(scores, masks) * foreign * (masks.numel() - foreign) / masks.numel() ** 2


def _average_precision(scores: Tensor, masks: Tensor) -> Tensor:
    """Σ (recall gained at a threshold) · (precision there), over the distinct scores."""
    values = scores.flatten().unique().flip(0)
    chosen = scores.flatten() >= values[:, None]
    hits = (chosen & masks.flatten()).double().sum(1)
    recall = hits / masks.sum()
    return (torch.diff(recall, prepend=recall.new_zeros(1)) * hits / chosen.sum(1)).sum()


ON_THE_AREA: tuple[Exercise, ...] = (
    Exercise(
        id="7.7",
        title="How often does the foreign pixel score higher?",
        kind="implement",
        section=_BELONGS,
        reference=_auroc,
        inputs=_scores_and_masks,
        misconceptions=(
            Misconception(
                "D7",
                _pairs_with_ties_won,
                "Ties count as won. A map that gives every pixel the same score would then have an area of one.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _pairs_with_ties_lost,
                "Ties count as lost. A map that gives every pixel the same score would then be as bad as one that is "
                "always wrong; it knows nothing, and that is a half.",
                _BELONGS,
            ),
            *(
                Misconception(
                    "D7",
                    _ranks_by_place(descending, stable),
                    "Equal scores are ranked in the order that the sort leaves them in, one after the other. Turn the "
                    "image upside down, and the area is another one. What rank is fair to all that are equal?",
                    _BELONGS,
                )
                for descending in (False, True)
                for stable in (False, True)
            ),
            Misconception(
                "D7",
                _curve_without_its_beginning,
                "The curve begins at the highest score. What lies between the point (0, 0), where nothing is called "
                "foreign, and that one is missing from its area.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _ranks_without_gaps,
                "Equal scores share one rank, and the next score gets the next whole number: three pixels have used "
                "up one rank. The sum no longer counts pairs.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _reversed,
                "A half would become the same, and 0.9 is 0.1: this counts pairs in which the *normal* pixel scores "
                "higher. High scores say that something does not belong.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _never_below_a_half,
                "Areas below a half are turned round. A score that is systematically wrong should look wrong: with "
                "the masks one could always choose the better sign.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _by_image,
                "This is an area for each image, averaged. It forgives a score that calls one whole image stranger "
                "than another, and images without a foreign pixel have no area at all. Pool all pixels.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _by_image_with_half_for_others,
                "This is an area for each image, averaged, with a half where an image has none. Pool all pixels: then "
                "there is nothing to make up.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _by_image_with_nothing_for_others,
                "This is an area for each image, averaged, with 0 where an image has none. Pool all pixels: then there "
                "is nothing to make up.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _by_image_with_nan_for_others,
                "This is an area for each image, averaged, and an image with one kind of pixels has none: NaN. Pool "
                "all pixels, and the question does not arise.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _of_images,
                "This judges whole images by their highest score. Asked for are pixels: where is what does not belong?",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _after(lambda scores: scores - scores.mean(1, keepdim=True)),
                "Each image's scores are centred by their own mean. An image that is strange throughout would then "
                "look ordinary; equation 7.10 uses the mean and spread of *normal* crops.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _after(_to_unit_range),
                "Each image's scores are stretched to 0 … 1 first. The strangest pixel of an image without anything "
                "foreign then scores as high as the strangest of all.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _after(_standardised),
                "Each image's scores are standardised by their own mean and spread. An image that is strange "
                "throughout would then look ordinary; equation 7.10 uses the mean and spread of *normal* crops.",
                _BELONGS,
            ),
            *(
                Misconception(
                    "D7",
                    _split_at(threshold),
                    f"The scores are cut at {name}, and this is the area of the decisions. An area is over all "
                    "thresholds; that is its point.",
                    _BELONGS,
                )
                for name, threshold in _THRESHOLDS.items()
            ),
            *(
                Misconception(
                    "D7",
                    _accuracy_at(threshold),
                    f"This is the share of pixels that are right when the scores are cut at {name}. Where few pixels "
                    "are foreign, calling none of them foreign is nearly always right.",
                    _BELONGS,
                )
                for name, threshold in _THRESHOLDS.items()
            ),
            Misconception(
                "D7",
                _ranks_from_zero,
                "The ranks begin at 0, and what is taken away is for ranks that begin at 1.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _ranks_from_one,
                "The ranks begin at 1, and what is taken away is for ranks that begin at 0: even with all foreign "
                "pixels at the very top the area is above one.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _share_of_all_pairs,
                "The pairs won are divided by all pairs of pixels. Only those of one foreign and one normal pixel are "
                "contests.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                lambda scores, masks: 0.5,
                "A half, whatever the scores: that is the area of a map that knows nothing.",
                _BELONGS,
            ),
            Misconception(
                "D7",
                _average_precision,
                "This is the average precision. It depends on how many pixels are foreign; the area asked for does "
                "not.",
                _BELONGS,
            ),
        ),
    ),
)
