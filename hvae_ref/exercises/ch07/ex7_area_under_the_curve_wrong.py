"""Wrong answers to exercise 7.7: how often does the foreign pixel score higher?

The reference and the inputs are in `ex7_area_under_the_curve.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hvae_ref.exercises.ch07.ex7_area_under_the_curve import _SECTION, _after, _auroc, _edges, _pairs, _scores_and_masks
from hvae_ref.exercises.engine.exercise import Exercise
from hvae_ref.exercises.engine.misconceptions import Misconceptions

_THRESHOLDS: dict[str, Callable[[Tensor], Tensor]] = {
    "their mean": Tensor.mean,
    "their median": Tensor.median,
    "0.5": lambda scores: scores.new_tensor(0.5),
    "0": lambda scores: scores.new_tensor(0.0),
}

wrong = Misconceptions(_SECTION)


@wrong("D7")
def _pairs_with_ties_won(scores: Tensor, masks: Tensor) -> Tensor:
    """Ties count as won. A map that gives every pixel the same score would then have an area of one."""
    return _pairs(scores, masks, tie=1.0)


@wrong("D7")
def _pairs_with_ties_lost(scores: Tensor, masks: Tensor) -> Tensor:
    """Ties count as lost. A map that gives every pixel the same score would then be as bad as one that is always wrong;
    it knows nothing, and that is a half.
    """
    return _pairs(scores, masks, tie=0.0)


def _by_ranks(scores: Tensor, masks: Tensor, ranks: Tensor, first: int) -> Tensor:
    """The area from the ranks of all pixels, if the lowest rank were `first`."""
    foreign = int(masks.sum())
    above = ranks[masks.flatten()].double().sum() - foreign * (foreign - 1) / 2 - first * foreign
    return above / (foreign * (masks.numel() - foreign))


@wrong("D7", variants=[(descending, stable) for descending in (False, True) for stable in (False, True)])
def _ranks_by_place(scores: Tensor, masks: Tensor, sort: tuple[bool, bool]) -> Tensor:
    """Equal scores are ranked in the order that the sort leaves them in, one after the other. Turn the image upside
    down, and the area is another one. What rank is fair to all that are equal?
    """
    descending, stable = sort
    ranks = scores.flatten().argsort(descending=descending, stable=stable).argsort()
    return _by_ranks(scores, masks, masks.numel() - 1 - ranks if descending else ranks, first=0)


@wrong("D7")
def _curve_without_its_beginning(scores: Tensor, masks: Tensor) -> Tensor:
    """The curve begins at the highest score. What lies between the point (0, 0), where nothing is called foreign, and
    that one is missing from its area.
    """
    chosen = scores.flatten() >= scores.flatten().unique().flip(0)[:, None]
    hits, alarms = ((chosen & kind.flatten()).double().sum(1) / kind.sum() for kind in (masks, ~masks))
    return torch.trapezoid(hits, alarms)


@wrong("D7")
def _ranks_without_gaps(scores: Tensor, masks: Tensor) -> Tensor:
    """Equal scores share one rank, and the next score gets the next whole number: three pixels have used up one rank.
    The sum no longer counts pairs.
    """
    return _by_ranks(scores, masks, scores.flatten().unique(return_inverse=True)[1] + 1, first=1)


@wrong("D7")
def _reversed(scores: Tensor, masks: Tensor) -> Tensor:
    """A half would become the same, and 0.9 is 0.1: this counts pairs in which the *normal* pixel scores higher. High
    scores say that something does not belong.
    """
    return _pairs(-scores, masks)


@wrong("D7")
def _never_below_a_half(scores: Tensor, masks: Tensor) -> Tensor:
    """Areas below a half are turned round. A score that is systematically wrong should look wrong: with the masks one
    could always choose the better sign.
    """
    area = _pairs(scores, masks)
    return torch.maximum(area, 1 - area)


def _mixed(masks: Tensor) -> Tensor:
    """Which images hold both kinds of pixels."""
    return masks.flatten(1).any(1) & ~masks.flatten(1).all(1)


@wrong("D7")
def _by_image(scores: Tensor, masks: Tensor, otherwise: float | None = None) -> Tensor:
    """This is an area for each image, averaged. It forgives a score that calls one whole image stranger than another,
    and images without a foreign pixel have no area at all. Pool all pixels.
    """
    both = _mixed(masks)
    areas = [_pairs(s, m) for s, m, mixed in zip(scores, masks, both, strict=True) if mixed]
    areas += [] if otherwise is None else [scores.new_tensor(otherwise)] * int((~both).sum())
    return torch.stack(areas).mean() if areas else scores.new_tensor(0.5)


@wrong("D7")
def _by_image_with_half_for_others(scores: Tensor, masks: Tensor) -> Tensor:
    """This is an area for each image, averaged, with a half where an image has none. Pool all pixels: then there is
    nothing to make up.
    """
    return _by_image(scores, masks, otherwise=0.5)


@wrong("D7")
def _by_image_with_nothing_for_others(scores: Tensor, masks: Tensor) -> Tensor:
    """This is an area for each image, averaged, with 0 where an image has none. Pool all pixels: then there is nothing
    to make up.
    """
    return _by_image(scores, masks, otherwise=0.0)


@wrong("D7")
def _by_image_with_nan_for_others(scores: Tensor, masks: Tensor) -> Tensor:
    """This is an area for each image, averaged, and an image with one kind of pixels has none: NaN. Pool all pixels,
    and the question does not arise.
    """
    return _by_image(scores, masks, otherwise=float("nan"))


@wrong("D7")
def _of_images(scores: Tensor, masks: Tensor) -> Tensor:
    """This judges whole images by their highest score. Asked for are pixels: where is what does not belong?"""
    return _pairs(scores.flatten(1).amax(1), masks.flatten(1).any(1))


@wrong("D7", into=_after)
def _centred(scores: Tensor) -> Tensor:
    """Each image's scores are centred by their own mean. An image that is strange throughout would then look ordinary;
    equation 7.10 uses the mean and spread of *normal* crops.
    """
    return scores - scores.mean(1, keepdim=True)


@wrong("D7", into=_after)
def _to_unit_range(scores: Tensor) -> Tensor:
    """Each image's scores are stretched to 0 … 1 first. The strangest pixel of an image without anything foreign then
    scores as high as the strangest of all.
    """
    low, high = scores.amin(1, keepdim=True), scores.amax(1, keepdim=True)
    return (scores - low) / torch.where(high > low, high - low, 1)


@wrong("D7", into=_after)
def _standardised(scores: Tensor) -> Tensor:
    """Each image's scores are standardised by their own mean and spread. An image that is strange throughout would then
    look ordinary; equation 7.10 uses the mean and spread of *normal* crops.
    """
    spread = scores.std(1, keepdim=True, unbiased=False)
    return (scores - scores.mean(1, keepdim=True)) / torch.where(spread > 0, spread, 1)


@wrong("D7", variants=_THRESHOLDS)
def _split_at(scores: Tensor, masks: Tensor, threshold: Callable[[Tensor], Tensor]) -> Tensor:
    """The scores are cut at {}, and this is the area of the decisions. An area is over all thresholds; that is its
    point.
    """
    return _pairs((scores > threshold(scores)).double(), masks)


@wrong("D7", variants=_THRESHOLDS)
def _accuracy_at(scores: Tensor, masks: Tensor, threshold: Callable[[Tensor], Tensor]) -> Tensor:
    """This is the share of pixels that are right when the scores are cut at {}. Where few pixels are foreign, calling
    none of them foreign is nearly always right.
    """
    return ((scores > threshold(scores)) == masks).double().mean()


def _middle_ranks(scores: Tensor) -> Tensor:
    """Ranks from 1 on, with the mean of their ranks for equal scores."""
    _, place, counts = scores.flatten().unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2)[place]


@wrong("D7")
def _ranks_from_zero(scores: Tensor, masks: Tensor) -> Tensor:
    """The ranks begin at 0, and what is taken away is for ranks that begin at 1."""
    return _by_ranks(scores, masks, _middle_ranks(scores) - 1, first=1)


@wrong("D7")
def _ranks_from_one(scores: Tensor, masks: Tensor) -> Tensor:
    """The ranks begin at 1, and what is taken away is for ranks that begin at 0: even with all foreign pixels at the
    very top the area is above one.
    """
    return _by_ranks(scores, masks, _middle_ranks(scores), first=0)


@wrong("D7")
def _share_of_all_pairs(scores: Tensor, masks: Tensor) -> Tensor:
    """The pairs won are divided by all pairs of pixels. Only those of one foreign and one normal pixel are contests."""
    foreign = masks.sum()
    return _pairs(scores, masks) * foreign * (masks.numel() - foreign) / masks.numel() ** 2


@wrong("D7")
def _always_a_half(scores: Tensor, masks: Tensor) -> float:
    """A half, whatever the scores: that is the area of a map that knows nothing."""
    return 0.5


@wrong("D7")
def _average_precision(scores: Tensor, masks: Tensor) -> Tensor:
    """This is the average precision. It depends on how many pixels are foreign; the area asked for does not."""
    # Σ (recall gained at a threshold) · (precision there), over the distinct scores.
    values = scores.flatten().unique().flip(0)
    chosen = scores.flatten() >= values[:, None]
    hits = (chosen & masks.flatten()).double().sum(1)
    recall = hits / masks.sum()
    return (torch.diff(recall, prepend=recall.new_zeros(1)) * hits / chosen.sum(1)).sum()


EXERCISE = Exercise(
    id="7.7",
    title="How often does the foreign pixel score higher?",
    kind="implement",
    section=_SECTION,
    reference=_auroc,
    inputs=_scores_and_masks,
    edge_cases=_edges,
    misconceptions=wrong,
)
