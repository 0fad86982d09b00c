"""Deformed copies: the identity is exact, the statistics stay, and only training images are touched."""

import pytest
import torch

from hvae_ref.data import SPLITS, load
from hvae_ref.data.deform import bitmaps, count, deformed

SHAPE, LEVELS = (8, 8), 17


def test_counting_a_rebuilt_bitmap_gives_the_image_back() -> None:
    x = load("digits").x
    ink = bitmaps(x, SHAPE, block=4)
    assert ink.shape == (1000, 1, 32, 32) and set(ink.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(count(ink, 4), x)


def test_no_deformation_is_the_identity() -> None:
    x = load("digits").x[:50]
    same = deformed(x, SHAPE, LEVELS, copies=2, rotation=0.0, log_scale=0.0, shear=0.0, shift=0.0)
    assert torch.equal(same, x.repeat(2, 1))


def test_a_shift_moves_the_ink_by_so_many_pixels() -> None:
    x = torch.zeros(4000, 64)
    x[:, 27] = 16.0
    moved = deformed(x, SHAPE, LEVELS, 1, rotation=0.0, log_scale=0.0, shear=0.0, shift=0.5).view(-1, 8, 8)
    place = torch.arange(8.0)
    for axis, start in ((2, 3.0), (1, 3.0)):
        centre = moved.sum(3 - axis) @ place / moved.sum((1, 2))
        assert centre.mean() == pytest.approx(start, abs=0.04)
        assert centre.std() == pytest.approx(0.5, abs=0.04)


def test_a_rotation_keeps_the_centre_and_the_amount_of_ink() -> None:
    x = torch.zeros(200, 8, 8)
    x[:, 3:5, 1:7] = 16.0
    turned = deformed(x.flatten(1), SHAPE, LEVELS, 1, rotation=1.0, log_scale=0.0, shear=0.0, shift=0.0)
    turned = turned.view(-1, 8, 8)
    ink = turned.sum((1, 2))
    assert (ink / (12 * 16) - 1).abs().max() < 0.08
    place = torch.arange(8.0) - 3.5
    for axis in (1, 2):
        assert (turned.sum(axis) @ place / ink).abs().max() < 0.1
    assert not torch.allclose(turned[0], x[0], atol=2.0)


def test_copies_have_the_grey_levels_of_the_data() -> None:
    x = load("digits").x
    copies = deformed(x, SHAPE, LEVELS, copies=5)
    assert copies.shape == (5000, 64)
    assert torch.equal(copies, copies.round()) and copies.min() >= 0 and copies.max() <= 16
    ours, theirs = (torch.bincount(t.long().flatten(), minlength=17) / t.numel() for t in (copies, x))
    assert (ours - theirs).abs().max() < 0.02
    assert (copies.view(5, 1000, 64) != x).any(-1).float().mean() > 0.95
    assert (copies.view(5, 1000, 64) - x).abs().mean() < 2.0


def test_smooth_images_are_moved_as_pictures_are() -> None:
    x = load("mnist5k", "validation").x[:100]
    shape = (28, 28)
    same = deformed(x, shape, 256, copies=1, rotation=0.0, log_scale=0.0, shear=0.0, shift=0.0)
    assert torch.equal(same, x)
    spot = torch.zeros(2000, 28, 28)
    spot[:, 13:15, 13:15] = 255.0
    turned = deformed(spot.flatten(1), shape, 256, 1, rotation=0.3, log_scale=0.0, shear=0.0, shift=2.0).view(
        -1, 28, 28
    )
    place = torch.arange(28.0) - 13.5
    for axis in (1, 2):
        centre = turned.sum(axis) @ place / turned.sum((1, 2))
        assert centre.mean() == pytest.approx(0.0, abs=0.15) and centre.std() == pytest.approx(2.0, abs=0.1)
    copies = deformed(x, shape, 256, copies=3)
    assert torch.equal(copies, copies.round()) and copies.min() >= 0 and copies.max() <= 255
    assert copies.mean() == pytest.approx(float(x.mean()), rel=0.03)


def test_load_adds_copies_to_the_training_split_alone() -> None:
    more = load("digits", "train", deformed_copies=2)
    plain = load("digits", "train")
    assert len(more) == 3000 and torch.equal(more.x[:1000], plain.x)
    assert torch.equal(more.y, plain.y.repeat(3))
    assert torch.equal(more.x, load("digits", "train", deformed_copies=2).x)
    assert not torch.equal(more.x, load("digits", "train", deformed_copies=2, seed=1).x)
    for split in SPLITS[1:]:
        assert torch.equal(load("digits", split, deformed_copies=2).x, load("digits", split).x)


def test_bad_requests_are_named() -> None:
    with pytest.raises(ValueError, match="grey_levels: expected 256, or the counts of square blocks, .* got 16"):
        deformed(torch.zeros(2, 64), SHAPE, 16, 1)
    with pytest.raises(ValueError, match="deformed_copies: expected a whole number of at least 0, got -1"):
        load("digits", "train", deformed_copies=-1)
