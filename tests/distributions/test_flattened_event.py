"""An event of several axes as one vector: the same density, samples and divergence."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from hvae_ref.distributions import FlattenedEvent, HypersphericalUniform, VonMisesFisher


def spheres(batch: int = 4, count: int = 3, m: int = 5) -> Independent:
    torch.manual_seed(0)
    loc = torch.nn.functional.normalize(torch.randn(batch, count, m, dtype=torch.float64), dim=-1)
    return Independent(VonMisesFisher(loc, torch.rand(batch, count, dtype=torch.float64) * 9), 1)


def test_a_product_of_spheres_has_the_sum_of_its_factors_nats() -> None:
    base = spheres()
    q = FlattenedEvent(base)
    p = FlattenedEvent(Independent(HypersphericalUniform(5, (4, 3), dtype=torch.float64), 1))
    assert (q.batch_shape, q.event_shape, q.has_rsample) == ((4,), (15,), True)
    z = q.rsample((2,))
    assert z.shape == (2, 4, 15)
    torch.testing.assert_close(z.unflatten(-1, (3, 5)).norm(dim=-1), torch.ones(2, 4, 3, dtype=torch.float64))
    torch.testing.assert_close(q.log_prob(z), base.base_dist.log_prob(z.unflatten(-1, (3, 5))).sum(-1))
    factors = kl_divergence(base.base_dist, HypersphericalUniform(5, (4, 3), dtype=torch.float64))
    torch.testing.assert_close(kl_divergence(q, p), factors.sum(-1))
    torch.testing.assert_close(q.mean, base.mean.flatten(1))
    torch.testing.assert_close(q.entropy(), base.base_dist.entropy().sum(-1))
    torch.testing.assert_close(q.variance, base.base_dist.variance.flatten(1))


def test_a_larger_batch_shape_keeps_the_density() -> None:
    q = FlattenedEvent(spheres())
    wide = q.expand((2, 4))
    z = wide.rsample()
    assert (wide.batch_shape, wide.event_shape, z.shape) == ((2, 4), (15,), (2, 4, 15))
    torch.testing.assert_close(wide.log_prob(z), q.log_prob(z))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"base: expected an event of two axes or more, got \(3,\)"):
        FlattenedEvent(Independent(Normal(torch.zeros(2, 3), torch.ones(2, 3)), 1))
    with pytest.raises(ValueError, match=r"value: expected a last dimension of 15, got \(4, 5\)"):
        FlattenedEvent(spheres()).log_prob(torch.zeros(4, 5, dtype=torch.float64))
