"""Synthesis: what is kept stays bit for bit, what is replaced is where it should be, and pixels change in reach."""

import math

import pytest
import torch

from hvae_ref.features import HierarchicalLatentDensity, SpatialGraphDensity
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.features.decoder.synthesis import interpolate_features, synthesize
from hvae_ref.features.pyramid.pixel_grid import crop_features, position_of, region_positions

DIMS = {"level1": 2, "level2": 3, "level3": 2}
STRIDES = {"level1": 4, "level2": 8, "level3": 16}
SIZE = (96, 80)
NOISE = 1e-5
"""What two computations of one picture may differ by."""


@pytest.fixture
def decoder():
    torch.manual_seed(3)
    decoder = FeatureDecoder(DIMS, width=8)
    with torch.no_grad():
        for vector in decoder.absent.values():
            vector.normal_()
    return decoder


@pytest.fixture(params=["chain", "graph"])
def density(request):
    torch.manual_seed(4)
    if request.param == "chain":
        return HierarchicalLatentDensity(DIMS, 2, heads=2, width=8)
    return SpatialGraphDensity(DIMS, 2, width=8, layers=1)


def maps_of(decoder, n=1, seed=0, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(n, DIMS[level], *shape, generator=generator) for level, shape in decoder.shapes(size).items()
    }


def box(top, left, bottom, right, size=SIZE):
    region = torch.zeros(size, dtype=torch.bool)
    region[top:bottom, left:right] = True
    return region


def test_all_levels_or_some_are_decoded(decoder):
    features = maps_of(decoder, n=2)
    whole = synthesize(decoder, features)
    torch.testing.assert_close(whole.images, decoder(features).detach())
    assert not whole.may_differ.any() and not any(mask.any() for mask in whole.replaced.values())
    alone = synthesize(decoder, features, levels=("level3",))
    assert list(alone.features) == list(alone.replaced) == ["level3"]
    torch.testing.assert_close(alone.images, decoder({"level3": features["level3"]}, SIZE).detach())
    given = synthesize(decoder, {"level3": features["level3"]})
    torch.testing.assert_close(given.images, alone.images)


def test_progressive_images_end_in_the_image(decoder):
    features = maps_of(decoder)
    made = synthesize(decoder, features, progressive=True)
    assert list(made.progressive) == ["level3", "level2", "level1"]
    assert torch.equal(made.progressive["level1"], made.images)
    torch.testing.assert_close(made.images, decoder(features).detach())


def test_kept_levels_stay_and_the_others_are_drawn(decoder, density):
    features = maps_of(decoder)
    made = synthesize(decoder, features, levels=("level3", "level2"), density=density, n=3)
    assert made.images.shape == (3, 3, *SIZE) and made.may_differ.all()
    for level in ("level3", "level2"):
        assert torch.equal(made.features[level], features[level].expand(3, -1, -1, -1))
    drawn = made.features["level1"]
    assert not (drawn == features["level1"]).any() and not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("levels", [(), ("level3",), ("level1", "level3")])
def test_a_region_changes_in_its_place_alone(decoder, density, levels):
    features, region = maps_of(decoder), box(32, 16, 48, 48)
    made = synthesize(decoder, features, region=region, levels=levels, density=density, n=2)
    inside = region_positions(region, STRIDES)
    for level, f in made.features.items():
        same = (f == features[level]).all(1)
        wanted = torch.zeros_like(inside[level]) if level in levels else inside[level]
        assert torch.equal(made.replaced[level], wanted)
        assert torch.equal(same, ~wanted.expand(2, -1, -1))
    before = decoder({level: f.expand(2, -1, -1, -1) for level, f in features.items()}).detach()
    difference = (made.images - before).abs().amax((0, 1))
    assert (difference[~made.may_differ] < NOISE).all() and (~made.may_differ).any()
    assert (difference[region] > 0).all() and made.may_differ[region].all()


def test_the_inside_of_a_region_is_kept_by_turning_it_over(decoder, density):
    features, region = maps_of(decoder), box(32, 16, 64, 64)
    made = synthesize(decoder, features, region=~region, density=density)
    for level, mask in region_positions(region, STRIDES).items():
        assert torch.equal((made.features[level] == features[level]).all(1)[0], mask)


