"""Distances to a memory have all their digits, and an image's score is reweighted as PatchCore's."""

import numpy as np
import pytest
import torch

from hvae_ref.features import (
    AnomalyScore,
    FeatureEstimator,
    FeaturePyramid,
    GaussianMixture,
    MapGeometry,
    NearestNeighbour,
    PositionGaussian,
    Reduction,
    aligned,
    crop_features,
    image_aurocs,
    leading_components,
    local_contrast,
    pixel_auroc,
    plots,
    position_of,
    region_positions,
    residual_log_prob,
    tiles,
)
from hvae_ref.features.data.foreign_patches import paste


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_a_memory_is_at_no_distance_from_itself_in_any_batch(mean):
    features = {"level1": mean + torch.randn(6, 64, 8, 8)}
    nearest = NearestNeighbour(memory=10_000).fit(features)
    assert nearest.surprise(features).max() == 0
    others = {"level1": features["level1"].flip(3) + 0.01 * torch.randn(6, 64, 8, 8)}
    whole = nearest.surprise(others)
    apart = torch.cat([nearest.surprise({"level1": f[None]}) for f in others["level1"]])
    torch.testing.assert_close(whole, apart, rtol=1e-5, atol=1e-6)
    rows, memory = (f["level1"].movedim(1, -1).flatten(0, -2).double() for f in (others, features))
    exact = torch.cdist(rows, memory, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    torch.testing.assert_close(whole.flatten().double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("neighbours", [1, 3, 9, 1000])
def test_an_image_s_score_is_that_of_the_paper(neighbours):
    train, test = ({"level1": torch.randn(n, 3, 4, 4)} for n in (3, 5))
    nearest = NearestNeighbour(memory=100).fit(train)
    memory = nearest.rows.double().numpy()
    scores = nearest.image_surprise(test, neighbours)
    for image, score in zip(test["level1"].double().numpy(), scores, strict=True):
        rows = image.reshape(3, -1).T
        distance = np.linalg.norm(rows[:, None] - memory, axis=-1)
        farthest = distance.min(1).argmax()
        at = distance[farthest].argmin()
        near = np.linalg.norm(memory - memory[at], axis=-1).argsort(kind="stable")[:neighbours]
        weight = 1 - np.exp(distance[farthest, at]) / np.exp(distance[farthest, near]).sum()
        expected = (1 if neighbours == 1 else weight) * distance[farthest, at]
        assert score.item() == pytest.approx(expected, rel=1e-4)
    assert scores.shape == (5,) and (scores <= nearest.surprise(test).amax((1, 2))).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_memory_of_half_precision_is_that_of_the_same_numbers_in_single(dtype):
    """Squared distances above 65,504 and differences below the rounding of half precision choose the same rows."""
    half = {"level1": (300 * torch.randn(4, 8, 4, 4, generator=torch.Generator().manual_seed(0))).to(dtype)}
    single = {level: f.float() for level, f in half.items()}
    narrow, wide = (NearestNeighbour(memory=12).fit(f) for f in (half, single))
    assert narrow.rows.dtype == torch.float32
    torch.testing.assert_close(narrow.rows, wide.rows)
    torch.testing.assert_close(narrow.surprise(half), wide.surprise(single))


MAPS = {"a": torch.randn(3, 4, 4)}
FEATURES = {"a": torch.randn(4, 3, 4, 4)}
SCORES, MASKS = torch.rand(2, 4, 4), torch.rand(2, 4, 4) > 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: PositionGaussian(1e-30).fit({"a": torch.ones(4, 3, 2, 2) * torch.rand(4, 1, 1, 1)}),
            "shrinkage: expected",
        ),
        (lambda: PositionGaussian(1e-17).fit(FEATURES), "shrinkage: expected more than rounding"),
        (lambda: PositionGaussian(float("inf")), "shrinkage: expected a number > 0, got inf"),
        (lambda: PositionGaussian("0.1"), "shrinkage: expected a number > 0, got '0.1'"),
        (lambda: PositionGaussian(True), "shrinkage: expected a number > 0, got True"),
        (lambda: NearestNeighbour(2.5), "memory: expected a whole number of at least 1, got 2.5"),
        (lambda: NearestNeighbour(True), "memory: expected a whole number of at least 1, got True"),
        (lambda: NearestNeighbour(seed=None), "seed: expected a whole number of at least 0, got None"),
        (
            lambda: NearestNeighbour().fit(FEATURES).image_surprise(FEATURES, 0),
            "neighbours: expected a whole number of at least 1, got 0",
        ),
        (lambda: NearestNeighbour().image_surprise(FEATURES), "call fit first"),
        (lambda: AnomalyScore(MAPS, (4, 4), smoothing=True), "size, smoothing: expected .* and True"),
        (lambda: AnomalyScore(MAPS, (4, 4))([MAPS["a"]]), "surprise: expected maps by level, .*, got list"),
        (lambda: pixel_auroc(SCORES, MASKS, seed=-1), "seed: expected a whole number of at least 0, got -1"),
        (
            lambda: pixel_auroc(SCORES, MASKS, resamples=2.5),
            "resamples: expected a whole number of at least 1, got 2.5",
        ),
        (lambda: MapGeometry((4, 4), (8, 8), 4.0, (0.0, 0.0)), "stride: expected two finite numbers above 0, got 4.0"),
        (lambda: MapGeometry((4, 4), (8, 8), (2.0, True), (0, 0)), "stride: expected two finite numbers above 0"),
        (lambda: MapGeometry((4, 4), (8, 8), (2.0, 2.0), ("0", "0")), "first: expected two finite numbers, got"),
        (lambda: tiles((4, 4), (8, 8)).position_of(3), "pixel: expected .y, x. with .*, got 3"),
        (lambda: region_positions(torch.ones(8, 8).bool(), {"a": 4.0}), "strides: expected a whole number .*4.0"),
        (lambda: region_positions(torch.ones(8, 8).bool(), 4), "strides: expected a whole number of .*, got 4"),
        (lambda: local_contrast(torch.rand(1, 3, 16, 16), 8.0), "window: expected an even number .*, got 8.0"),
        (lambda: Reduction(True), "dims: expected a whole number of at least 1, got True"),
        (lambda: aligned(FEATURES["a"]), r"features: expected maps by level, got shape \(4, 3, 4, 4\)"),
        (lambda: aligned({"a": FEATURES["a"].numpy()}), r"a: expected a tensor \(B, D, H, W\), got shape"),
        (lambda: AnomalyScore(MAPS, size=16), "size, smoothing: expected .H, W. of at least 1 .* got 16"),
        (lambda: AnomalyScore(MAPS, size=(16.0, 16.0)), "size, smoothing: expected"),
        (lambda: AnomalyScore(MAPS, size="16"), "size, smoothing: expected"),
        (lambda: AnomalyScore(MAPS["a"], size=(4, 4)), "normal: expected maps of at least one level, got shape"),
        (lambda: AnomalyScore({"a": MAPS["a"].numpy()}, (4, 4)), "a: expected maps .B, H, W., got shape"),
        (lambda: AnomalyScore(MAPS, (4, 4))({"a": torch.randn(3, 5, 5)}), r"a: expected maps \(4, 4\), as the normal"),
        (lambda: pixel_auroc(SCORES.numpy(), MASKS), "scores: expected a tensor"),
        (lambda: pixel_auroc(SCORES, MASKS.numpy()), "masks: expected a tensor"),
        (lambda: image_aurocs(SCORES.tolist(), MASKS), "scores: expected a tensor .*, got list"),
        (lambda: pixel_auroc(MASKS, MASKS), "scores: expected real numbers, got torch.bool"),
        (lambda: Reduction(2).fit(torch.randn(4, 3, 4, 4)), "features: expected maps by level, or batches of them"),
        (lambda: Reduction(2).fit({"a": FEATURES["a"].numpy()}), "features.'a'.: expected floating-point values"),
        (lambda: Reduction(2).fit(3), "features: expected maps by level, or batches of them, got int"),
        (lambda: Reduction(2).fit(FEATURES).transform(FEATURES["a"]), "features: expected maps by level"),
        (lambda: Reduction(2.5), "dims: expected a whole number of at least 1, got 2.5"),
    ],
)
def test_what_cannot_be_scored_is_named(call, message, unchecked):
    with pytest.raises(ValueError, match=message):
        call()


