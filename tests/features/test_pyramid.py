"""The pyramid is the classifier it says, with its real weights, whatever batch or mode an image comes in."""

import math
import socket

import pytest
import torch
from timm.data import ImageNetInfo
from torch import nn
from torchvision.models import resnet50
from torchvision.transforms.functional import center_crop, resize

from hvae_ref.features import FeaturePyramid, WeightsUnavailable
from hvae_ref.features.data import textures
from hvae_ref.features.pyramid.backbones import BACKBONES, renamed

NAMES = ("resnet50", "efficientnet_lite0")
CHANNELS = {"resnet50": (256, 512, 1024, 2048), "efficientnet_lite0": (24, 40, 112, 320)}


@pytest.fixture(scope="module", params=NAMES)
def pyramid(request):
    """With ImageNet weights where they are installed, and random ones where they would be downloaded."""
    torch.manual_seed(0)
    return FeaturePyramid(request.param, pretrained=request.param == "efficientnet_lite0")


@pytest.fixture(scope="module")
def lite():
    return FeaturePyramid("efficientnet_lite0")


def middle(name):
    """The picture's middle square at the 224×224 pixels that the weights were trained with."""
    return resize(center_crop(textures.picture(name), min(textures.picture(name).shape[1:])), [224, 224])[None]


def probability(net, image, labels):
    """Probability that a classifier gives to the ImageNet classes of these labels."""
    classes = ImageNetInfo()
    label_of = [classes.index_to_description(index).split(",")[0] for index in range(1000)]
    with torch.no_grad():
        p = net.eval()((image - 127 / 255) / (128 / 255)).softmax(-1)[0]
    return sum(float(p[label_of.index(label)]) for label in labels)


@pytest.mark.parametrize(
    ("picture", "labels"),
    [("chelsea", ("tabby", "tiger cat", "Egyptian cat")), ("coffee", ("espresso", "cup", "coffee mug"))],
)
def test_imagenet_weights_recognise_pictures_and_random_ones_do_not(picture, labels):
    image = middle(picture)
    build = BACKBONES["efficientnet_lite0"].build
    assert probability(build(True), image, labels) > 0.85
    for seed in range(3):
        torch.manual_seed(seed)
        assert probability(build(False), image, labels) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_stages_and_the_head_make_the_whole_classifier(name):
    pretrained = name == "efficientnet_lite0"
    torch.manual_seed(1)
    net = BACKBONES[name].build(pretrained).eval()
    torch.manual_seed(1)
    top = FeaturePyramid(name, pretrained)(middle("coffee"))["level4"]
    # The normalisations as the weights' authors give them.
    mean, std = {
        "resnet50": (torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])),
        "efficientnet_lite0": (torch.full((3,), 127 / 255), torch.full((3,), 128 / 255)),
    }[name]
    images = (middle("coffee") - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        expected = net(images)
        if name == "resnet50":
            logits = net.fc(net.avgpool(top).flatten(1))
        else:
            logits = net.forward_head(net.bn2(net.conv_head(top)))
    assert expected.std() > 1e-3
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (33, 95), (70, 47)])
def test_levels_have_the_channels_and_strides_of_the_table(pyramid, height, width):
    features = pyramid(torch.rand(1, 3, height, width))
    assert tuple(features) == pyramid.levels == ("level1", "level2", "level3", "level4")
    assert tuple(pyramid.strides.values()) == (4, 8, 16, 32)
    assert tuple(pyramid.channels.values()) == CHANNELS[pyramid.name]
    for level, f in features.items():
        stride = pyramid.strides[level]
        assert f.shape == (1, pyramid.channels[level], math.ceil(height / stride), math.ceil(width / stride))
        assert f.isfinite().all() and f.std() > 0


def test_a_position_of_a_level_sees_its_own_place_in_the_image(lite):
    image = torch.full((1, 1, 128, 128), 0.5, requires_grad=True)
    for level, stride in lite.strides.items():
        if level == "level4":
            continue  # it sees nearly all of the image
        row, column = 32 // stride, 96 // stride
        (gradient,) = torch.autograd.grad(lite(image)[level][0, :, row, column].square().sum(), image)
        weight = gradient[0, 0].abs() / gradient.abs().sum()
        place = torch.arange(128.0)
        assert float(weight.sum(1) @ place) == pytest.approx(32 + stride / 2, abs=max(stride, 8))
        assert float(weight.sum(0) @ place) == pytest.approx(96 + stride / 2, abs=max(stride, 8))