def test_a_region_from_another_image(decoder):
    here, there, region = maps_of(decoder, seed=0), maps_of(decoder, seed=1), box(0, 0, 32, 32)
    made = synthesize(decoder, here, region=region, other=there)
    for level, mask in region_positions(region, STRIDES).items():
        assert torch.equal(made.features[level], torch.where(mask, there[level], here[level]))
    swapped = synthesize(decoder, here, levels=("level3",), other=there)
    assert torch.equal(swapped.features["level3"], here["level3"])
    assert torch.equal(swapped.features["level1"], there["level1"])
    many = synthesize(decoder, here, region=region, other=maps_of(decoder, n=3, seed=1))
    assert many.images.shape[0] == 3


def test_a_batch_keeps_every_example_s_own(decoder, density):
    features, region = maps_of(decoder, n=3), box(0, 0, 48, 80)
    made = synthesize(decoder, features, region=region, density=density)
    assert len(made.images) == 3
    mask = made.replaced["level1"]
    assert torch.equal(made.features["level1"][..., ~mask], features["level1"][..., ~mask])


def test_everything_drawn_repeats_with_its_seed(decoder, density):
    state = torch.random.get_rng_state()
    a, b, c = (synthesize(decoder, density=density, size=(33, 50), n=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert a.images.shape == (2, 3, 33, 50) and a.may_differ.all()
    torch.testing.assert_close(a.images, b.images)
    assert not torch.allclose(a.images, c.images, atol=1e-3)
    wide = synthesize(decoder, density=density, size=(64, 64), seed=0, temperature=1.0)
    cold = synthesize(decoder, density=density, size=(64, 64), seed=0, temperature=1e-3)
    assert cold.features["level3"].std() < wide.features["level3"].std()


def test_nothing_is_trained_and_no_gradient_is_kept(decoder, density):
    decoder.train()
    made = synthesize(decoder, density=density, size=(32, 32))
    assert not made.images.requires_grad and decoder.training


def test_the_straight_way_between_two_images(decoder):
    a, b = maps_of(decoder, seed=0), maps_of(decoder, seed=1)
    path = interpolate_features(a, b, steps=5)
    for level, f in path.items():
        assert torch.equal(f[:1], a[level]) and torch.equal(f[-1:], b[level])
        torch.testing.assert_close(f[1:2], 0.75 * a[level] + 0.25 * b[level])
    some = interpolate_features(a, b, steps=3, levels=("level3",))
    assert torch.equal(some["level1"], a["level1"].expand(3, -1, -1, -1))
    assert torch.equal(some["level3"][-1:], b["level3"])
    assert synthesize(decoder, path).images.shape[0] == 5


def test_places_of_one_image_are_cut_out_and_interpolated(decoder):
    features = maps_of(decoder)
    a, b = (crop_features(features, (top, 16, 32, 32), STRIDES) for top in (0, 64))
    assert {level: tuple(f.shape[2:]) for level, f in a.items()} == decoder.shapes((32, 32))
    assert torch.equal(b["level2"], features["level2"][..., 8:12, 2:6])
    assert synthesize(decoder, interpolate_features(a, b, 3)).images.shape == (3, 3, 32, 32)
    for wrong in ((8, 0, 32, 32), (0, 0, 0, 32), (80, 0, 32, 32), (-16, 0, 32, 32)):
        with pytest.raises(ValueError, match="box: expected"):
            crop_features(features, wrong, STRIDES)
    with pytest.raises(ValueError, match="features: expected levels among"):
        crop_features({"other": features["level1"]}, (0, 0, 32, 32), STRIDES)


def test_positions_of_a_region_are_those_that_it_half_covers():
    region = torch.zeros(10, 12, dtype=torch.bool)
    region[:3, :4] = True
    region[8:, 8:] = True
    found = region_positions(region, {"fine": 4, "coarse": 8})
    # The last row of positions has two pixels of height, and all of them count.
    assert found["fine"].tolist() == [[True, False, False], [False, False, False], [False, False, True]]
    assert found["coarse"].tolist() == [[False, False], [False, True]]
    half = torch.zeros(4, 4, dtype=torch.bool)
    half[:2] = True
    assert region_positions(half, {"fine": 4})["fine"].all()
    assert all(mask.all() for mask in region_positions(torch.ones(7, 33, dtype=torch.bool)).values())


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (torch.zeros(8, 8, dtype=torch.bool), "region: expected at least one true pixel"),
        (torch.ones(8, 8), r"region: expected booleans \(H, W\)"),
        (torch.ones(1, 8, 8, dtype=torch.bool), r"region: expected booleans \(H, W\)"),
        (torch.ones(0, 8, dtype=torch.bool), r"region: expected booleans \(H, W\)"),
        (torch.eye(8, dtype=torch.bool), "region: expected at least half of the pixels of one position"),
    ],
)
def test_regions_that_hold_nothing_are_named(region, message, unchecked):
    with pytest.raises(ValueError, match=message):
        region_positions(region, {"fine": 4, "coarse": 8})


