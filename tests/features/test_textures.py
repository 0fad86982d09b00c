"""Crops are pieces of the picture they are named after, the same for a seed, and train and test share no pixel."""

import numpy as np
import pytest
import skimage.data
import torch

from hvae_ref.data import DataUnavailable
from hvae_ref.features.data import textures


@pytest.mark.parametrize("name", textures.NAMES)
def test_every_picture_opens_without_the_network(name, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("it asks for the network"))
    picture = textures.picture(name)
    assert picture.shape[0] in (1, 3) and picture.dtype == torch.float32
    assert 0 <= picture.min() < 0.3 < 0.75 < picture.max() <= 1 and picture.std() > 0.05
    assert all(textures.picture(name, part).shape[2] >= 190 for part in ("train", "test"))


def test_pixels_are_those_of_the_file():
    expected = skimage.data.coffee()
    assert np.array_equal((textures.picture("coffee").permute(1, 2, 0) * 255).round().numpy(), expected)
    assert torch.equal(textures.picture("camera"), torch.from_numpy(skimage.data.camera() / np.float32(255))[None])


def test_the_parts_make_the_whole():
    for name in ("brick", "chelsea"):
        parts = [textures.picture(name, part) for part in ("train", "test")]
        assert torch.equal(torch.cat(parts, -1), textures.picture(name))


def places(crops, source):
    """Top left corner of every crop, found by looking for it everywhere."""
    size = crops.shape[-1]
    windows = source.unfold(1, size, 1).unfold(2, size, 1)
    return [(windows == crop[:, None, None]).all(-1).all(-1).all(0).nonzero() for crop in crops]


@pytest.mark.parametrize("part", textures.PARTS)
def test_crops_come_from_their_part_at_places_that_the_seed_decides(part):
    crops = textures.crops("camera", 8, 6, seed=1, part=part)
    assert crops.shape == (6, 1, 8, 8)
    assert all(len(found) >= 1 for found in places(crops, textures.picture("camera", part)))
    assert torch.equal(crops, textures.crops("camera", 8, 6, seed=1, part=part))
    assert not torch.equal(crops, textures.crops("camera", 8, 6, seed=2, part=part))


def test_every_place_is_drawn_equally_often(monkeypatch):
    # Every pixel another value, so that a crop's corner tells its place; 3 × 5 places.
    monkeypatch.setattr(textures, "_read", lambda name: torch.arange(24.0).view(1, 4, 6))
    corners = textures.crops("page", 2, 15_000, seed=3)[:, 0, 0, 0]
    found, counts = corners.unique(return_counts=True)
    assert found.tolist() == [6 * row + column for row in range(3) for column in range(5)]
    # χ² with 14 degrees of freedom: its 99.99% quantile.
    assert ((counts - 1000) ** 2 / 1000).sum() < 42.6


def test_a_crop_may_be_the_whole_picture_or_one_pixel():
    assert torch.equal(textures.crops("brick", 512, 1)[0], textures.picture("brick"))
    assert textures.crops("brick", 1, 3).shape == (3, 1, 1, 1)


def test_what_is_answered_is_the_readers_own():
    textures.picture("moon").zero_()
    textures.crops("moon", 512, 1).zero_()
    assert textures.picture("moon").max() > 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: textures.crops("bricks", 8, 1), "name: expected one of brick, .* got 'bricks'; did you mean 'brick'"),
        (lambda: textures.crops("brick", 8, 1, part="validation"), "part: expected one of whole, train, test"),
        (lambda: textures.crops("brick", 8, 0), "n: expected at least 1, got 0"),
        (lambda: textures.crops("brick", 0, 1), "size: expected 1 to 512 pixels"),
        (
            lambda: textures.crops("chelsea", 226, 1, part="train"),
            r"size: expected 1 to 225 pixels, as chelsea \(train\) is 300×225, got 226",
        ),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_scikit_image_without_its_pictures_is_named(monkeypatch):
    def gone():
        raise ModuleNotFoundError("No module named 'pooch'")

    textures._read.cache_clear()
    monkeypatch.setattr(skimage.data, "grass", gone)
    with pytest.raises(DataUnavailable, match="grass: scikit-image could not open it .*pooch.*pip install"):
        textures.picture("grass")
