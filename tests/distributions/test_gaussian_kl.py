"""The divergence between a Gaussian with a full covariance and one with independent coordinates, both ways."""

import pytest
import torch
from torch.distributions import Independent, Laplace, MultivariateNormal, Normal, kl_divergence

from hvae_ref.elbo import Latent, analytic_kl_or_sample


def full(seed: int, d: int, batch: int = 3) -> MultivariateNormal:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(batch, d, d, generator=generator, dtype=torch.float64) / d**0.5
    covariance = root @ root.mT + 0.3 * torch.eye(d, dtype=torch.float64)
    return MultivariateNormal(torch.randn(batch, d, generator=generator, dtype=torch.float64), covariance)


def diagonal(seed: int, d: int, batch: int = 3) -> Independent:
    generator = torch.Generator().manual_seed(seed)
    loc, log_scale = torch.randn(2, batch, d, generator=generator, dtype=torch.float64)
    return Independent(Normal(loc, (0.4 * log_scale).exp()), 1)


def as_full(p: Independent) -> MultivariateNormal:
    return MultivariateNormal(p.base_dist.loc, scale_tril=torch.diag_embed(p.base_dist.scale))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_it_is_torchs_own_of_two_full_covariances(d: int) -> None:
    for seed in range(3):
        q, p = full(seed, d), diagonal(seed + 10, d)
        torch.testing.assert_close(kl_divergence(q, p), kl_divergence(q, as_full(p)))
        torch.testing.assert_close(kl_divergence(p, q), kl_divergence(as_full(p), q))
        assert (kl_divergence(q, p) > 0).all() and not torch.allclose(kl_divergence(q, p), kl_divergence(p, q))
        zero = kl_divergence(as_full(p), p)
        torch.testing.assert_close(zero, torch.zeros_like(zero))


def test_it_is_the_expected_log_ratio() -> None:
    torch.manual_seed(0)
    n, pair = 20_000, (full(0, 3), diagonal(1, 3))
    for q, p in (pair, pair[::-1]):
        z = q.sample((n,))
        ratio = q.log_prob(z) - p.log_prob(z)
        error = ratio.std(0) / n**0.5
        assert ((ratio.mean(0) - kl_divergence(q, p)).abs() < 4 * error).all() and (error > 1e-4).all()


def test_a_bound_takes_the_closed_form() -> None:
    q, p = full(0, 3), diagonal(1, 3)
    for a, b in ((q, p), (p, q)):
        nats, sampled = analytic_kl_or_sample(Latent(a, b, a.rsample()))
        assert not sampled
        torch.testing.assert_close(nats, kl_divergence(a, b))


def test_gradients_are_those_of_its_differences() -> None:
    loc, scale = torch.randn(2, 3).double().requires_grad_(), torch.rand(2, 3).double().add(0.5).requires_grad_()
    root, mean = torch.randn(2, 3, 3).double().requires_grad_(), torch.randn(2, 3).double().requires_grad_()

    def both(loc, scale, root, mean):
        q = MultivariateNormal(mean, root @ root.mT + torch.eye(3).double())
        p = Independent(Normal(loc, scale), 1)
        return kl_divergence(q, p), kl_divergence(p, q)

    assert torch.autograd.gradcheck(both, (loc, scale, root, mean))


def test_batches_broadcast() -> None:
    q, p = full(0, 3, batch=1), diagonal(1, 3, batch=4)
    torch.testing.assert_close(kl_divergence(q, p), kl_divergence(q.expand((4,)), p))
    torch.testing.assert_close(kl_divergence(p, q), kl_divergence(p, q.expand((4,))))


def test_other_pairs_have_no_closed_form_and_are_sampled() -> None:
    p = Independent(Laplace(torch.zeros(3, 2).double(), torch.ones(3, 2).double()), 1)
    q = full(0, 2)
    for a, b in ((q, p), (p, q)):
        with pytest.raises(NotImplementedError):
            kl_divergence(a, b)
        assert analytic_kl_or_sample(Latent(a, b, a.sample())).sampled