def test_position_of_a_pixel():
    assert position_of((7, 8), (3, 3), 4) == (1, 2)
    for wrong in ((12, 0), (0, -1)):
        with pytest.raises(ValueError, match=r"pixel: expected \(y, x\) with 0 ≤ y < 12"):
            position_of(wrong, (3, 3), 4)


def chain():
    torch.manual_seed(4)
    return HierarchicalLatentDensity(DIMS, 2, heads=2, width=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": None}, "features: expected maps, or a density to draw them from, got neither"),
        ({"levels": ()}, "levels: expected at least one level"),
        ({"levels": ("level9",)}, r"levels: expected levels among .* got \['level9'\]"),
        ({"region": box(0, 0, 32, 32)}, "region: expected a density or other features to replace it with"),
        ({"region": torch.ones(8, 8).bool(), "density": True}, "region: expected a mask of the image's"),
        ({"region": torch.zeros(SIZE).bool(), "density": True}, "region: expected at least one true pixel"),
        ({"features": None, "density": True}, "size: expected height and width of what is to be drawn"),
        ({"density": True, "other": {}}, "other: expected None with a density"),
        ({"n": 0}, "n: expected at least 1"),
        ({"batch": 2, "n": 2, "density": True, "levels": ()}, "n: expected 1 for a batch of 2 examples"),
        ({"drop": "level1", "region": box(0, 0, 32, 32), "density": True}, "features: expected level1 too"),
        ({"drop": "level1", "levels": ("level1",)}, "levels: expected levels of the features"),
        ({"region": box(0, 0, 32, 32), "other": {}}, "other: expected level1 too, which is replaced"),
        ({"density": "wrong"}, "density: expected the dimensions of the decoder"),
        ({"nan": True}, "level1: expected finite numbers"),
        ({"temperature": 0.0, "density": True, "levels": ()}, "temperature: expected a positive number"),
    ],
)
def test_what_cannot_be_synthesised_is_named(decoder, arguments, message, unchecked):
    features = maps_of(decoder, arguments.pop("batch", 1))
    features.pop(arguments.pop("drop", None), None)
    if arguments.pop("nan", False):
        features["level1"] = features["level1"] * math.nan
    if density := arguments.get("density"):
        wrong = HierarchicalLatentDensity({"level1": 2}, 1)
        arguments = arguments | {"density": wrong if density == "wrong" else chain()}
    with pytest.raises(ValueError, match=message):
        synthesize(decoder, **({"features": features} | arguments))


def test_ways_that_cannot_be_gone_are_named(decoder):
    a, b = maps_of(decoder), maps_of(decoder, n=2)
    with pytest.raises(ValueError, match="level1: expected one example of the same shape"):
        interpolate_features(a, b)
    with pytest.raises(ValueError, match="b: expected the levels of a"):
        interpolate_features(a, {"level1": a["level1"]})
    with pytest.raises(ValueError, match="levels: expected some of"):
        interpolate_features(a, a, levels=("other",))
    with pytest.raises(ValueError, match="steps: expected at least 2"):
        interpolate_features(a, a, steps=1)


def test_maps_without_a_batch_and_of_two_precisions_are_named(unchecked):
    maps = {"level1": torch.zeros(1, 2, 4, 4)}
    with pytest.raises(ValueError, match=r"level1: expected maps \(B, D, H, W\), got \(2, 4, 4\)"):
        synthesize(FeatureDecoder({"level1": 2}, width=8), {"level1": maps["level1"][0]})
    for other in (maps["level1"].double(), maps["level1"][0]):
        with pytest.raises(ValueError, match="level1: expected one example of the same shape and dtype"):
            interpolate_features(maps, {"level1": other})


def test_nothing_to_replace_is_named(decoder, density):
    with pytest.raises(ValueError, match="levels, region: expected something to replace"):
        synthesize(decoder, maps_of(decoder), density=density)
