"""The baselines are what their papers say: Mahalanobis distances at each position, distances to a near neighbour."""

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from hvae_ref.features.measures.baselines import NearestNeighbour, PositionGaussian, aligned, local_contrast


def maps(n=40, seed=0, **sizes):
    generator = torch.Generator().manual_seed(seed)
    sizes = sizes or {"level1": (3, 6, 6), "level2": (2, 3, 3)}
    return {level: torch.randn(n, *size, generator=generator, dtype=torch.float64) for level, size in sizes.items()}


def test_levels_stand_side_by_side_at_the_place_they_belong_to():
    features = {"level1": torch.zeros(1, 2, 4, 4), "level2": torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])}
    f = aligned(features)
    assert f.shape == (1, 3, 4, 4) and f[0, :2].abs().max() == 0
    assert f[0, 2, [0, 0, 3, 3], [0, 3, 0, 3]].tolist() == [1, 2, 3, 4]


def test_each_position_has_its_own_gaussian_as_scikit_learn_has_it():
    train, test = maps(), maps(n=5, seed=1)
    distances = PositionGaussian(shrinkage=1e-9).fit(train).surprise(test)
    f, g = aligned(train).numpy(), aligned(test).numpy()
    for row, column in ((0, 0), (2, 5), (5, 3)):
        reference = EmpiricalCovariance().fit(f[:, :, row, column])
        # Scikit-learn divides by n, PaDiM by n − 1.
        expected = np.sqrt(reference.mahalanobis(g[:, :, row, column]) * (len(f) - 1) / len(f))
        assert np.allclose(distances[:, row, column].numpy(), expected)


def test_one_gaussian_for_all_positions():
    train, test = maps(), maps(n=5, seed=1)
    distances = PositionGaussian(shrinkage=1e-9, shared=True).fit(train).surprise(test)
    rows = aligned(train).movedim(1, -1).flatten(0, -2).numpy()
    points = aligned(test).movedim(1, -1).flatten(0, -2).numpy()
    expected = np.sqrt(EmpiricalCovariance().fit(rows).mahalanobis(points) * (len(rows) - 1) / len(rows))
    assert np.allclose(distances.flatten().numpy(), expected)
    larger = maps(n=2, level1=(3, 8, 10), level2=(2, 4, 5))
    assert PositionGaussian(shared=True).fit(train).surprise(larger).shape == (2, 8, 10)


def test_a_gaussian_at_each_position_knows_where_a_thing_belongs_and_a_shared_one_does_not():
    train = maps(n=60, level1=(2, 4, 4))
    train["level1"][:, :, 0] += 10
    moved = {"level1": train["level1"].flip(2)}
    own, shared = PositionGaussian().fit(train), PositionGaussian(shared=True).fit(train)
    assert own.surprise(moved)[:, [0, -1]].mean() > 5 * own.surprise(train)[:, [0, -1]].mean()
    assert shared.surprise(moved).mean() == pytest.approx(shared.surprise(train).mean().item())


def test_shrinkage_keeps_constant_features_finite():
    constant = {"level1": torch.full((4, 3, 2, 2), 0.5)}
    gaussian = PositionGaussian(shrinkage=0.01).fit(constant)
    assert torch.allclose(gaussian.surprise(constant), torch.zeros(4, 2, 2), atol=1e-5)
    assert torch.allclose(gaussian.surprise({"level1": constant["level1"] + 0.1}), torch.tensor(3**0.5), atol=1e-4)


def test_neighbours_are_those_of_scikit_learn():
    train, test = maps(), maps(n=5, seed=1)
    nearest = NearestNeighbour(memory=10_000).fit(train)
    rows = aligned(train).movedim(1, -1).flatten(0, -2)
    assert len(nearest.rows) == len(rows)
    points = aligned(test).movedim(1, -1).flatten(0, -2)
    expected, _ = NearestNeighbors(n_neighbors=1).fit(rows.numpy()).kneighbors(points.numpy())
    assert np.allclose(nearest.surprise(test).flatten().numpy(), expected[:, 0])


def test_the_memory_covers_rare_vectors_and_follows_its_seed():
    train = maps(n=40, level1=(2, 8, 8))
    train["level1"][0, :, 0, 0] = 30
    nearest = NearestNeighbour(memory=20).fit(train)
    assert len(nearest.rows) == 20 and len(nearest.rows.unique(dim=0)) == 20
    assert (nearest.rows == 30).all(1).any()
    rows = train["level1"].movedim(1, -1).flatten(0, -2)
    # A greedy cover is at most twice as wide as the best one, and far better than a random one.
    random = torch.cdist(rows, rows[torch.randperm(len(rows))[:20]]).amin(1).max()
    assert nearest.surprise(train).max() < 0.7 * random
    assert torch.equal(nearest.rows, NearestNeighbour(memory=20).fit(train).rows)
    assert not torch.equal(nearest.rows, NearestNeighbour(memory=20, seed=1).fit(train).rows)


