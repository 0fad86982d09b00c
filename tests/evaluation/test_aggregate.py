"""The aggregated posterior against a mixture of torch, and ELBO surgery's sum."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from hvae_ref.evaluation import aggregate_log_prob


@pytest.fixture
def posteriors():
    generator = torch.Generator().manual_seed(0)
    loc = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    scale = 0.2 + torch.rand(50, 3, generator=generator, dtype=torch.float64)
    return Independent(Normal(loc, scale), 1)


def test_it_is_the_density_of_the_mixture(posteriors):
    z = torch.randn(200, 3, dtype=torch.float64)
    mixture = MixtureSameFamily(Categorical(torch.ones(50, dtype=torch.float64)), posteriors)
    torch.testing.assert_close(aggregate_log_prob(posteriors, z, rows=7), mixture.log_prob(z))


def test_surgery_adds_up_and_keeps_its_ceiling(posteriors):
    torch.manual_seed(0)
    prior = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    draws = posteriors.sample((400,))
    log_q = posteriors.log_prob(draws).mean()
    z = draws.flatten(0, 1)
    log_aggregate, log_p = aggregate_log_prob(posteriors, z).mean(), prior.log_prob(z).mean()
    information, misfit = log_q - log_aggregate, log_aggregate - log_p
    assert 0 < information < math.log(50) and misfit > 0
    assert information + misfit == pytest.approx(kl_divergence(posteriors, prior).mean().item(), abs=0.05)


def test_one_example_is_its_own_aggregate(posteriors):
    one = Independent(Normal(posteriors.mean[:1], posteriors.stddev[:1]), 1)
    z = one.sample((5,)).squeeze(1)
    torch.testing.assert_close(aggregate_log_prob(one, z), one.log_prob(z))


def test_wrong_shapes_are_named(posteriors):
    with pytest.raises(ValueError, match="points of shape"):
        aggregate_log_prob(posteriors, torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"batch \(\)"):
        aggregate_log_prob(Independent(Normal(torch.zeros(3), torch.ones(3)), 1), torch.zeros(4, 3))