IMAGES, DIMS = torch.rand(2, 3, 16, 16), {"a": 3}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: GaussianMixture(np.zeros(2), torch.zeros(2, 2), torch.eye(2).expand(2, 2, 2)),
            "logits: expected a tensor",
        ),
        (lambda: leading_components({"a": FEATURES["a"].numpy()}, DIMS), r"whitened\['a'\]: expected a tensor"),
        (lambda: residual_log_prob(FEATURES["a"], 2), "whitened, dims: expected both by level, got shape"),
        (lambda: crop_features({"level1": np.zeros((1, 2, 4, 4))}, (0, 0, 8, 8)), "level1: expected a tensor"),
        (lambda: region_positions(np.ones((8, 8), bool)), "region: expected booleans .H, W., got shape"),
        (lambda: position_of((3, 3), (4, 4), 0), "stride: expected at least 1 pixel, got 0"),
        (lambda: position_of("ab", (4, 4), 4), "pixel: expected .y, x."),
        (lambda: paste(IMAGES.numpy(), IMAGES), "images: expected a floating-point tensor"),
        (lambda: paste(IMAGES, 255 * IMAGES), r"foreign: expected values in \[0, 1\], got values from"),
        (lambda: paste(IMAGES[0], IMAGES[0]), r"images: expected a floating-point tensor \(n, C, H, W\)"),
        (lambda: paste((255 * IMAGES).byte(), IMAGES), "images: expected a floating-point tensor"),
        (lambda: local_contrast(255 * IMAGES), r"images: expected floats in \[0, 1\], got values from"),
        (lambda: plots.anomaly_maps(IMAGES.numpy(), {"a": IMAGES[:, 0]}), "images: expected a tensor"),
        (lambda: plots.anomaly_maps(IMAGES, {"a": IMAGES[:, 0].numpy()}), "a: expected a tensor"),
        (
            lambda: plots.anomaly_maps(255 * IMAGES, {"a": IMAGES[:, 0]}),
            r"images: expected values in \[0, 1\], got up to",
        ),
        (lambda: plots.feature_maps(IMAGES[0].numpy(), {"a": IMAGES[0, 0]}), "image: expected a tensor"),
        (lambda: plots.feature_maps(255 * IMAGES[0], {"a": IMAGES[0, 0]}), r"image: expected values in \[0, 1\]"),
        (lambda: plots.feature_maps(IMAGES[0], {"a": IMAGES[0, 0].numpy()}), r"maps\['a'\]: expected a tensor"),
        (lambda: plots.picture_rows({"a": IMAGES.numpy()}), r"rows\['a'\]: expected images"),
        (lambda: plots.path_curves({"a": np.zeros(4)}), "a: expected a tensor"),
        (
            lambda: AnomalyScore({"a": torch.randn(2, 4, 8)}, (16, 8)),
            r"geometry: expected one for a, whose maps \(4, 8\)",
        ),
    ],
)
def test_what_is_no_map_or_picture_is_named(call, message, unchecked):
    with pytest.raises(ValueError, match=message):
        call()


