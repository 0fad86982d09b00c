"""Relative and precision-weighted posteriors, against their closed forms and against a grid."""

import torch
from torch.distributions import Independent, Normal, kl_divergence

from hvae_ref.distributions import precision_weighted
from hvae_ref.nn import RelativePosterior


def relative_normal(prior: Independent, delta_loc: torch.Tensor, delta_log_sigma: torch.Tensor) -> Independent:
    """The head's posterior with a given shift and scaling: its net returns what the soft limit turns into them."""
    raw = 5 * torch.atanh(delta_log_sigma / 5)
    return RelativePosterior(torch.nn.Identity())(prior, torch.cat([delta_loc, raw], 1))


def gaussian(batch: int, dim: int, seed: int) -> Independent:
    generator = torch.Generator().manual_seed(seed)
    loc = torch.randn(batch, dim, generator=generator, dtype=torch.float64)
    scale = torch.randn(batch, dim, generator=generator, dtype=torch.float64).exp()
    return Independent(Normal(loc, scale), 1)


def deltas(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(2))


def test_relative_kl_measures_the_shift_in_units_of_the_priors_scale() -> None:
    prior, (delta_loc, delta_log_sigma) = gaussian(4, 3, seed=0), deltas(1)
    kl = kl_divergence(relative_normal(prior, delta_loc, delta_log_sigma), prior)
    ratio = (2 * delta_log_sigma).exp()
    shift = delta_loc**2 / prior.base_dist.scale**2
    torch.testing.assert_close(kl, 0.5 * (shift + ratio - ratio.log() - 1).sum(-1))
    without_scale = 0.5 * (delta_loc**2 + ratio - ratio.log() - 1).sum(-1)
    assert (kl - without_scale).abs().min() > 0.1


def test_relative_posterior_without_a_shift_is_the_prior() -> None:
    prior = gaussian(4, 3, seed=0)
    zeros = torch.zeros(4, 3, dtype=torch.float64)
    q = relative_normal(prior, zeros, zeros)
    torch.testing.assert_close(kl_divergence(q, prior), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-14)


def test_relative_posterior_moves_with_its_prior() -> None:
    delta_loc, delta_log_sigma = deltas(2)
    for seed in (3, 4):
        prior = gaussian(4, 3, seed)
        q = relative_normal(prior, delta_loc, delta_log_sigma).base_dist
        torch.testing.assert_close(q.loc - prior.base_dist.loc, delta_loc)
        torch.testing.assert_close(q.scale / prior.base_dist.scale, delta_log_sigma.exp())


def test_relative_kl_agrees_with_monte_carlo() -> None:
    torch.manual_seed(0)
    prior = gaussian(4, 3, seed=0)
    q = relative_normal(prior, *(0.5 * d for d in deltas(1)))
    z = q.sample((50_000,))
    estimate = q.log_prob(z) - prior.log_prob(z)
    standard_error = estimate.std(0) / len(z) ** 0.5
    assert ((estimate.mean(0) - kl_divergence(q, prior)).abs() < 4 * standard_error).all()


def test_precision_weighted_is_the_normalised_product_on_a_grid() -> None:
    prior, estimate = gaussian(5, 1, seed=5), gaussian(5, 1, seed=6)
    grid = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    points = grid[:, None, None].expand(-1, 5, 1)
    product = (prior.log_prob(points) + estimate.log_prob(points)).exp()
    density = product / torch.trapezoid(product, grid, dim=0)
    merged = precision_weighted(prior, estimate).log_prob(points).exp()
    torch.testing.assert_close(merged, density, rtol=1e-8, atol=1e-9)


def test_precision_weighted_is_narrower_than_both() -> None:
    prior, estimate = gaussian(50, 3, seed=7), gaussian(50, 3, seed=8)
    scale = precision_weighted(prior, estimate).base_dist.scale
    assert (scale < torch.minimum(prior.base_dist.scale, estimate.base_dist.scale)).all()


def test_precision_weighted_with_a_vague_estimate_is_the_prior() -> None:
    prior = gaussian(5, 3, seed=9)
    vague = Independent(Normal(torch.ones(5, 3).double(), torch.full((5, 3), 1e6).double()), 1)
    kl = kl_divergence(precision_weighted(prior, vague), prior)
    assert (kl.abs() < 1e-9).all()


def test_gradients_reach_both_factors() -> None:
    tensors = [torch.randn(2, 3, requires_grad=True) for _ in range(4)]
    p = Independent(Normal(tensors[0], tensors[1].exp()), 1)
    d = Independent(Normal(tensors[2], tensors[3].exp()), 1)
    kl_divergence(precision_weighted(p, d), p).sum().backward()
    assert all(torch.isfinite(t.grad).all() and (t.grad != 0).all() for t in tensors)
