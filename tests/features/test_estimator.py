"""What is expected at a place: the density's own mixture there, its moments and mode, and the ways between places."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from hvae_ref.distributions.gaussian_algebra import gaussian_entropy
from hvae_ref.features import (
    FeaturePyramid,
    HierarchicalLatentDensity,
    Reduction,
    SpatialGraphDensity,
    crop_features,
    fit_density,
    region_positions,
)
from hvae_ref.features.measures.estimator import FeatureEstimator

DIMS = {"level1": 2, "level2": 3}
SHAPES = {"level1": (4, 6), "level2": (2, 3)}


def random_density(kind):
    torch.manual_seed(1)
    if kind == "graph":
        density = SpatialGraphDensity(DIMS, 2, width=8, layers=1, min_scale=0.3)
    else:
        density = HierarchicalLatentDensity(DIMS, 2, kind, heads=2, width=8, min_scale=0.3)
    density = density.double()
    with torch.no_grad():
        for parameter in density.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return density.requires_grad_(False)


def random_estimator(kind="coarser", n=2):
    density = random_density(kind)
    features = {level: torch.randn(n, dim, *SHAPES[level]).double() for level, dim in DIMS.items()}
    return FeatureEstimator(density, features)


KINDS = ("coarser", "finer", None, "graph")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", DIMS)
def test_an_estimate_is_the_density_s_own_at_that_place(kind, level):
    estimator = random_estimator(kind)
    row, column = SHAPES[level][0] - 1, 1
    found = estimator.at(level, row, column, example=1)
    mixture = estimator.density.distribution(level, estimator.features)
    for name in ("logits", "loc", "scale_tril"):
        torch.testing.assert_close(
            getattr(found.distribution, name), getattr(mixture, name)[1, row, column], msg=f"{name} differ"
        )
    assert found.distribution.batch_shape == ()
    observed = estimator.features[level][1, :, row, column]
    assert torch.equal(found.observed, observed)
    whole = estimator.density.log_prob(estimator.features)[level]
    assert found.log_prob == pytest.approx(whole[1, row, column].item(), abs=1e-9)
    torch.testing.assert_close(found.mean, mixture.mean[1, row, column])
    torch.testing.assert_close(found.std, mixture.variance[1, row, column].sqrt())
    at_mode = found.distribution.log_prob(found.mode)
    drawn = found.distribution.sample((2000,))
    assert at_mode >= found.distribution.log_prob(drawn).max() - 1e-6


def test_the_feature_at_the_place_itself_is_not_looked_at():
    estimator = random_estimator()
    changed = {level: f.clone() for level, f in estimator.features.items()}
    changed["level1"][0, :, 2, 3] += 5
    other = FeatureEstimator(estimator.density, changed).at("level1", 2, 3)
    mine = estimator.at("level1", 2, 3)
    torch.testing.assert_close(mine.mean, other.mean)
    assert mine.log_prob != pytest.approx(other.log_prob, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_the_estimates_of_all_places(kind, monkeypatch):
    from hvae_ref.features.measures import estimator as module

    monkeypatch.setattr(module, "POSITIONS_AT_ONCE", 5)
    estimator = random_estimator(kind)
    for level, (height, width) in SHAPES.items():
        maps = estimator.maps(level)
        assert maps["mode"].shape == maps["mean"].shape == (2, DIMS[level], height, width)
        assert maps["uncertainty"].shape == maps["log_prob"].shape == (2, height, width)
        for example, row, column in ((0, 0, 0), (1, height - 1, 1)):
            found = estimator.at(level, row, column, example=example)
            torch.testing.assert_close(maps["mode"][example, :, row, column], found.mode, atol=1e-4, rtol=0)
            torch.testing.assert_close(maps["mean"][example, :, row, column], found.mean)
            assert maps["uncertainty"][example, row, column].item() == pytest.approx(found.uncertainty)
            assert maps["log_prob"][example, row, column].item() == pytest.approx(found.log_prob)


def test_a_pixel_lies_in_the_position_that_covers_it():
    estimator = random_estimator()
    for pixel, row, column in (((0, 0), 0, 0), ((7, 8), 1, 2), ((15, 23), 3, 5)):
        found = estimator.at("level1", pixel=pixel)
        assert (found.row, found.column) == (row, column)
        assert found.log_prob == pytest.approx(estimator.at("level1", row, column).log_prob)
    assert (estimator.at("level2", pixel=(8, 23)).row, estimator.at("level2", pixel=(8, 23)).column) == (1, 2)


def test_entropy_of_a_gaussian_is_its_bound_and_of_a_mixture_is_below():
    covariance = torch.tensor([[2.0, 0.3], [0.3, 0.5]])
    expected = MultivariateNormal(torch.zeros(2), covariance).entropy()
    torch.testing.assert_close(gaussian_entropy(covariance), expected)
    torch.manual_seed(0)
    single = HierarchicalLatentDensity({"level1": 2}, 1, None)
    estimator = FeatureEstimator(single, {"level1": torch.randn(1, 2, 3, 3)})
    found = estimator.at("level1", 0, 0)
    value, error = found.entropy(20_000)
    assert abs(value - found.uncertainty) < 4 * error < 0.1
    apart = HierarchicalLatentDensity({"level1": 2}, 2, None)
    with torch.no_grad():
        apart.p["level1"].head.bias[2:6] = torch.tensor([-20.0, 0.0, 20.0, 0.0])
    two = FeatureEstimator(apart, {"level1": torch.randn(1, 2, 3, 3)}).at("level1", 0, 0)
    value, error = two.entropy(20_000, seed=1)
    # Two far components of equal weight: the entropy of one, and log 2 to tell which.
    assert abs(value - (found.uncertainty + math.log(2))) < 4 * error
    assert two.uncertainty > value + 1


def test_entropy_repeats_and_leaves_the_random_state_alone():
    found = random_estimator().at("level1", 0, 0)
    state = torch.random.get_rng_state()
    assert found.entropy(100, seed=3) == pytest.approx(found.entropy(100, seed=3), rel=1e-9)
    assert found.entropy(100, seed=3) != pytest.approx(found.entropy(100, seed=4), rel=1e-6)
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(ValueError, match="draws: expected at least 2"):
        found.entropy(1)


@pytest.mark.parametrize("kind", KINDS)
def test_ways_between_two_places(kind):
    estimator = random_estimator(kind)
    path = estimator.interpolate("level1", (0, 1), (3, 5), steps=5, example=1)
    assert path.places.tolist() == [[0, 1], [1, 2], [2, 3], [2, 4], [3, 5]]
    f = estimator.features["level1"][1]
    torch.testing.assert_close(path.straight[2], (f[:, 0, 1] + f[:, 3, 5]) / 2)
    torch.testing.assert_close(path.observed[3], f[:, 2, 4])
    assert torch.equal(path.straight[[0, -1]], path.observed[[0, -1]])
    for step, (row, column) in enumerate(path.places.tolist()):
        found = estimator.at("level1", row, column, example=1)
        torch.testing.assert_close(path.expected[step], found.mode, atol=1e-4, rtol=0)
        for name in ("straight", "expected", "observed"):
            log_p = found.distribution.log_prob(getattr(path, name)[step])
            torch.testing.assert_close(path.log_prob[name][step], log_p, atol=1e-6, rtol=0)
    # Nothing is likelier at a place than the mode there.
    assert (path.log_prob["expected"] >= path.log_prob["straight"] - 1e-6).all()
    assert (path.log_prob["expected"] >= path.log_prob["observed"] - 1e-6).all()


def test_the_straight_way_between_two_modes_leads_through_the_valley():
    density = HierarchicalLatentDensity({"level1": 1}, 2, None)
    with torch.no_grad():
        density.p["level1"].head.bias[2:4] = torch.tensor([-6.0, 6.0])
    path = FeatureEstimator(density, {"level1": torch.tensor([[[[-6.0, 0.1, 6.0]]]])}).interpolate(
        "level1", (0, 0), (0, 2), steps=3
    )
    assert path.log_prob["straight"][1] < path.log_prob["straight"][[0, 2]].min() - 10
    assert path.log_prob["expected"].min() > path.log_prob["straight"][1] + 10


@pytest.mark.parametrize("colour", [1, 3])
def test_from_images_of_any_shape_to_estimates(colour, unchecked):
    torch.manual_seed(0)
    pyramid = FeaturePyramid("efficientnet_lite0", pretrained=False)
    images = torch.rand(2, colour, 40, 64)
    reduction = Reduction(2, whiten=True).fit(pyramid(images))
    density = HierarchicalLatentDensity(dict.fromkeys(pyramid.levels, 2), 1)
    estimator = FeatureEstimator.of_images(density, images, pyramid, reduction)
    assert estimator.levels == pyramid.levels
    assert estimator.maps("level1")["mean"].shape == (2, 2, 10, 16)
    assert estimator.at("level4", pixel=(39, 63), example=1).row == 1
    for wrong in (images.mul(255).byte(), torch.rand(1, 4, 40, 64), images[:0], images * math.nan, images[..., :1, :1]):
        with pytest.raises(ValueError, match="images: expected"):
            FeatureEstimator.of_images(density, wrong, pyramid, reduction)


def test_constant_features_have_finite_estimates():
    estimator = random_estimator()
    still = FeatureEstimator(estimator.density, {level: torch.ones_like(f) for level, f in estimator.features.items()})
    assert all(values.isfinite().all() for values in still.maps("level1").values())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"level": "level9", "row": 0, "column": 0}, r"level: expected one of \['level1', 'level2'\], got 'level9'"),
        ({"level": "level1", "row": 4, "column": 0}, "row, column: expected a position in a map of 4×6"),
        ({"level": "level1", "row": 0, "column": -1}, "row, column: expected a position"),
        ({"level": "level1"}, "pixel: expected either row and column or a pixel"),
        ({"level": "level1", "row": 0}, "pixel: expected either"),
        ({"level": "level1", "row": 0, "column": 0, "pixel": (0, 0)}, "pixel: expected either"),
        ({"level": "level1", "pixel": (16, 0)}, r"pixel: expected \(y, x\) with 0 ≤ y < 16 and 0 ≤ x < 24"),
        ({"level": "level1", "pixel": (-1, 0)}, "pixel: expected"),
        ({"level": "level1", "row": 0, "column": 0, "example": 2}, "example: expected 0 … 1, got 2"),
    ],
)
def test_places_that_are_not_there_are_named(place, message):
    with pytest.raises(ValueError, match=message):
        random_estimator().at(**place)


def test_ways_that_cannot_be_gone_are_named():
    estimator = random_estimator()
    with pytest.raises(ValueError, match="b: expected a position in a map of 4×6"):
        estimator.interpolate("level1", (0, 0), (4, 0))
    with pytest.raises(ValueError, match="steps: expected at least 2"):
        estimator.interpolate("level1", (0, 0), (1, 0), steps=1)
    with pytest.raises(ValueError, match="level: expected one of"):
        estimator.maps("other")


def test_features_that_do_not_fit_are_named():
    estimator = random_estimator()
    good = estimator.features
    for change, message in (
        ({"level1": good["level1"][:0], "level2": good["level2"][:0]}, "at least one example, got an empty batch"),
        ({"level1": good["level1"] * math.nan}, "level1: expected finite numbers"),
        ({"level1": good["level1"][:, :1]}, r"level1: expected shape \(B, 2, H, W\)"),
        ({"other": good["level1"]}, "features: expected the levels"),
    ):
        with pytest.raises(ValueError, match=message):
            FeatureEstimator(estimator.density, good | change)
    with pytest.raises(ValueError, match="strides: expected one for level1"):
        FeatureEstimator(estimator.density, good, strides={}).at("level1", pixel=(0, 0))


def test_directions_that_never_vary_beside_wide_ones_leave_all_estimates_finite():
    wide = torch.randn(400, 2) * torch.tensor([30.0, 20.0]) @ torch.randn(2, 8)
    features = {"level1": wide.view(1, 20, 20, 8).permute(0, 3, 1, 2).contiguous()}
    density = HierarchicalLatentDensity({"level1": 8}, components=2, condition=None)
    fit_density(density, features)
    estimator = FeatureEstimator(density, features)
    maps = estimator.maps("level1")
    assert all(values.isfinite().all() for values in maps.values())
    here = estimator.at("level1", 3, 4)
    mixture = here.distribution
    exact = gaussian_entropy(mixture.double().covariance).item()
    assert here.uncertainty == pytest.approx(exact, abs=1e-3)
    # Six of eight directions lie on the floor of 1e-3.
    floor = 6 * (0.5 * math.log(2 * math.pi * math.e) + math.log(1e-3))
    assert exact == pytest.approx(floor + 2 * (0.5 * math.log(2 * math.pi * math.e) + math.log(60)), abs=4)


@pytest.mark.parametrize("pixel", [(0, 0, 0), (5,), (math.nan, 0), (-0.5, 0)])
def test_what_is_no_pixel_is_named(pixel, unchecked):
    with pytest.raises(ValueError, match="pixel: expected"):
        random_estimator().at("level1", pixel=pixel)


def test_half_a_row_is_no_place(unchecked):
    with pytest.raises(ValueError, match="row, column: expected a position"):
        random_estimator().at("level1", 1.5, 2)


def test_boxes_and_strides_that_are_none_are_named(unchecked):
    with pytest.raises(ValueError, match="box: expected"):
        crop_features({"level1": torch.zeros(1, 2, 4, 4)}, (0, 0, 8))
    for strides in ({}, {"level1": 0}):
        with pytest.raises(ValueError, match="strides: expected"):
            region_positions(torch.ones(8, 8, dtype=torch.bool), strides)
