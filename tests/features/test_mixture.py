"""A mixture of Gaussians is a density, in one dimension and in many, with one set of parameters and with many."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from hvae_ref.features.density.mixture import GaussianMixture


def random_mixture(*batch, components=3, dim=2, apart=2.0, dtype=torch.float64):
    tril = torch.randn(*batch, components, dim, dim, dtype=dtype).tril(-1) * 0.5
    scale_tril = tril + torch.diag_embed(0.3 + torch.rand(*batch, components, dim, dtype=dtype))
    loc = apart * torch.randn(*batch, components, dim, dtype=dtype)
    return GaussianMixture(torch.randn(*batch, components, dtype=dtype), loc, scale_tril)


def grid(dim, half, steps):
    """Points of a grid over [−half, half]^dim, and the volume of a cell."""
    line = torch.linspace(-half, half, steps, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(*[line] * dim, indexing="ij"), -1).flatten(0, -2)
    return points, (line[1] - line[0]) ** dim


@pytest.mark.parametrize(("dim", "steps"), [(1, 4001), (2, 301)])
def test_it_integrates_to_one(dim, steps):
    points, cell = grid(dim, 15, steps)
    total = random_mixture(dim=dim).log_prob(points).exp().sum() * cell
    assert abs(total - 1) < 1e-5


@pytest.mark.parametrize("dim", [1, 2])
def test_mixtures_of_many_positions_each_integrate_to_one(dim):
    points, cell = grid(dim, 15, 4001 if dim == 1 else 301)
    total = random_mixture(2, 3, dim=dim).log_prob(points[:, None, None]).exp().sum(0) * cell
    torch.testing.assert_close(total, torch.ones(2, 3).double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("dim", [3, 6])
def test_it_integrates_to_one_in_more_dimensions(dim):
    mixture = random_mixture(dim=dim, apart=1.0)
    covariance = 1.5 * mixture.covariance + 0.5 * torch.eye(dim)
    proposal = MultivariateNormal(mixture.mean, covariance)
    points = proposal.sample((200_000,))
    weights = (mixture.log_prob(points) - proposal.log_prob(points)).exp()
    error = (weights.std() / len(weights) ** 0.5).item()
    assert error < 0.02
    assert abs(weights.mean() - 1) < 4 * error


def test_log_prob_is_the_sum_written_out():
    mixture = random_mixture(4, 5, components=3, dim=3)
    value = torch.randn(2, 4, 5, 3).double()
    expected = torch.zeros(2, 4, 5).double()
    for s, i, j in np.ndindex(2, 4, 5):
        density = 0.0
        for k in range(3):
            tril = mixture.scale_tril[i, j, k].numpy()
            gaussian = multivariate_normal(mixture.loc[i, j, k].numpy(), tril @ tril.T)
            density += mixture.probs[i, j, k].item() * gaussian.pdf(value[s, i, j].numpy())
        expected[s, i, j] = np.log(density)
    torch.testing.assert_close(mixture.log_prob(value), expected, atol=1e-6, rtol=0)
    single = GaussianMixture(mixture.logits.float(), mixture.loc.float(), mixture.scale_tril.float())
    torch.testing.assert_close(single.log_prob(value.float()).double(), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("batch", "value", "expected"),
    [((), (2,), ()), ((), (7, 5, 2), (7, 5)), ((3,), (2,), (3,)), ((3,), (4, 1, 2), (4, 3)), ((1,), (5, 2), (5,)),
     ((2, 3), (2, 3, 2), (2, 3)), ((2, 1), (6, 1, 3, 2), (6, 2, 3)), ((), (0, 2), (0,)), ((0,), (0, 2), (0,))],
)  # fmt: skip
def test_points_and_parameters_broadcast_as_torch_has_it(batch, value, expected):
    mixture, points = random_mixture(*batch), torch.randn(*value).double()
    assert mixture.log_prob(points).shape == expected
    assert mixture.sample((4,)).shape == (4, *batch, 2)
    if points.numel():
        gaussians = MultivariateNormal(mixture.loc, scale_tril=mixture.scale_tril)
        peer = MixtureSameFamily(Categorical(logits=mixture.logits), gaussians)
        torch.testing.assert_close(mixture.log_prob(points), peer.log_prob(points))


def test_samples_have_its_moments_at_every_position():
    mixture = random_mixture(2, dim=3)
    x = mixture.sample((200_000,))
    error = (mixture.variance / len(x)) ** 0.5
    assert ((x.mean(0) - mixture.mean).abs() < 4.5 * error).all()
    for position in range(2):
        torch.testing.assert_close(torch.cov(x[:, position].T), mixture.covariance[position], rtol=0.05, atol=0.05)


def test_samples_have_its_entropy():
    """−log p of samples agrees with that of torch's own mixture on torch's own samples."""
    mixture = random_mixture(dim=2)
    gaussians = MultivariateNormal(mixture.loc, mixture.scale_tril @ mixture.scale_tril.mT)
    peer = MixtureSameFamily(Categorical(probs=mixture.probs), gaussians)
    ours, theirs = mixture.log_prob(mixture.sample((50_000,))), mixture.log_prob(peer.sample((50_000,)))
    error = (ours.var() / 50_000 + theirs.var() / 50_000).sqrt()
    assert abs(ours.mean() - theirs.mean()) < 4 * error


def test_mode_is_the_highest_point_of_a_fine_grid():
    mixture = random_mixture(5, components=4, apart=1.0)
    points, _ = grid(2, 6, 241)
    highest, _ = mixture.log_prob(points[:, None]).max(0)
    found = mixture.log_prob(mixture.mode)
    assert (found > highest - 1e-6).all()
    assert (found < highest + 0.05).all()


def test_two_near_components_have_their_mode_between_them():
    mixture = GaussianMixture(torch.zeros(2), torch.tensor([[-0.5], [0.5]]), torch.ones(2, 1, 1))
    assert mixture.mode.abs() < 1e-3


def test_responsibilities_sum_to_one_and_name_the_near_component():
    mixture = GaussianMixture(torch.zeros(2), torch.tensor([[-3.0], [3.0]]), torch.ones(2, 1, 1))
    r = mixture.responsibilities(torch.tensor([[-3.0], [0.0], [3.0]]))
    torch.testing.assert_close(r, torch.tensor([[1, 0], [0.5, 0.5], [0, 1]]), atol=1e-6, rtol=0)


def test_temperature_scales_what_components_have_within():
    mixture = random_mixture(components=1)
    torch.testing.assert_close(mixture.tempered(0.5).covariance, mixture.covariance / 4)
    with pytest.raises(ValueError, match="temperature: expected a positive number, got 0"):
        mixture.tempered(0)


def test_far_points_have_little_density_and_no_nan():
    mixture = random_mixture(dtype=torch.float32)
    far = torch.tensor([[1e4, -1e4], [1e15, 0.0]])
    log_prob = mixture.log_prob(far)
    assert (log_prob < -1e6).all() and not log_prob.isnan().any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loc": torch.zeros(3, 2)}, "loc: expected shape"),
        ({"scale_tril": torch.ones(2, 2)}, "scale_tril: expected shape"),
        ({"scale_tril": -torch.eye(2).expand(2, 2, 2)}, "scale_tril"),
        ({"scale_tril": torch.ones(2, 2, 2)}, "scale_tril"),
        ({"logits": torch.tensor([0.0, torch.nan])}, "logits"),
        ({"logits": torch.zeros(())}, "logits: expected shape"),
        ({"logits": torch.zeros(0), "loc": torch.zeros(0, 2)}, "logits: expected shape"),
        ({"loc": torch.zeros(2, 0), "scale_tril": torch.zeros(2, 0, 0)}, "loc: expected shape .2, 'D'., got .2, 0."),
    ],
)
def test_parameters_that_do_not_fit_are_named(change, message):
    good = {"logits": torch.zeros(2), "loc": torch.zeros(2, 2), "scale_tril": torch.eye(2).expand(2, 2, 2)}
    with pytest.raises(ValueError, match=message):
        GaussianMixture(**(good | change))


def test_points_that_are_not_numbers_or_of_another_size_are_errors():
    mixture = random_mixture()
    with pytest.raises(ValueError, match="Expected value argument"):
        mixture.log_prob(torch.tensor([torch.nan, 0.0]).double())
    with pytest.raises(ValueError, match="value: expected a last dimension of 2"):
        mixture.log_prob(torch.zeros(5, 3).double())
    # One number would stand for all coordinates where nobody looks.
    unchecked = GaussianMixture(mixture.logits, mixture.loc, mixture.scale_tril, validate_args=False)
    with pytest.raises(ValueError, match="value: expected a last dimension of 2"):
        unchecked.log_prob(torch.zeros(5, 1).double())


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_makes_no_density_is_an_error(temperature):
    with pytest.raises(ValueError, match="temperature: expected a positive number"):
        random_mixture().tempered(temperature)


def test_the_mode_of_a_nearly_flat_gaussian_is_its_mean():
    # Rank two in eight dimensions, with the rest on a floor: in float32 the precision matrices are singular.
    spread = (torch.randn(8, 2) * torch.tensor([30.0, 20.0])).double()
    tril = torch.linalg.cholesky(spread @ spread.T + 1e-6 * torch.eye(8)).float()
    loc = torch.randn(1, 8)
    mode = GaussianMixture(torch.zeros(1), loc, tril[None]).mode
    assert mode.dtype == torch.float32
    assert torch.allclose(mode, loc[0], atol=1e-4)


@pytest.mark.parametrize("far", [1e20, 3e38])
def test_responsibilities_far_out_are_those_of_double_precision(far):
    tril = torch.eye(2) * torch.tensor([1.0, 2.0])[:, None, None]
    mixture = GaussianMixture(torch.zeros(2), torch.zeros(2, 2), tril)
    r = mixture.responsibilities(torch.tensor([[far, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(r, torch.tensor([[0.0, 1.0], [0.8, 0.2]]))


def test_points_and_temperatures_that_are_no_numbers_are_named(unchecked):
    mixture = random_mixture()
    for value, got in ((np.zeros((3, 2)), "shape"), ([0.0, 1.0], "list"), (torch.zeros(3, 2).long(), "torch.int64")):
        with pytest.raises(ValueError, match=f"value: expected .*got .*{got}"):
            mixture.log_prob(value)
    for temperature in ("2", True, None):
        with pytest.raises(ValueError, match="temperature: expected a positive number, got"):
            mixture.tempered(temperature)
    torch.testing.assert_close(mixture.tempered(np.float32(0.5)).loc, mixture.loc)