def test_grey_is_the_same_grey_in_every_channel(pyramid):
    grey = torch.rand(2, 1, 48, 64)
    for one, three in zip(pyramid(grey).values(), pyramid(grey.repeat(1, 3, 1, 1)).values(), strict=True):
        torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_streaming_answers_what_one_call_does_and_holds_no_more_than_its_batch(pyramid, batch_size):
    images = textures.crops("astronaut", 64, 5)
    at_once = pyramid(images)
    seen = []
    handle = pyramid.stages[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    pieces = list(pyramid.stream(images, batch_size))
    handle.remove()
    assert max(seen) <= batch_size and sum(seen) == 5
    for level, f in at_once.items():
        torch.testing.assert_close(torch.cat([piece[level] for piece in pieces]), f, rtol=1e-4, atol=1e-4)


def test_training_changes_neither_weights_nor_statistics_nor_features(lite):
    images = textures.crops("chelsea", 64, 3)
    before, state = lite(images), {name: value.clone() for name, value in lite.state_dict().items()}
    nn.ModuleList([lite]).train()
    assert not any(module.training for module in lite.modules())
    assert not any(parameter.requires_grad for parameter in lite.parameters())
    after = lite(images)
    torch.testing.assert_close(dict(before), dict(after), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(value, state[name]) for name, value in lite.state_dict().items())


def test_gradients_reach_the_image_from_every_level(pyramid):
    images = textures.crops("coffee", 64, 1).requires_grad_()
    for f in pyramid(images).values():
        (gradient,) = torch.autograd.grad(f.square().mean(), images, retain_graph=True)
        assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_other_precisions_are_taken_and_the_weights_decide_the_answer(lite):
    images = textures.crops("coffee", 32, 1)
    expected = lite(images)["level3"]
    torch.testing.assert_close(lite(images.double())["level3"], expected, rtol=1e-4, atol=1e-4)
    assert lite(images.half())["level3"].dtype == torch.float32


def test_devices_agree(lite, device):
    images = textures.crops("coffee", 64, 2)
    try:
        there = lite.to(device)(images)
        assert all(f.device.type == device.type for f in there.values())
        there = {level: f.cpu() for level, f in there.items()}
    finally:
        lite.cpu()
    for level, f in lite(images).items():
        torch.testing.assert_close(there[level], f, rtol=2e-2, atol=2e-2)


def test_the_rounding_of_a_resized_image_is_no_fault(lite):
    features = lite(torch.full((1, 3, 32, 32), 1 + 2e-7))
    torch.testing.assert_close(features, lite(torch.ones(1, 3, 32, 32)), rtol=1e-3, atol=1e-3)


WHITE = torch.ones(1, 3, 64, 64)


def with_value(value):
    images = WHITE.clone()
    images[0, 1, 5, 6] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((255 * WHITE).to(torch.uint8), r"floating-point values in \[0, 1\], got torch.uint8; divide by 255"),
        (255 * WHITE, r"finite values in \[0, 1\], got values from 255 to 255"),
        (with_value(-1e-4), "got values from -0.0001 to 1"),
        (with_value(1.001), "got values from 1 to 1.001"),
        (with_value(math.nan), r"expected finite values in \[0, 1\], got NaN"),
        (with_value(math.inf), "got values from 1 to inf"),
        (torch.ones(1, 4, 64, 64), r"got \(1, 4, 64, 64\); drop the alpha channel, images\[:, :3\]"),
        (torch.ones(1, 2, 64, 64), r"\(B, 3, H, W\) or \(B, 1, H, W\), got \(1, 2, 64, 64\)"),
        (torch.ones(3, 64, 64), r"got \(3, 64, 64\)"),
        (torch.ones(0, 3, 64, 64), r"at least one, got shape \(0, 3, 64, 64\)"),
        (torch.ones(1, 3, 1, 1), "at least 32×32 pixels, got 1×1; enlarge them"),
        (torch.ones(1, 1, 64, 31), "at least 32×32 pixels, got 64×31"),
    ],
)
def test_images_that_cannot_be_used_are_named(lite, unchecked, images, message):
    with pytest.raises(ValueError, match=f"^images: .*{message}"):
        lite(images)


def test_stream_refuses_before_the_first_batch(lite):
    with pytest.raises(ValueError, match="batch_size: expected a whole number of at least 1, got 0"):
        lite.stream(WHITE, 0)
    with pytest.raises(ValueError, match="images: expected at least one"):
        lite.stream(WHITE[:0])


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="expected one of resnet50, efficientnet_lite0, got 'resnet_50'; did you mean"):
        FeaturePyramid("resnet_50")


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("network is blocked")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_weights_and_network_the_error_names_what_works(no_network):
    with pytest.raises(WeightsUnavailable, match=r'FeaturePyramid\("efficientnet_lite0"\)') as caught:
        FeaturePyramid("resnet50")
    assert str(no_network) in str(caught.value) and "network is blocked" in str(caught.value)
    assert isinstance(caught.value, OSError) and isinstance(caught.value, ValueError)
    FeaturePyramid("efficientnet_lite0")


def test_cached_weights_are_loaded_and_damaged_ones_named(no_network):
    path = no_network / "resnet50-0676ba61.pth"
    net = resnet50().eval()
    torch.save(net.state_dict(), path)
    pyramid = FeaturePyramid("resnet50")
    assert torch.equal(pyramid.stages[3][2].conv3.weight, net.layer4[2].conv3.weight)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsUnavailable, match="that can be read"):
        FeaturePyramid("resnet50")


def test_tensors_are_renamed_by_order_and_never_silently_mixed_up():
    state = {"_bn0.weight": torch.ones(2), "_bn0.bias": torch.zeros(2), "_fc.weight": torch.ones(3, 2)}
    like = {"bn1.weight": torch.zeros(2), "bn1.bias": torch.zeros(2), "classifier.weight": torch.zeros(3, 2)}
    assert {name: float(value.sum()) for name, value in renamed(state, like).items()} == {
        "bn1.weight": 2.0,
        "bn1.bias": 0.0,
        "classifier.weight": 6.0,
    }
    with pytest.raises(ValueError, match="expected 2 tensors, got 3"):
        renamed(state, {name: like[name] for name in ("bn1.weight", "bn1.bias")})
    with pytest.raises(ValueError, match=r"expected bn1.bias \(2,\) in the place of _bn0.weight \(2,\)"):
        renamed(state, dict(sorted(like.items())))
    with pytest.raises(ValueError, match=r"classifier.weight \(2, 3\) in the place of _fc.weight \(3, 2\)"):
        renamed(state, like | {"classifier.weight": torch.zeros(2, 3)})
