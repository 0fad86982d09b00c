"""Latents that are maps: their shapes, what each prior connects, and a prior changed afterwards."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from hvae_ref.elbo import analytic_kl_or_sample, log_mean_exp, sampled_kl
from hvae_ref.features import ConvTwoLevelVAE, GaussianMixture, HierarchicalLatentDensity, SpatialGraphDensity
from hvae_ref.features.latents.map_prior import MapPrior
from hvae_ref.nn.grey_levels import LogisticMixture
from hvae_ref.nn.likelihoods import Normal
from hvae_ref.training import TrainConfig, fit


def small(prior: str = "standard", seed: int = 0, **settings) -> ConvTwoLevelVAE:
    torch.manual_seed(seed)
    arguments = {"x_shape": (1, 4, 5), "latent_channels": (2, 3), "halvings": (1, 1), "hidden": 6}
    model = ConvTwoLevelVAE.convolutional(
        **(arguments | {"prior": prior, "prior_components": 2, "prior_width": 8} | settings)
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def images(n: int, height: int = 4, width: int = 5) -> torch.Tensor:
    return torch.randint(0, 2, (n, 1, height, width), generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize(
    ("x_shape", "settings", "z2", "z1"),
    [
        ((1, 28, 28), {}, (8, 4, 4), (4, 7, 7)),
        ((1, 8, 8), {"halvings": (1, 1)}, (8, 2, 2), (4, 4, 4)),
        ((1, 8, 8), {"halvings": (0, 3)}, (8, 1, 1), (4, 8, 8)),
        ((1, 8, 8), {"halvings": (2, 0)}, (8, 2, 2), (4, 2, 2)),
        ((3, 5, 7), {"halvings": (1, 1)}, (8, 2, 2), (4, 3, 4)),
        ((1, 1, 1), {}, (8, 1, 1), (4, 1, 1)),
    ],
)
@pytest.mark.parametrize("prior", ["standard", "density"])
def test_maps_have_the_halved_sizes(x_shape, settings, z2, z1, prior) -> None:
    model = ConvTwoLevelVAE.convolutional(x_shape, hidden=4, prior=prior, prior_components=2, prior_width=8, **settings)
    assert model.shapes == {"z2": z2, "z1": z1}
    assert model.dims == {"z2": math.prod(z2), "z1": math.prod(z1)}
    x = torch.ones(3, *x_shape)
    assert model.elbo(x).value.shape == (3,) and model.reconstruct(x).shape == model.sample(3).shape == x.shape


def test_a_mean_image_moves_with_the_pixels_it_is_decoded_to() -> None:
    """Brighter numbers in one channel of the last layer are brighter pixels in that channel, and in no other."""
    model = ConvTwoLevelVAE.convolutional((3, 4, 4), halvings=(1, 1), hidden=4)
    z = model.sample_latents(1)
    before = model.decode(z).mean
    with torch.no_grad():
        model.p_x_given_state.net[-1].net.bias[1] += 1.0
    change = (model.decode(z).mean - before)[0]
    assert (change[1] > 1e-5).all() and (change[[0, 2]].abs() < 1e-6).all()


def test_any_likelihood_and_any_nets_will_do() -> None:
    for likelihood in (LogisticMixture(17, 2), Normal()):
        model = ConvTwoLevelVAE.convolutional((2, 4, 4), hidden=4, likelihood=likelihood)
        assert model.elbo(torch.ones(3, 2, 4, 4)).value.isfinite().all()
    built = small()
    parts = dict(built.named_children())
    nets = {name: part for name, part in parts.items() if name not in ("observe", "standard_normal", "density")}
    other = ConvTwoLevelVAE((1, 4, 5), ((2, 2, 3), (3, 1, 2)), **nets)
    bounds = []
    for model in (built, other):
        torch.manual_seed(3)
        bounds.append(model.elbo(images(4)).value)
    torch.testing.assert_close(*bounds)


def test_with_a_standard_prior_nothing_but_x_connects_the_levels() -> None:
    model, x = small(), images(4)
    a, b = (model.p_z1_given_z2(torch.full((4, *model.shapes["z2"]), value).double()) for value in (0.0, 3.0))
    assert torch.equal(a.mean, b.mean) and torch.equal(a.variance, torch.ones_like(a.mean))
    torch.manual_seed(2)
    exact = model.elbo(x).kl
    torch.manual_seed(2)
    q = model.infer(x).q
    for level in model.levels:
        mean, variance = q[level].mean, q[level].variance
        expected = 0.5 * (mean.square() + variance - 1 - variance.log()).sum((1, 2, 3))
        torch.testing.assert_close(exact[level], expected)
    # x sees both of them.
    z = model.sample_latents(4)
    for level in model.levels:
        moved = model.decode(z | {level: z[level] + 1}).mean
        assert ((moved - model.decode(z).mean).abs() > 1e-6).any()


def test_with_a_density_z2_decides_where_z1_is_likely() -> None:
    model = small("density")
    z1, z2 = torch.zeros(1, *model.shapes["z1"]).double(), torch.randn(1, *model.shapes["z2"]).double()
    log_p = [model.p_z1_given_z2(value).log_prob(z1).item() for value in (z2, z2 + 1)]
    assert abs(log_p[0] - log_p[1]) > 1e-4


@torch.no_grad()
def test_the_priors_are_those_of_a_loop_over_positions() -> None:
    model, n = small("density"), 3
    z = {level: torch.randn(n, *shape).double() for level, shape in model.shapes.items()}
    found = {"z2": model.p_z2(n), "z1": model.p_z1_given_z2(z["z2"])}
    for level, prior in found.items():
        channels, height, width = model.shapes[level]
        mixture = model.density.distribution(level, z)
        for b in range(n):
            total = 0.0
            for i, j in np.ndindex(height, width):
                f = [z[level][b, c, i, j].item() for c in range(channels)]
                parts = [
                    mixture.logits[b, i, j, k].item() + multivariate_normal.logpdf(f, loc, tril @ tril.T)
                    for k, (loc, tril) in enumerate(
                        zip(mixture.loc[b, i, j].numpy(), mixture.scale_tril[b, i, j].numpy(), strict=True)
                    )
                ]
                total += logsumexp(parts)
            assert prior.log_prob(z[level])[b].item() == pytest.approx(total, abs=1e-6)


def with_graph(model: ConvTwoLevelVAE) -> ConvTwoLevelVAE:
    graph = SpatialGraphDensity({"z1": 2, "z2": 3}, components=2, width=8, colours=4).double()
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.with_density(graph)


@torch.no_grad()
def test_the_factors_of_a_graph_make_up_its_density() -> None:
    model, n = with_graph(small()), 3
    z = {level: torch.randn(n, *shape).double() for level, shape in model.shapes.items()}
    expected = {level: log_p.flatten(1).sum(1) for level, log_p in model.density.log_prob(z).items()}
    torch.testing.assert_close(model.p_z2(n).log_prob(z["z2"]), expected["z2"])
    torch.testing.assert_close(model.p_z1_given_z2(z["z2"]).log_prob(z["z1"]), expected["z1"])
    torch.manual_seed(0)
    weights, bounds = model.log_weight(images(2), 400), model.elbo(images(2).repeat(400, 1, 1, 1)).value.view(400, 2)
    error = ((weights.var(0) + bounds.var(0)) / 400).sqrt()
    assert ((weights.mean(0) - bounds.mean(0)).abs() < 4 * error).all()
    assert model.sample(3, fixed={"z2": z["z2"]}, temperature=0.7).shape == (3, 1, 4, 5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["chain", "graph"])
def test_draws_from_a_map_prior_have_its_density(kind: str) -> None:
    model, n = small("density") if kind == "chain" else with_graph(small()), 3000
    z2 = torch.randn(2, *model.shapes["z2"]).double()
    for prior in (model.p_z2(2), model.p_z1_given_z2(z2)):
        draws = prior.sample((n,))
        assert draws.shape == (n, 2, *prior.event_shape) and not draws.requires_grad
        log_p = prior.log_prob(draws)
        torch.testing.assert_close(log_p[7], prior.log_prob(draws[7]))
        # E[q/p] = 1 under p, for a q that is p moved a little: p integrates to one over all coordinates together.
        shift = 0.02
        ratio = (prior.log_prob(draws - shift) - log_p).exp()
        assert ((ratio.mean(0) - 1).abs() < 4.5 * ratio.std(0) / n**0.5).all()
        with pytest.raises(ValueError, match="value: expected maps of shape"):
            prior.log_prob(draws[..., :-1])


@torch.no_grad()
def test_a_low_temperature_draws_the_locations_of_the_components() -> None:
    model = small("density")
    prior = model.p_z2(50)
    drawn = prior.sample_tempered(1e-6).movedim(1, -1)
    loc = model.density.p["z2"](None, (1, 2), torch.arange(2)).loc
    apart = (drawn.unsqueeze(-2) - loc).norm(dim=-1).min(-1).values
    assert apart.max() < 1e-4
    assert torch.equal(prior.sample((0,)), torch.empty(0, 50, *model.shapes["z2"]).double())
    cold = model.sample(5, temperature=0.5)
    assert cold.shape == (5, 1, 4, 5)


def standard_density(model: ConvTwoLevelVAE) -> HierarchicalLatentDensity:
    """N(0, I) at every position, written as a density of one component."""
    dims = {level: model.shapes[level][0] for level in ("z1", "z2")}
    density = HierarchicalLatentDensity(dims, components=1, width=8).double()
    for level, dim in dims.items():
        normal = GaussianMixture(torch.zeros(1), torch.zeros(1, dim), torch.eye(dim)[None])
        density.p[level].init_from_mixture(normal)
    return density


@torch.no_grad()
def test_a_density_that_is_standard_normal_changes_nothing() -> None:
    model, x = small(), images(5)
    other = model.with_density(standard_density(model))
    assert model.density is None and other.density is not None
    for value in (lambda m: m.log_weight(x, 3), lambda m: m.elbo(x, kl=sampled_kl).kl["z1"]):
        torch.manual_seed(4)
        a = value(model)
        torch.manual_seed(4)
        torch.testing.assert_close(value(other), a, rtol=1e-5, atol=1e-4)


@torch.no_grad()
def test_the_bound_leaves_to_the_sample_only_what_a_density_has_over_the_standard_normal() -> None:
    """Under N(0, I) written as a density the KL is the exact one; under another it is the less noisy estimate."""
    model, x = small(), images(5)
    other = model.with_density(standard_density(model))
    torch.manual_seed(4)
    exact = model.elbo(x).kl
    torch.manual_seed(4)
    torch.testing.assert_close(dict(other.elbo(x).kl), dict(exact), rtol=1e-5, atol=1e-4)
    joint, many = small("density"), images(1).repeat(1000, 1, 1, 1)
    bounds = [joint.elbo(many, **kl) for kl in ({}, {"kl": sampled_kl}, {"kl": analytic_kl_or_sample})]
    spread = [bound.kl["z1"].std() for bound in bounds]
    assert spread[0] < 0.9 * spread[1] and spread[0] < 0.9 * spread[2], spread
    assert all(bound.sampled == {"z1", "z2"} for bound in bounds) and not model.elbo(x).sampled


@torch.no_grad()
def test_another_prior_leaves_nets_and_the_first_model_as_they_were() -> None:
    model, x = small(), images(5)
    density = HierarchicalLatentDensity({"z1": 2, "z2": 3}, components=3, width=8).double()
    other = model.with_density(density)
    torch.manual_seed(4)
    a = model.elbo(x)
    torch.manual_seed(4)
    b = other.elbo(x)
    torch.testing.assert_close(a.log_px, b.log_px)
    assert not torch.allclose(a.kl["z1"], b.kl["z1"], rtol=1e-3)
    for parameter in other.parameters():
        parameter.zero_()
    torch.manual_seed(4)
    torch.testing.assert_close(model.elbo(x).value, a.value)
    assert density.p["z1"].head.bias.abs().sum() > 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("density", "told"),
    [
        (HierarchicalLatentDensity({"z1": 2, "z2": 2}), r"density: expected the levels .*'z2': 3"),
        (HierarchicalLatentDensity({"z2": 3, "z1": 2}), r"got {'z2': 3, 'z1': 2}"),
        (
            HierarchicalLatentDensity({"z1": 2, "z2": 3}, condition="finer"),
            "drawn from z2 to z1, got .* order z1, z2",
        ),
        (torch.nn.Identity(), "density: expected a density over maps, got a Identity"),
    ],
)
def test_a_density_over_other_maps_is_refused(density, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        small().with_density(density)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"x_shape": 64}, r"x_shape: expected \(channels, height, width\), got \(64,\)"),
        ({"x_shape": (8, 8)}, r"x_shape: expected \(channels, height, width\), got \(8, 8\)"),
        ({"x_shape": (1, -8, -8)}, "x_shape: expected"),
        ({"latent_channels": (4,)}, r"latent_channels: expected two whole numbers of at least 1, got \[4\]"),
        ({"latent_channels": (4, 0)}, "latent_channels: expected two"),
        ({"halvings": (2, -1)}, "halvings: expected two whole numbers of at least 0"),
        ({"halvings": (1, 1, 1)}, "halvings: expected two"),
        ({"hidden": 0}, "hidden: expected at least 1, got 0"),
        ({"prior": "mixture"}, "prior: expected one of standard, density, got 'mixture'"),
        ({"prior": "density", "prior_components": 0}, "components: expected at least 1, got 0"),
        ({"prior": "density", "prior_width": 10}, "width: expected a multiple of heads"),
    ],
)
def test_models_that_cannot_be_are_refused(settings, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ConvTwoLevelVAE.convolutional(**({"x_shape": (1, 8, 8)} | settings))


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused() -> None:
    model = small()
    with pytest.raises(ValueError, match=r"x: expected a tensor of shape \(batch, 1, 4, 5\)"):
        model.elbo(images(3).flatten(1))
    with pytest.raises(ValueError, match="condition: expected None, for this model has no condition"):
        model.elbo(images(3), condition=torch.zeros(3, dtype=torch.long))
    for shapes in (((2, 2, 3),), ((2, 2, 3), (3,)), ((2, 2, 3), (0, 1, 2))):
        with pytest.raises(ValueError, match=r"latent_shapes: expected \(C, H, W\) of z1 and of z2"):
            ConvTwoLevelVAE((1, 4, 5), shapes, *[torch.nn.Identity()] * 7)


def test_a_density_trained_on_one_image_stays_a_bound() -> None:
    """Nothing is left to learn but to close in: the bound ends near 0 nats and never promises more than p(x) = 1."""
    torch.manual_seed(0)
    model = ConvTwoLevelVAE.convolutional((1, 4, 4), (1, 1), (1, 1), 4, "density", prior_components=2, prior_width=4)
    x = images(1, 4, 4).float().expand(32, -1, -1, -1).contiguous()
    fit(model, x, config=TrainConfig(epochs=100, batch_size=32, learning_rate=2e-2, progress=False))
    with torch.no_grad():
        weights = model.log_weight(x, 100)
    assert weights.isfinite().all() and -2.0 < weights.mean() < 0.05
    assert log_mean_exp(weights.flatten()) < 0.05


def test_joint_training_moves_density_and_nets() -> None:
    torch.manual_seed(0)
    model = ConvTwoLevelVAE.convolutional((1, 4, 4), (1, 1), (1, 1), 4, "density", prior_components=2, prior_width=4)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    fit(model, images(64, 4, 4).float(), config=TrainConfig(epochs=3, batch_size=16, progress=False))
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert {"density.p.z2.head.bias", "density.p.z1.head.bias", "density.p.z1.head.weight"} <= moved
    assert any(name.startswith("density.p.z1.attention") for name in moved) and "embed_z1.weight" in moved


def test_a_map_prior_is_a_distribution_with_sizes() -> None:
    model = small("density")
    prior = model.p_z2(7)
    assert isinstance(prior, MapPrior)
    assert (prior.batch_shape, prior.event_shape) == ((7,), model.shapes["z2"]) and not prior.has_rsample


def test_a_density_whose_levels_stand_alone_serves_as_a_prior() -> None:
    model = ConvTwoLevelVAE.convolutional((1, 8, 8), halvings=(1, 1), hidden=8)
    density = HierarchicalLatentDensity({"z1": 4, "z2": 8}, components=2, condition=None)
    other = model.with_density(density)
    x = torch.randint(0, 2, (3, 1, 8, 8)).float()
    z = other.infer(x).z
    maps = density.log_prob({level: z[level] for level in ("z1", "z2")})
    assert torch.allclose(other.p_z1_given_z2(z["z2"]).log_prob(z["z1"]), maps["z1"].sum((1, 2)), rtol=1e-5)
    assert torch.allclose(other.p_z2(3).log_prob(z["z2"]), maps["z2"].sum((1, 2)), rtol=1e-5)
    assert other.elbo(x).value.isfinite().all()
    assert other.log_weight(x, 2).shape == (2, 3) and other.sample(5).shape == (5, 1, 8, 8)
