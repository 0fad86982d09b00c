"""Where maps lie in the image: a patch that moves is found where it is, at any size, in every backbone."""

import math

import pytest
import torch
from torch import nn

from hvae_ref.features import AnomalyScore, FeaturePyramid, MapGeometry, aligned, plots, region_positions, tiles
from hvae_ref.features.pyramid.network_geometry import kernel_centre, network_geometry

SIZES = (64, 65, 96, 97, 127, 128, 160, 161, 192, 200, 224, 225, 256, 257, 300)
# Height and width are followed apart: a large one beside a small one is cheap, and every size is there.
PAIRS = tuple(zip(SIZES[:8], SIZES[:6:-1], strict=True))


@pytest.fixture(scope="module", params=["resnet50", "efficientnet_lite0", "trained"])
def pyramid(request):
    """With random weights, and with trained ones, whose kernels lie on one side of their middle."""
    torch.manual_seed(0)
    trained = request.param == "trained"
    return FeaturePyramid("efficientnet_lite0" if trained else request.param, pretrained=trained)


@pytest.mark.parametrize("size", PAIRS)
def test_a_moved_patch_is_found_where_it_is(pyramid, size):
    torch.manual_seed(1)
    geometry, base = pyramid.geometry(size), torch.rand(1, 3, *size)
    places = [(size[0] // 2 + move, size[1] // 2 - move) for move in (-7, -4, 2, 5)]
    images = base.repeat(1 + len(places), 1, 1, 1)
    for image, (y, x) in zip(images[1:], places, strict=True):
        image[:, y - 6 : y + 7, x - 6 : x + 7] = torch.rand(3, 13, 13)
    compared = 0
    with torch.no_grad():
        features = pyramid(images)
    for level, f in features.items():
        grid, change = geometry[level], (f[1:] - f[:1]).square().sum(1)
        assert grid.shape == tuple(f.shape[2:]) and grid.stride == (pyramid.strides[level],) * 2
        for axis in (0, 1):
            if grid.shape[axis] < 10:
                continue  # what a position sees is wider than the image then, and its border moves the middle
            share = change.sum(2 - axis) / change.sum((1, 2))[:, None]
            found = share @ (grid.first[axis] + grid.stride[axis] * torch.arange(grid.shape[axis]))
            error = (found - torch.tensor([float(place[axis]) for place in places])).mean().item()
            assert abs(error) < 0.35 * pyramid.strides[level]
            compared += 1
    assert compared >= 4


def same_padding_first(edge, kernels):
    """Pixel of position 0's centre, for kernels with stride 2 and TensorFlow's padding, by its definition."""
    first, stride = 0.0, 1
    for kernel in kernels:
        total = max((math.ceil(edge / 2) - 1) * 2 + kernel - edge, 0)
        first += stride * ((kernel - 1) / 2 - total // 2)
        edge, stride = math.ceil(edge / 2), 2 * stride
    return first


@pytest.mark.parametrize("edge", SIZES)
def test_paddings_are_those_of_each_backbone(edge, middle_weights):
    kernels = {"level1": (3, 3), "level2": (3, 3, 5), "level3": (3, 3, 5, 3), "level4": (3, 3, 5, 3, 5)}
    for name, net in middle_weights.items():
        for grid, level in zip(network_geometry(net, (edge, 64)), kernels, strict=True):
            expected = 0 if name == "resnet50" else same_padding_first(edge, kernels[level])
            assert grid.first[0] == pytest.approx(expected, abs=1e-6)
            assert grid.size == (edge, 64) and grid.shape[0] == math.ceil(edge / grid.stride[0])


@pytest.fixture(scope="module")
def middle_weights():
    """Networks with the paddings and strides of the backbones, few channels, and weights that are all alike."""

    class Same(nn.Conv2d):
        def forward(self, x):
            pads = [max((math.ceil(n / 2) - 1) * 2 + self.kernel_size[0] - n, 0) for n in x.shape[:1:-1]]
            x = nn.functional.pad(x, [side for p in pads for side in (p // 2, p - p // 2)])
            return nn.functional.conv2d(x, self.weight, None, 2)

    class Maps(nn.Module):
        def __init__(self, *stages):
            super().__init__()
            self.stages = nn.ModuleList(stages)

        def forward(self, h):
            return [h := stage(h) for stage in self.stages]

    def conv(channels, kernel=3):
        return nn.Conv2d(channels, 2, kernel, stride=2, padding=kernel // 2)

    resnet = Maps(nn.Sequential(conv(3, 7), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Branches()), conv(2), conv(2), conv(2))
    tensorflow = Maps(
        nn.Sequential(Same(3, 2, 3), nn.ReLU6(), Same(2, 2, 3)), Same(2, 2, 5), Same(2, 2, 3), Same(2, 2, 5)
    )
    for net in (resnet, tensorflow):
        for weight in net.parameters():
            nn.init.ones_(weight)
    return {"resnet50": resnet, "efficientnet_lite0": tensorflow}


class Branches(nn.Module):
    """What moves nothing: a branch around a convolution, attention over channels, and axes that change places."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.gate = nn.Conv2d(2, 2, 3, padding=1), nn.LayerNorm(2), nn.Conv2d(2, 2, 1)

    def forward(self, h):
        h = h + nn.functional.gelu(self.conv(h))
        h = self.norm(h.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return h * self.gate(h.mean((2, 3), keepdim=True)).sigmoid()


@pytest.mark.parametrize(
    ("layers", "first", "stride"),
    [
        ([nn.AvgPool2d(2)], 0.5, 2),
        ([nn.MaxPool2d(3, 2, 1)], 0, 2),
        ([nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1)], 0.5, 2),
        ([nn.Conv2d(3, 3, 4, 4)], 1.5, 4),
        ([nn.ZeroPad2d((0, 0, 3, 0)), nn.Conv2d(3, 3, 3, 1)], -2, 1),
        ([nn.ReflectionPad2d(1), nn.Conv2d(3, 3, 3, 2)], 0, 2),
        ([nn.Conv2d(3, 3, 3, 2, 1), nn.ConvTranspose2d(3, 3, 2, 2)], -0.5, 1),
        ([nn.Conv2d(3, 3, 3, 2, 1), nn.Upsample(scale_factor=2)], -0.5, 1),
        ([nn.Conv2d(3, 3, 3, 1, 2, dilation=2)], 0, 1),
    ],
)
def test_layers_move_centres_as_they_are_defined_to(layers, first, stride):
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.ones_(layer.weight)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, images):
            return [self.layers(images)]

    (grid,) = network_geometry(Net(), (24, 24))
    assert grid.first[0] == pytest.approx(first) and grid.stride[0] == pytest.approx(stride)
    sliced = network_geometry(lambda_net(lambda x: x[..., 1::2, 3:]), (24, 24))[0]
    assert (sliced.first, sliced.stride) == ((1, 3), (2, 1))


def lambda_net(function):
    class Net(nn.Module):
        def forward(self, images):
            return [function(images)]

    return Net()


def test_a_kernel_s_centre_is_where_its_weights_are():
    weight = torch.zeros(2, 1, 3, 5)
    weight[0, 0, 0, 4], weight[1, 0, 2, 2] = 3.0, -0.1
    assert kernel_centre(weight) == pytest.approx((1.0, 3.0))  # each output counts alike
    assert kernel_centre(torch.zeros(2, 1, 3, 5)) == pytest.approx((1.0, 2.0))


def test_what_is_lost_on_the_way_counts_as_tiles():
    (grid,) = network_geometry(
        lambda_net(lambda x: x.flatten(2).mean(2).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)), (32, 64)
    )
    assert grid == tiles((4, 4), (32, 64))
    assert grid.first == (3.5, 7.5)


@pytest.mark.parametrize("first", [0.0, 3.5, -3.5])
def test_a_map_reads_back_at_the_centres_of_its_positions(first):
    grid = MapGeometry((6, 5), (48, 40), (8.0, 8.0), (first, first))
    values = torch.randn(2, 6, 5)
    at = [first + 8 * torch.arange(n, dtype=torch.float64) for n in grid.shape]
    torch.testing.assert_close(grid.at(values, *at), values)
    middle = grid.at(values, at[0][:1] + 4, at[1][:1])
    torch.testing.assert_close(middle, values[:, :2, :1].mean(1, keepdim=True))
    assert grid.to_pixels(values).shape == (2, 48, 40)
    for row, column in ((1, 1), (3, 2)):
        y, x = grid.centre(row, column)
        assert grid.position_of((y + 3, x - 3)) == (row, column)
        assert grid.position_of((y + 4, x + 5)) == (row + 1, column + 1)


def test_tiles_are_what_bilinear_enlarging_and_whole_division_assume():
    values = torch.randn(1, 3, 6, 5)
    whole = nn.functional.interpolate(values, size=(48, 40), mode="bilinear", align_corners=False)
    torch.testing.assert_close(tiles((6, 5), (48, 40), 8).to_pixels(values), whole)
    assert all(
        tiles((6, 5), (48, 40)).position_of((y, x)) == (y // 8, x // 8)
        for y in range(0, 48, 5)
        for x in range(1, 40, 6)
    )


def test_a_region_holds_the_positions_whose_pixels_it_covers():
    grid = MapGeometry((4, 4), (32, 32), (8.0, 8.0), (0.0, 0.0))
    region = torch.zeros(32, 32, dtype=torch.bool)
    region[4:12, 12:28] = True
    found = region_positions(region, geometry={"level2": grid})["level2"]
    assert found.nonzero().tolist() == [[1, 2], [1, 3]]
    # Without a geometry positions are tiles, which lie half a position further.
    assert region_positions(region, {"level2": 8})["level2"].nonzero().tolist() == [[0, 2], [1, 2]]
    beyond = MapGeometry((4, 4), (24, 24), (8.0, 8.0), (7.0, 7.0))
    assert beyond.positions_in(torch.ones(24, 24, dtype=torch.bool)).all()


def test_scores_stand_where_the_position_s_centre_is():
    grid = MapGeometry((5, 5), (33, 33), (8.0, 8.0), (0.0, 0.0))
    strange = torch.zeros(1, 5, 5)
    strange[0, 3, 1] = 9.0
    score = AnomalyScore({"level2": torch.randn(8, 5, 5)}, (33, 33), geometry={"level2": grid})
    found = score({"level2": strange})["combined"][0]
    assert divmod(int(found.argmax()), 33) == (24, 8)
    with pytest.raises(ValueError, match=r"geometry: expected one for level2, whose maps \(5, 5\) do not tile"):
        AnomalyScore({"level2": torch.randn(8, 5, 5)}, (33, 33))


def test_levels_side_by_side_are_read_at_the_same_pixels():
    fine, coarse = (MapGeometry((n, n), (32, 32), (s, s), (0.0, 0.0)) for n, s in ((8, 4.0), (4, 8.0)))
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    features = {"level1": torch.zeros(1, 1, 8, 8), "level2": ramp}
    side = aligned(features, {"level1": fine, "level2": coarse})[0, 1, 0]
    torch.testing.assert_close(side, torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3]))


def test_a_map_is_drawn_around_the_centres_of_its_positions():
    grid = MapGeometry((4, 4), (32, 32), (8.0, 8.0), (0.0, 0.0))
    figure = plots.feature_maps(torch.rand(3, 32, 32), {"a": torch.rand(4, 4)}, geometry={"a": grid})
    drawn = figure.axes[1].images[-1]
    assert tuple(drawn.get_extent()) == (-3.5, 28.5, 28.5, -3.5)
    assert figure.axes[1].get_xlim() == (0, 32) and figure.axes[1].get_ylim() == (32, 0)
    with pytest.raises(ValueError, match=r"geometry: expected labels of maps, \['a'\], got \['b'\]"):
        plots.feature_maps(torch.rand(3, 32, 32), {"a": torch.rand(4, 4)}, geometry={"b": grid})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MapGeometry((0, 4), (8, 8), (2.0, 2.0), (0.0, 0.0)), "shape: expected .height, width., two whole"),
        (lambda: MapGeometry((4, 4), (8, 8), (0.0, 2.0), (0.0, 0.0)), "stride: expected two finite numbers above 0"),
        (lambda: MapGeometry((4, 4), (8, 8), (2.0, 2.0), (math.nan, 0.0)), "first: expected two finite numbers"),
        (lambda: tiles((4, 4), 16), "size: expected .height, width., two whole numbers of at least 1, got 16"),
        (lambda: tiles((4, 4), (8, 8)).position_of((8, 0)), r"pixel: expected \(y, x\) with 0 ≤ y < 8"),
        (lambda: tiles((4, 4), (8, 8)).to_pixels(torch.zeros(4, 5)), r"maps: expected shape \(…, 4, 4\)"),
        (lambda: aligned({"a": torch.zeros(1, 1, 2, 2)}, {}), "geometry: expected a MapGeometry for a"),
        (
            lambda: aligned({"a": torch.zeros(1, 1, 2, 2)}, {"a": tiles((4, 4), (8, 8))}),
            r"geometry: expected that of a a map of shape \(2, 2\), got \(4, 4\)",
        ),
    ],
)
def test_geometries_that_fit_nothing_are_named(call, message, unchecked):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["timm:resnet10t", "timm:convnext_atto"])
def test_any_backbone_of_timm_with_such_maps(name):
    pyramid = FeaturePyramid(name, pretrained=False)
    features, geometry = pyramid(torch.rand(2, 1, 65, 96)), pyramid.geometry((65, 96))
    for level, f in features.items():
        assert f.shape[1] == pyramid.channels[level] and tuple(f.shape[2:]) == geometry[level].shape
    assert not any(p.requires_grad for p in pyramid.parameters()) and not pyramid.training


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet1O1", "name: expected a model of timm after 'timm:', .* got 'resnet1O1'; did you mean"),
        ("timm:vit_tiny_patch16_224", "with maps of strides 4, 8, 16, 32, got 'vit_tiny_patch16_224' with 16, 16, 16"),
        ("alexnet", 'got .alexnet.; others are "timm:"'),
    ],
)
def test_backbones_that_are_none_are_named(name, message):
    with pytest.raises(ValueError, match=message):
        FeaturePyramid(name, pretrained=False)


def test_sizes_that_no_pyramid_takes_are_named(pyramid, unchecked):
    for wrong in ((31, 64), 64, (64, 64, 3), (64.0, 64.0)):
        with pytest.raises(ValueError, match="size: expected"):
            pyramid.geometry(wrong)