def test_sizes_of_numpy_are_sizes(unchecked):
    score = AnomalyScore({"a": torch.randn(4, 4, 4)}, tuple(np.array([8, 8])))
    assert score.size == (8, 8) and score(MAPS)["combined"].shape == (3, 8, 8)


class Picture:
    """What a PIL image looks like to the pyramid."""

    def getbands(self):
        return ("R", "G", "B")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 3, 64, 64), np.float32), "got shape .1, 3, 64, 64. float32; torch.from_numpy makes one"),
        (Picture(), "got Picture; torchvision.transforms.functional.to_tensor"),
        ([torch.zeros(3, 64, 64)], "got list; torch.stack makes one"),
        ("cat.png", "a tensor .B, 3, H, W. in .0, 1., got str"),
        (None, "got NoneType"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.bool), "got torch.bool; use images.float()"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint16), "got torch.uint16; divide by 65535"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.int64), "got torch.int64; divide by their largest possible value"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.complex64), "got torch.complex64"),
        (torch.zeros(1, 64, 64, 3), r"got \(1, 64, 64, 3\); images.movedim\(-1, 1\)"),
        (torch.zeros(3, 64, 64), r"got \(3, 64, 64\); images\[None\]"),
        (200 * torch.rand(1, 3, 64, 64), "got values from .*; divide by 255"),
        (2 * torch.rand(1, 3, 64, 64) - 1, r"\(images \+ 1\) / 2"),
    ],
)
def test_images_that_are_no_tensors_or_of_other_types_are_named(pyramid, images, message, unchecked):
    for call in (pyramid, pyramid.stream):
        if call is pyramid or not (
            isinstance(images, torch.Tensor) and images.dtype == torch.float32 and images.ndim == 4
        ):
            with pytest.raises(ValueError, match=f"^images: expected .*{message}"):
                call(images)


