"""A patch is the other picture where the mask says so and nothing else, and its statistics do not give it away."""

import pytest
import torch

from hvae_ref.features.data import textures
from hvae_ref.features.data.foreign_patches import SIDES, paste


def noise(*shape, low=0.0, high=1.0, seed=0):
    return low + (high - low) * torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_outside_the_mask_nothing_changes_and_inside_it_is_the_other_picture():
    images, foreign = noise(20, 3, 40, 60), noise(20, 3, 40, 60, seed=1)
    before = images.clone()
    pasted, masks = paste(images, foreign, seed=2, match=False)
    inside = masks[:, None].expand_as(images)
    assert torch.equal(pasted[~inside], images[~inside]) and torch.equal(pasted[inside], foreign[inside])
    assert torch.equal(images, before)
    assert masks.any((1, 2)).all() and not masks.all(2).all(1).any()


def test_a_matched_patch_has_mean_and_spread_of_what_it_covers_in_each_channel():
    images, foreign = noise(10, 3, 64, 64, low=0.3, high=0.6), noise(10, 3, 64, 64, seed=1) ** 3
    pasted, masks = paste(images, foreign, seed=2)
    for image, result, mask in zip(images, pasted, masks, strict=True):
        covered, patch = image[:, mask].double(), result[:, mask].double()
        assert torch.allclose(covered.mean(1), patch.mean(1), atol=2e-3)
        assert torch.allclose(covered.std(1), patch.std(1), rtol=0.05)
        assert not torch.allclose(covered, patch, atol=0.05)


def test_a_plain_patch_stays_plain_and_all_stays_in_range():
    images = noise(10, 1, 32, 32)
    pasted, masks = paste(images, torch.full_like(images, 0.7))
    for image, result, mask in zip(images, pasted, masks, strict=True):
        assert torch.allclose(result[0, mask], image[0, mask].mean(), atol=1e-5)
    pasted, _ = paste((images > 0.5).float(), noise(10, 1, 32, 32) ** 8)
    assert pasted.min() >= 0 and pasted.max() <= 1


def test_sizes_shapes_and_places_vary_within_what_is_said():
    images = torch.zeros(400, 1, 48, 48)
    _, masks = paste(images, images, seed=3)
    assert 4 <= masks.sum((1, 2)).min() and masks.sum((1, 2)).max() <= (SIDES[1] * 48 + 1) ** 2
    assert masks.sum((1, 2)).unique().numel() > 100
    # Every pixel is in some patch, the middle more often than a corner, which is beyond the border of many.
    often = masks.float().mean(0)
    assert often.min() > 0.005 and often[20:28, 20:28].mean() > 2 * often[:2, :2].mean()


def test_the_seed_decides_and_one_image_more_leaves_the_first_ones_alone():
    images = noise(5, 1, 32, 32)
    masks = paste(images, images, seed=1)[1]
    assert torch.equal(masks, paste(images, images, seed=1)[1])
    assert torch.equal(masks[:3], paste(images[:3], images[:3], seed=1)[1])
    assert not torch.equal(masks, paste(images, images, seed=2)[1])


def test_no_image_gives_no_mask():
    images, masks = paste(torch.zeros(0, 1, 16, 16), torch.zeros(0, 1, 16, 16))
    assert images.shape == (0, 1, 16, 16) and masks.shape == (0, 16, 16) and masks.dtype == torch.bool


def test_wrong_sizes_are_named(unchecked):
    with pytest.raises(ValueError, match=r"foreign: expected shape \(2, 1, 16, 16\), that .*, got \(2, 3, 16, 16\)"):
        paste(torch.zeros(2, 1, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="images: expected at least 8×8 pixels, got 16×7"):
        paste(torch.zeros(2, 1, 16, 7), torch.zeros(2, 1, 16, 7))


def places(source, image, where):
    """Upper left corners (N, 2) at which all pixels `where` of an image agree with its source, looked at one by one."""
    height, width = (whole - part + 1 for whole, part in zip(source.shape[1:], image.shape[1:], strict=True))
    found = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    for y, x in where.nonzero():
        # The mean of a colour picture's channels is a computation; pixels of the two differ by 1/255 and more.
        here = source[:, found[:, 0] + y, found[:, 1] + x]
        found = found[((here - image[:, y, x, None]).abs() < 1e-5).all(0)]
    return found


@pytest.mark.parametrize(("name", "foreign"), [("brick", "grass"), ("coffee", "gravel"), ("gravel", "chelsea")])
def test_pasted_is_a_crop_of_the_one_with_a_piece_of_the_other(name, foreign):
    images, masks = textures.pasted(name, foreign, size=48, n=3, seed=4, match=False)
    assert images.shape == (3, 3, 48, 48) and masks.shape == (3, 48, 48)
    for picture_name, inside in ((name, False), (foreign, True)):
        source = textures.picture(picture_name, "test")
        source = source.mean(0, keepdim=True) if name == "gravel" else source.expand(3, -1, -1)
        for image, mask in zip(images, masks, strict=True):
            assert len(places(source, image[: len(source)], mask == inside)) == 1, picture_name


def test_a_patch_of_the_same_picture_is_from_another_place():
    images, masks = textures.pasted("grass", "grass", size=48, n=3, match=False)
    source = textures.picture("grass", "test")
    for image, mask in zip(images, masks, strict=True):
        around, inside = (places(source, image[: len(source)], where) for where in (~mask, mask))
        assert len(around) == len(inside) == 1 and not torch.equal(around, inside)


def test_pasted_reads_the_part_it_is_asked_for_and_follows_its_seed():
    first = textures.pasted("brick", "grass", 32, 4, seed=0)[0]
    torch.testing.assert_close(first, textures.pasted("brick", "grass", 32, 4, seed=0, part="test")[0])
    assert not torch.allclose(first, textures.pasted("brick", "grass", 32, 4, seed=0, part="train")[0], atol=1e-2)
    assert not torch.allclose(first, textures.pasted("brick", "grass", 32, 4, seed=1)[0], atol=1e-2)
    with pytest.raises(ValueError, match="got 'gras'; did you mean 'grass'"):
        textures.pasted("brick", "gras", 32, 1)
