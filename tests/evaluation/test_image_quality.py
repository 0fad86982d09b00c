"""PSNR and SSIM: the library's numbers, and what cannot be compared."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hvae_ref.evaluation.image_quality import psnr, ssim


@pytest.mark.parametrize("channels", [1, 3])
def test_both_are_those_of_scikit_image(channels):
    torch.manual_seed(0)
    reference = torch.rand(2, channels, 16, 20)
    images = (reference + torch.tensor([0.02, 0.2])[:, None, None, None] * torch.randn_like(reference)).clamp(0, 1)
    ratio, similarity = psnr(images, reference), ssim(images, reference)
    for number in range(2):
        x, r = (part[number].double().numpy() for part in (images, reference))
        assert ratio[number].item() == pytest.approx(peak_signal_noise_ratio(r, x, data_range=1), rel=1e-5)
        expected = structural_similarity(
            r, x, channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert similarity[number].item() == pytest.approx(expected, rel=1e-5)
    assert ratio[0] > ratio[1] and similarity[0] > similarity[1]


def test_known_values():
    reference = torch.full((1, 1, 11, 11), 0.5)
    assert psnr(reference + 0.1, reference).item() == pytest.approx(20, abs=1e-4)
    assert psnr(reference, reference).item() == math.inf
    assert ssim(reference, reference).item() == pytest.approx(1)


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(1, 3, 16, 16), "images: expected the shape .* of the reference"),
        (torch.rand(2, 3, 16, 16) + 1, r"images: expected values in \[0, 1\]"),
        (torch.full((2, 3, 16, 16), math.nan), r"images: expected values in \[0, 1\] without NaN"),
    ],
)
def test_what_cannot_be_compared_is_named(measure, images, message, unchecked):
    with pytest.raises(ValueError, match=message):
        measure(images, torch.rand(2, 3, 16, 16))


def test_empty_batches_and_images_smaller_than_the_window(unchecked):
    with pytest.raises(ValueError, match="at least one of each"):
        psnr(torch.rand(0, 3, 16, 16), torch.rand(0, 3, 16, 16))
    with pytest.raises(ValueError, match="at least 11×11 pixels"):
        ssim(torch.rand(1, 1, 10, 16), torch.rand(1, 1, 10, 16))


def test_what_resizing_leaves_of_white_is_white():
    white = torch.full((1, 3, 12, 12), 1.0000001)
    assert psnr(white, torch.zeros(1, 3, 12, 12)).item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_bytes_are_named_even_where_they_are_0_and_1(measure, unchecked):
    black = torch.zeros(1, 3, 12, 12, dtype=torch.uint8)
    with pytest.raises(ValueError, match="images: expected floating-point values .* torch.uint8"):
        measure(black, black)
