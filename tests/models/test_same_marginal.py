"""One p(x), any usefulness: the family of chapter 1."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from hvae_ref.models import same_marginal_family


@pytest.fixture
def covariance() -> torch.Tensor:
    root = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).double()
    return root @ root.mT + 0.5 * torch.eye(5).double()


@torch.no_grad()
@pytest.mark.parametrize("latent_dim", [1, 2, 5])
@pytest.mark.parametrize("t", [0.0, 0.4, 0.9, 0.999])
def test_the_marginal_stays_and_the_information_moves(covariance, t: float, latent_dim: int) -> None:
    mean, x = torch.arange(5.0).double(), torch.randn(6, 5).double()
    model = same_marginal_family(covariance, t, latent_dim, mean=mean)
    expected_log_prob = MultivariateNormal(mean, covariance).log_prob(x)
    torch.testing.assert_close(model.log_prob(x), expected_log_prob, rtol=1e-8, atol=1e-8)
    expected = -latent_dim / 2 * math.log1p(-(t**2))
    assert math.isclose(model.mutual_information().item(), expected, rel_tol=1e-6, abs_tol=1e-9)
    assert (model.log_weight(x, 20) - model.log_prob(x)).abs().max() < 1e-8


@torch.no_grad()
def test_a_useless_latent_has_its_prior_as_posterior(covariance) -> None:
    q = same_marginal_family(covariance, 0.0, 2).encode(torch.randn(3, 5).double())["z1"]
    torch.testing.assert_close(q.mean, torch.zeros(3, 2).double())
    torch.testing.assert_close(q.covariance_matrix, torch.eye(2).double().expand(3, 2, 2))


@torch.no_grad()
def test_with_a_weight_of_ones_own_t_may_reach_one(covariance) -> None:
    """Probabilistic PCA is the member with t = 1 where Σ = W Wᵀ + σ² I: the whole of W, and no correlation left."""
    weight = torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double()
    sigma = 0.3
    marginal = weight @ weight.mT + sigma**2 * torch.eye(5).double()
    model = same_marginal_family(marginal, 1.0, weight=weight)
    noise = model.p_given_above[0].arrow.covariance
    torch.testing.assert_close(noise, sigma**2 * torch.eye(5).double())
    expected = 0.5 * torch.logdet(torch.eye(2).double() + weight.mT @ weight / sigma**2)
    torch.testing.assert_close(model.mutual_information(), expected)


def test_what_cannot_be_is_refused(covariance) -> None:
    for t in (1.0, 1.5):
        with pytest.raises(ValueError, match="t: expected Σ − t² W Wᵀ to be positive definite"):
            same_marginal_family(covariance, t)
    with pytest.raises(ValueError, match="t: expected a number of at least 0"):
        same_marginal_family(covariance, -0.1)
    with pytest.raises(ValueError, match="latent_dim: expected 1 … 5, got 6"):
        same_marginal_family(covariance, 0.5, latent_dim=6)
    with pytest.raises(ValueError, match="weight: expected shape"):
        same_marginal_family(covariance, 0.5, weight=torch.ones(4, 2))
    with pytest.raises(ValueError, match="covariance: expected a symmetric"):
        same_marginal_family(covariance + torch.ones(5, 5).triu(1), 0.5)
    with pytest.raises(ValueError, match="covariance: expected a positive definite"):
        same_marginal_family(-covariance, 0.5)
