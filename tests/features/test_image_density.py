"""One density on features or on latents: what it is over, how it is fitted, and what a prior made of it is worth."""

import pytest
import torch

from hvae_ref.features import (
    ConvTwoLevelVAE,
    FeaturePyramid,
    HierarchicalLatentDensity,
    ImageDensity,
    SpatialGraphDensity,
)

DIMS = {"level1": 3, "level2": 3, "level3": 2, "level4": 2}


def vae(prior: str = "standard", seed: int = 0) -> ConvTwoLevelVAE:
    """Small, with posteriors far from N(0, I): as one finds them where a model was trained, or here at random."""
    torch.manual_seed(seed)
    model = ConvTwoLevelVAE.convolutional((1, 6, 6), (2, 3), (1, 1), 8, prior=prior, prior_components=2, prior_width=8)
    with torch.no_grad():
        for q in (model.q_z2_given_r2, model.q_z1_given_state):
            q.net[-1].weight.mul_(4)
            # Means around 1 and small variances.
            channels = q.net[-1].out_channels // 2
            q.net[-1].bias.copy_(torch.cat([torch.ones(channels), torch.full((channels,), -1.5)]))
    return model


def digits(n: int, seed: int = 0) -> torch.Tensor:
    """Two kinds of images, each with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(0, 2, (2, 1, 6, 6), generator=torch.Generator().manual_seed(9))
    kind = torch.randint(0, 2, (n,), generator=generator)
    noise = (torch.rand(n, 1, 6, 6, generator=generator) < 0.05).long()
    return (kinds[kind] ^ noise).float()


@pytest.fixture(scope="module")
def pyramid() -> FeaturePyramid:
    torch.manual_seed(0)
    return FeaturePyramid("efficientnet_lite0", pretrained=False)


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.rand(4, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def on_features(pyramid, crops) -> ImageDensity:
    density = ImageDensity("features", pyramid, DIMS, components=2)
    density.fit(crops, crops[:2], epochs=1)
    return density


def test_features_are_reduced_maps_of_the_pyramid(on_features, pyramid, crops) -> None:
    with torch.no_grad():
        expected = on_features.reduction.transform(pyramid(crops))
        found = on_features.log_prob(crops)
        for level, log_p in on_features.density.log_prob(expected).items():
            torch.testing.assert_close(on_features.maps(crops)[level], expected[level], atol=1e-4, rtol=1e-4)
            assert found[level].shape == (4, *expected[level].shape[2:])
            torch.testing.assert_close(found[level], log_p, atol=1e-3, rtol=1e-3)
    # Whitened: of variance 1 over the positions of the fit.
    spread = torch.cat([f.movedim(1, -1).flatten(0, -2) for level, f in expected.items() if level == "level1"]).var(0)
    torch.testing.assert_close(spread, torch.ones(3), atol=1e-2, rtol=0)


def test_other_images_are_less_likely_than_those_it_knows(on_features, crops) -> None:
    flat = torch.full_like(crops, 0.5)
    known, other = on_features.log_prob(crops), on_features.log_prob(flat)
    assert all(known[level].mean() > other[level].mean() for level in ("level1", "level2"))


def test_draws_have_the_shapes_of_the_fit_or_those_asked_for(on_features) -> None:
    drawn = on_features.sample(2)
    assert {level: tuple(f.shape) for level, f in drawn.items()} == {
        "level1": (2, 3, 16, 24), "level2": (2, 3, 8, 12), "level3": (2, 2, 4, 6), "level4": (2, 2, 2, 3)
    }  # fmt: skip
    shapes = {"level1": (4, 4), "level2": (2, 2), "level3": (1, 1), "level4": (1, 1)}
    assert on_features.sample(3, shapes, temperature=0.5)["level1"].shape == (3, 3, 4, 4)


def test_the_source_and_the_callers_random_numbers_are_left_alone(pyramid) -> None:
    model, x = vae().train(), digits(30)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    density = ImageDensity("latents", model, components=2)
    density_weights = density.density.state_dict()
    torch.manual_seed(5)
    density.fit(x, x, epochs=1, seed=3)
    density.log_prob(x)
    assert torch.equal(torch.rand(3), expected) and model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert density_weights.keys() == density.density.state_dict().keys()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_latents_are_draws_that_a_seed_decides() -> None:
    model, x = vae(), digits(250)
    density = ImageDensity("latents", model, components=2)
    a, b, c = density.maps(x, 1), density.maps(x, 1), density.maps(x, 2)
    assert list(a) == ["z1", "z2"] and a["z1"].shape == (250, 2, 3, 3) and a["z2"].shape == (250, 3, 2, 2)
    torch.testing.assert_close(a, b)
    assert not any(torch.allclose(a[level], c[level], rtol=1e-2) for level in a)
    # Around the posterior's mean, with the posterior's spread.
    with torch.no_grad():
        q = model.q_z2_given_r2(model.side_path(x)[1])
    score = (a["z2"] - q.mean) / q.stddev
    assert abs(score.mean()) < 0.1 and abs(score.std() - 1) < 0.1
    means = ImageDensity("latents", model, take="mean")
    torch.testing.assert_close(means.maps(x, 1)["z2"], q.mean)
    torch.testing.assert_close(means.maps(x, 1)["z1"], means.maps(x, 2)["z1"])


@pytest.fixture(scope="module")
def bounds() -> dict[str, float]:
    """The mean bound on new images under each prior, from the same random numbers."""
    model, x, new = vae(), digits(300), digits(200, seed=1)

    def bound(other: ConvTwoLevelVAE) -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            return other.log_weight(new, 8).mean().item()

    found = {"standard": bound(model)}
    for take in ("sample", "mean"):
        density = ImageDensity("latents", model, components=3, take=take)
        density.fit(x, digits(100, seed=2), epochs=2, batch_size=50)
        found[take] = bound(density.as_prior())
    return found


def test_a_fitted_density_is_a_better_prior_than_the_standard_one(bounds) -> None:
    assert bounds["sample"] > bounds["standard"] + 5, bounds


def test_a_density_of_means_is_a_worse_prior_than_one_of_draws(bounds) -> None:
    assert bounds["mean"] < bounds["sample"] - 5, bounds


def test_the_prior_is_the_fitted_density() -> None:
    model, x = vae(), digits(60)
    density = ImageDensity("latents", model, components=2)
    density.fit(x, epochs=1)
    prior, maps = density.as_prior(), density.maps(x, 4)
    with torch.no_grad():
        log_p = {level: value.flatten(1).sum(1) for level, value in density.log_prob(x, 4).items()}
        close = {"rtol": 1e-4, "atol": 1e-3}  # sums over many positions
        torch.testing.assert_close(prior.p_z2(60).log_prob(maps["z2"]), log_p["z2"], **close)
        torch.testing.assert_close(prior.p_z1_given_z2(maps["z2"]).log_prob(maps["z1"]), log_p["z1"], **close)
    drawn = density.sample(4)
    assert drawn["z1"].shape == (4, 2, 3, 3) and drawn["z2"].shape == (4, 3, 2, 2)
    assert prior.decode(drawn).mean.shape == (4, 1, 6, 6)


def test_a_graph_may_take_the_place_of_the_chain() -> None:
    model, x = vae(), digits(100)
    graph = SpatialGraphDensity({"z1": 2, "z2": 3}, components=2, width=8)
    density = ImageDensity("latents", model, density=graph)
    density.fit(x, digits(50, seed=2), epochs=1)
    log_p, prior = density.log_prob(x, 3), density.as_prior()
    assert density.density is graph and log_p["z1"].shape == (100, 3, 3)
    z = density.maps(x, 3)
    with torch.no_grad():
        found = prior.p_z1_given_z2(z["z2"]).log_prob(z["z1"])
    torch.testing.assert_close(found, log_p["z1"].flatten(1).sum(1), atol=1e-4, rtol=1e-4)


def test_every_pass_draws_anew_and_sees_every_image_once() -> None:
    from hvae_ref.features.latents.image_density import Draws

    density, x = ImageDensity("latents", vae(), components=2, take="mean"), digits(250)
    everything = density.maps(x)["z1"].flatten(1)
    draws = Draws(density, x)
    passes = [torch.cat([batch["z1"] for batch in draws]).flatten(1) for _ in range(2)]
    for one in passes:
        torch.testing.assert_close(one.sum(0), everything.sum(0), atol=1e-3, rtol=1e-4)
        assert len(one) == 250 and not torch.equal(one, everything)
    assert not torch.equal(*passes)


def test_a_jointly_trained_density_is_the_models_own() -> None:
    model, x = vae("density"), digits(5)
    density = ImageDensity("latents", model)
    assert density.density is model.density
    expected = model.density.log_prob(density.maps(x, 1))
    torch.testing.assert_close(dict(density.log_prob(x, 1)), dict(expected), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="fit: this density is the prior that its model was trained with"):
        density.fit(x)
    with pytest.raises(ValueError, match="density: expected None"):
        ImageDensity("latents", model, density=HierarchicalLatentDensity({"z1": 2, "z2": 3}))


def test_a_saved_and_loaded_density_gives_the_same_numbers(pyramid, on_features, crops) -> None:
    x = digits(40)
    latents = ImageDensity("latents", vae(), components=2)
    latents.fit(x, epochs=1)
    fresh = [ImageDensity("latents", vae(seed=1), components=2), ImageDensity("features", pyramid, DIMS, components=2)]
    for density, other, images in zip([latents, on_features], fresh, [x, crops], strict=True):
        with pytest.raises(ValueError, match="density: not fitted yet; call fit first"):
            other.sample(1)
        other.load_state_dict(density.state_dict())
        torch.testing.assert_close(density.log_prob(images), other.log_prob(images), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="shapes: expected .* for each of level1, level2, level3, level4, got None"):
        fresh[1].sample(1)


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_is_refused(pyramid, on_features, crops) -> None:
    model = vae()
    for name, told in (("latent", "did you mean 'latents'"), ("feature", "did you mean 'features'"), (3, "3$")):
        with pytest.raises(ValueError, match=f"input_type: expected 'features' or 'latents', got .*?{told}"):
            ImageDensity(name, model)
    with pytest.raises(ValueError, match="take: expected 'sample' or 'mean', got 'means'; did you mean 'mean'"):
        ImageDensity("latents", model, take="means")
    with pytest.raises(ValueError, match="source: expected a ConvTwoLevelVAE for latents, got a FeaturePyramid"):
        ImageDensity("latents", pyramid)
    with pytest.raises(ValueError, match="source: expected a FeaturePyramid for features, got a ConvTwoLevelVAE"):
        ImageDensity("features", model)
    with pytest.raises(ValueError, match="dims: expected one for each of level1, level2, level3, level4, got level1"):
        ImageDensity("features", pyramid, {"level1": 3})
    with pytest.raises(ValueError, match="dims: expected .*at least 1, got 0"):
        ImageDensity("features", pyramid, 0)
    with pytest.raises(ValueError, match=r"density: expected one over {'z1': 2, 'z2': 3}, got {'z1': 2}"):
        ImageDensity("latents", model, density=HierarchicalLatentDensity({"z1": 2}))
    with pytest.raises(ValueError, match="as_prior: expected input_type 'latents', got 'features'"):
        on_features.as_prior()
    fresh = ImageDensity("latents", model)
    for call in (lambda: fresh.log_prob(digits(2)), lambda: fresh.sample(1), fresh.as_prior):
        with pytest.raises(ValueError, match="density: not fitted yet; call fit first"):
            call()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("method", ["maps", "fit", "log_prob"])
def test_images_that_do_not_fit_are_refused(on_features, crops, method: str) -> None:
    latents = ImageDensity("latents", vae(), components=2)
    latents.fit(digits(20), epochs=1)
    for bad in (digits(3) / 2, digits(3) * torch.nan, digits(3)[..., :5], digits(3)[:0], digits(3).flatten(1)):
        with pytest.raises(ValueError, match="x: expected"):
            getattr(latents, method)(bad)
    for bad in (crops * torch.nan, (crops * 255).to(torch.uint8), crops[:, :2], crops[..., :8], crops[:0], crops + 1):
        with pytest.raises(ValueError, match="images: expected"):
            getattr(on_features, method)(bad)
