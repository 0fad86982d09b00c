"""Reversing and chaining linear-Gaussian arrows, against joint Gaussians written out and against samples."""

import torch
from torch.distributions import MultivariateNormal

from hvae_ref.distributions.gaussian_algebra import (
    LinearGaussian,
    chain_moments,
    expected_log_normal,
    gaussian_entropy,
)


def covariance(d: int, seed: int) -> torch.Tensor:
    root = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.mT + 0.3 * torch.eye(d, dtype=torch.float64)


def arrow(d_out: int, d_in: int, seed: int) -> LinearGaussian:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(d_out, d_in, generator=generator, dtype=torch.float64)
    bias = torch.randn(d_out, generator=generator, dtype=torch.float64)
    return LinearGaussian(weight, bias, torch.linalg.cholesky(covariance(d_out, seed + 100)))


def test_reversed_arrow_satisfies_bayes_rule() -> None:
    """log p(u) + log p(y|u) = log p(y) + log p(u|y), with p(y) from its moments, at arbitrary points."""
    forward = arrow(4, 3, seed=0)
    mean, prior_covariance = torch.tensor([1.0, -2.0, 0.5]).double(), covariance(3, 1)
    backward = forward.reverse(mean, prior_covariance)
    moments = chain_moments(mean, prior_covariance, [forward])
    torch.manual_seed(0)
    u, y = 2 * torch.randn(7, 3).double(), 2 * torch.randn(7, 4).double()
    prior, marginal = MultivariateNormal(mean, prior_covariance), MultivariateNormal(*moments.joint(1))
    torch.testing.assert_close(
        prior.log_prob(u) + forward(u).log_prob(y), marginal.log_prob(y) + backward(y).log_prob(u)
    )


def test_chain_moments_agree_with_samples() -> None:
    first, second = arrow(3, 2, seed=2), arrow(2, 3, seed=3)
    mean, start = torch.tensor([0.5, -1.0]).double(), covariance(2, 4)
    moments = chain_moments(mean, start, [first, second])
    torch.manual_seed(0)
    n = 200_000
    u = MultivariateNormal(mean, start).sample((n,))
    v = first(u).sample()
    sampled = torch.cat([u, v, second(v).sample()], 1)
    joint_mean, joint_covariance = moments.joint(0, 1, 2)
    centred = sampled - joint_mean
    error = centred.mean(0) / (sampled.std(0) / n**0.5)
    assert error.abs().max() < 4
    products = centred[:, :, None] * centred[:, None, :]
    error = (products.mean(0) - joint_covariance) / (products.std(0) / n**0.5)
    assert error.abs().max() < 4


def test_joint_puts_the_vectors_in_the_order_asked_for() -> None:
    moments = chain_moments(torch.zeros(2).double(), covariance(2, 5), [arrow(3, 2, 6), arrow(1, 3, 7)])
    mean, joint = moments.joint(2, 0)
    torch.testing.assert_close(mean, torch.cat([moments.means[2], moments.means[0]]))
    torch.testing.assert_close(joint[:1, 1:], moments.blocks[0][2].mT)
    torch.testing.assert_close(joint, joint.mT)


def test_expected_log_normal_agrees_with_samples() -> None:
    torch.manual_seed(0)
    residual, spread, noise = torch.randn(3, 2).double(), covariance(2, 8), covariance(2, 9)
    n = 100_000
    draws = MultivariateNormal(residual, spread).sample((n,))
    values = MultivariateNormal(torch.zeros(2).double(), noise).log_prob(draws)
    exact = expected_log_normal(residual, spread, torch.linalg.cholesky(noise))
    assert ((values.mean(0) - exact).abs() < 4 * values.std(0) / n**0.5).all()


def test_entropy_is_torchs() -> None:
    matrix = covariance(4, 10)
    torch.testing.assert_close(gaussian_entropy(matrix), MultivariateNormal(torch.zeros(4).double(), matrix).entropy())