@pytest.fixture(scope="module")
def pyramid():
    return FeaturePyramid("timm:resnet10t", pretrained=False)


def test_an_estimator_finds_a_pixel_by_the_geometry(unchecked):
    class Flat:
        dims = {"a": 2}

        def distribution(self, level, features, positions=None):
            shape = (1, len(positions), 1)
            return GaussianMixture(torch.zeros(shape), torch.zeros(*shape, 2), torch.eye(2).expand(*shape, 2, 2))

    features = {"a": torch.randn(1, 2, 4, 4)}
    moved = MapGeometry((4, 4), (16, 16), (4.0, 4.0), (0.0, -2.0))
    found = FeatureEstimator(Flat(), features, geometry={"a": moved}).at("a", pixel=(2, 3))
    assert (found.row, found.column) == (1, 1)
    assert torch.equal(found.observed, features["a"][0, :, 1, 1])
    found = FeatureEstimator(Flat(), features, {"a": 4}).at("a", pixel=(2, 3))
    assert (found.row, found.column) == (0, 0)

    grid = tiles((4, 4), (16, 16))
    with pytest.raises(ValueError, match="geometry: expected that of a a map"):
        FeatureEstimator(Flat(), {"a": torch.randn(1, 2, 5, 4)}, geometry={"a": grid})
    with pytest.raises(ValueError, match="features: expected maps by level"):
        FeatureEstimator(Flat(), torch.randn(1, 2, 5, 4))


def test_numbers_of_numpy_and_lists_are_taken(unchecked):
    assert NearestNeighbour(memory=np.int64(5), seed=np.int64(1)).fit(FEATURES).rows.shape == (5, 3)
    assert PositionGaussian(np.float32(0.01)).shrinkage == pytest.approx(0.01)
    assert Reduction({"a": np.int64(2)}).fit(FEATURES).transform(FEATURES)["a"].shape == (4, 2, 4, 4)
    assert Reduction(np.int64(2)).dims == 2
    assert AnomalyScore(MAPS, (4, 4), smoothing=np.float32(1))(MAPS)["combined"].shape == (3, 4, 4)
    listed = MapGeometry([4, 4], [8, 8], [2, 2.0], [0, 0.5])
    assert listed == MapGeometry((4, 4), (8, 8), (2.0, 2.0), (0.0, 0.5)) and hash(listed)
    assert listed.to_pixels(torch.rand(1, 4, 4)).shape == (1, 8, 8)
    assert local_contrast(torch.rand(1, 3, 16, 16), np.int64(8)).shape[1] == 2