def test_chunks_change_nothing(monkeypatch):
    train, test = maps(), maps(n=5, seed=1)
    nearest = NearestNeighbour(memory=50).fit(train)
    whole = nearest.surprise(test)
    monkeypatch.setattr("hvae_ref.features.measures.baselines.ROWS_AT_ONCE", 7)
    assert torch.allclose(nearest.surprise(test), whole, atol=1e-12)


def test_local_contrast_sees_brightness_and_spread_and_nothing_else():
    image = torch.full((1, 1, 64, 64), 0.5)
    image[..., :32] += 0.2 * (torch.arange(64)[:, None] % 2 - 0.5) * torch.ones(32)
    brightness, spread = local_contrast(image, window=16)[0]
    assert torch.allclose(brightness[1:-1, 1:-1], torch.tensor(0.5), atol=1e-4)
    assert spread[1:-1, 1].exp().mean().item() == pytest.approx(0.101, abs=1e-3)
    assert spread[1:-1, -2].exp().mean().item() == pytest.approx(0.001, abs=1e-3)
    # Another pattern of equal mean and spread.
    other = image.mT.clone().mT
    other[..., :32] = 0.5 + 0.2 * (torch.arange(32) % 2 - 0.5)
    assert torch.allclose(local_contrast(image)[..., 1:-1, 1], local_contrast(other)[..., 1:-1, 1], atol=1e-3)
    assert torch.allclose(local_contrast(image.expand(-1, 3, -1, -1)), local_contrast(image), atol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aligned({}), "features: expected at least one level, got none"),
        (lambda: aligned({"a": torch.zeros(2, 3)}), r"a: expected shape \(B, D, H, W\)"),
        (lambda: aligned({"a": torch.zeros(0, 3, 2, 2)}), r"a: expected shape \(B, D, H, W\) with at least one"),
        (lambda: aligned({"a": torch.full((1, 1, 2, 2), torch.nan)}), "a: expected finite numbers"),
        (lambda: aligned({"a": torch.zeros(1, 1, 2, 2), "b": torch.zeros(2, 1, 2, 2)}), "expected one batch size"),
        (lambda: PositionGaussian(0), "shrinkage: expected a number > 0, got 0"),
        (lambda: PositionGaussian().fit(maps(n=1)), "expected at least two vectors for each Gaussian, got 1"),
        (lambda: PositionGaussian().surprise(maps()), "call fit first"),
        (lambda: PositionGaussian().fit(maps()).surprise(maps(level1=(5, 4, 4))), r"maps \(6, 6\), got \(5, 4, 4\)"),
        (lambda: PositionGaussian().fit(maps()).surprise({"level1": maps()["level1"]}), "expected 5 channels"),
        (lambda: NearestNeighbour(0), "memory: expected a whole number of at least 1, got 0"),
        (lambda: NearestNeighbour().surprise(maps()), "call fit first"),
        (lambda: NearestNeighbour().fit(maps()).surprise({"a": maps()["level1"]}), "expected 5 channels, got 3"),
        (lambda: local_contrast(torch.zeros(1, 1, 32, 32), 5), "window: expected an even number from 2 to 32 .* got 5"),
        (lambda: local_contrast(torch.zeros(1, 1, 32, 8), 16), "window: expected an even number from 2 to 8"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


FITS = [PositionGaussian, lambda: PositionGaussian(shared=True), lambda: NearestNeighbour(memory=20)]


def two_levels(n=6, dtype=torch.float32):
    return {"level1": torch.randn(n, 3, 4, 5, dtype=dtype), "level2": torch.randn(n, 4, 2, 3, dtype=dtype)}


@pytest.mark.parametrize("make", FITS)
def test_levels_in_another_order_or_by_other_names_are_errors(make, unchecked):
    features = two_levels()
    fit = make().fit(features)
    for wrong in (dict(reversed(features.items())), {"a": features["level1"], "b": features["level2"]}):
        with pytest.raises(ValueError, match="features: expected (the levels of the fit|7 channels and maps)"):
            fit.surprise(wrong)


@pytest.mark.parametrize("make", FITS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_features_of_another_precision_give_the_same(make, dtype):
    features = two_levels()
    fit = make().fit(features)
    other = fit.surprise({level: f.to(dtype) for level, f in features.items()})
    assert torch.allclose(other.float(), fit.surprise(features), atol=0.05)
    assert make().fit({level: f.to(dtype) for level, f in features.items()}).surprise(features).isfinite().all()


@pytest.mark.parametrize("make", FITS)
def test_whole_numbers_are_named(make, unchecked):
    with pytest.raises(ValueError, match="level1: expected floating-point values, got torch.int32"):
        make().fit({level: f.int() for level, f in two_levels().items()})


def test_a_large_mean_costs_the_nearest_neighbour_no_digits():
    features = {"level1": 1000 + torch.randn(6, 3, 4, 5)}
    assert NearestNeighbour(memory=1000).fit(features).surprise(features).max() < 0.01


@pytest.mark.parametrize("images", [torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.rand(3, 32, 32)])
def test_images_that_have_no_contrast_to_measure_are_named(images, unchecked):
    with pytest.raises(ValueError, match="images: expected floats"):
        local_contrast(images)
