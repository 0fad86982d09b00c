"""Conditional distributions: shapes, floors, supports, and densities in full precision."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent
from torch.distributions import Normal as TorchNormal

from hvae_ref.nn.heads import (
    MIN_LOG_SIGMA,
    ConditionalNormal,
    DirectPosterior,
    GivenCondition,
    LadderPosterior,
    RelativePosterior,
    StandardNormal,
    bounded_log_sigma,
)
from hvae_ref.nn.layers import Joined
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian
from hvae_ref.nn.sphere_heads import UniformSphere


class Constant(nn.Module):
    """A net that returns the same row whatever it is given."""

    def __init__(self, row: torch.Tensor) -> None:
        super().__init__()
        self.row = row

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.row.to(x.dtype).expand(len(x), -1)


def test_floor_is_the_identity_above_and_the_floor_below() -> None:
    raw = torch.tensor([-1e4, -60.0, 0.0, 4.0, 5.0], dtype=torch.float64)
    floored = bounded_log_sigma(raw)
    assert floored.min() >= MIN_LOG_SIGMA
    torch.testing.assert_close(floored[3:], raw[3:], rtol=0, atol=1e-4)
    torch.testing.assert_close(floored[:2], torch.full((2,), MIN_LOG_SIGMA, dtype=torch.float64), rtol=0, atol=1e-12)


def test_floor_has_a_gradient_around_and_below_the_floor() -> None:
    raw = torch.linspace(-20, 5, 51, dtype=torch.float64, requires_grad=True)
    bounded_log_sigma(raw).sum().backward()
    assert (raw.grad > 0).all() and (raw.grad.diff() >= 0).all() and (raw.grad <= 1).all()


def test_normal_reads_location_then_log_sigma() -> None:
    q = ConditionalNormal(Constant(torch.tensor([1.0, -2.0, 0.5, 3.0])))(torch.zeros(3, 7))
    assert (q.batch_shape, q.event_shape) == ((3,), (2,))
    torch.testing.assert_close(q.base_dist.loc[0], torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(q.base_dist.scale[0], bounded_log_sigma(torch.tensor([0.5, 3.0])).exp())


def test_normal_stays_a_density_however_small_the_net_wants_it() -> None:
    q = ConditionalNormal(Constant(torch.tensor([0.0, -1e30])))(torch.zeros(1, 1))
    assert q.base_dist.scale.item() >= math.exp(MIN_LOG_SIGMA) * 0.999
    assert torch.isfinite(q.log_prob(q.sample())).all()


def test_several_conditions_are_read_in_order() -> None:
    torch.manual_seed(0)
    net = nn.Linear(5, 4)
    conditional, a, b = ConditionalNormal(Joined(net)), torch.randn(3, 2), torch.randn(3, 3)
    torch.testing.assert_close(conditional(a, b).mean, ConditionalNormal(net)(torch.cat([a, b], 1)).mean)
    assert not torch.allclose(conditional(a, b).mean, conditional(b, a).mean)


def test_a_head_on_maps_splits_channels() -> None:
    torch.manual_seed(0)
    net, h = nn.Conv2d(3, 4, 1), torch.randn(5, 3, 2, 6)
    q = ConditionalNormal(net)(h)
    assert (q.batch_shape, q.event_shape) == ((5,), (2, 2, 6))
    torch.testing.assert_close(q.base_dist.loc, net(h)[:, :2])
    torch.testing.assert_close(q.base_dist.scale, bounded_log_sigma(net(h)[:, 2:]).exp())
    assert q.log_prob(q.rsample()).shape == (5,)


def normal(seed: int, *shape: int) -> Independent:
    generator = torch.Generator().manual_seed(seed)
    loc, log_scale = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return Independent(TorchNormal(loc, (0.5 * log_scale).exp()), len(shape) - 1)


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4, 5)])
def test_the_ladder_is_the_normalised_product_also_on_maps(shape: tuple) -> None:
    """log q − log p − log q̂ is the same at every z; and at the top, without a state, q is the estimate alone."""
    prior, estimate = normal(0, *shape), normal(1, *shape)
    ladder = LadderPosterior(lambda_module(estimate))
    q = ladder(prior, torch.zeros(3), torch.zeros(3))
    assert (q.batch_shape, q.event_shape) == ((3,), shape[1:])
    z = torch.randn(7, *shape).double()
    constant = q.log_prob(z) - prior.log_prob(z) - estimate.log_prob(z)
    torch.testing.assert_close(constant, constant[:1].expand(7, 3))
    assert (q.base_dist.scale < prior.base_dist.scale).all()
    assert ladder(prior, torch.zeros(3)) is estimate


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4, 5)])
def test_a_relative_posterior_moves_with_its_prior(shape: tuple) -> None:
    """In units of the prior, shift and scaling are what the net says, wherever the prior is; eq. 3.6 is their KL."""
    raw = torch.randn(shape[0], 2 * shape[1], *shape[2:]).double()
    head, divergences = RelativePosterior(nn.Identity()), []
    for seed in (0, 1):
        prior = normal(seed, *shape)
        q = head(prior, raw)
        shift, raw_scale = raw.chunk(2, 1)
        log_scale = 5 * torch.tanh(raw_scale / 5)
        torch.testing.assert_close(q.base_dist.loc, prior.base_dist.loc + shift)
        torch.testing.assert_close(q.base_dist.scale, prior.base_dist.scale * log_scale.exp())
        expected = 0.5 * ((shift / prior.base_dist.scale) ** 2 + (2 * log_scale).exp() - 2 * log_scale - 1)
        divergences.append(torch.distributions.kl_divergence(q, prior))
        torch.testing.assert_close(divergences[-1], expected.flatten(1).sum(1))
    assert not torch.allclose(*divergences)


@pytest.mark.parametrize("kind", [RelativePosterior, DirectPosterior])
def test_a_posterior_sees_the_state_where_it_is_told_to_and_there_is_one(kind) -> None:
    calls = []

    class Net(nn.Module):
        def forward(self, *given):
            calls.append(len(given))
            return torch.zeros(3, 4, dtype=torch.float64)

    net = Net() if kind is RelativePosterior else ConditionalNormal(Net())
    for sees_state in (False, True):
        for state in (None, torch.zeros(3)):
            kind(net, sees_state=sees_state)(normal(0, 3, 2), torch.zeros(3), state)
    assert calls == [1, 1, 1, 2]


def lambda_module(value: object) -> nn.Module:
    """A head that returns one distribution."""

    class Head(nn.Module):
        def forward(self, *given):
            return value

    return Head()


def test_the_condition_may_decide_the_top_levels_prior() -> None:
    torch.manual_seed(0)
    prior, c = GivenCondition(ConditionalNormal(nn.Linear(2, 6))), torch.randn(4, 2)
    assert (prior(4, c).batch_shape, prior(4, c).event_shape) == ((4,), (3,))
    assert not torch.allclose(prior(4, c).mean[0], prior(4, c).mean[1])


def test_double_precision_stays_double() -> None:
    q = ConditionalNormal(nn.Linear(3, 4).double())(torch.zeros(2, 3).double())
    assert q.base_dist.scale.dtype == torch.float64


@pytest.mark.parametrize("shape", [(2,), (2, 1, 3)])
def test_a_standard_normal_has_the_dtype_of_its_model(shape: tuple) -> None:
    p = StandardNormal(shape).double()(3)
    assert (p.batch_shape, p.event_shape, p.mean.dtype) == ((3,), shape, torch.float64)
    expected = TorchNormal(0.0, 1.0).log_prob(torch.tensor(1.5)).double() * math.prod(shape)
    torch.testing.assert_close(p.log_prob(torch.full((3, *shape), 1.5).double()), expected.expand(3), rtol=1e-6, atol=0)
    assert not StandardNormal(shape).state_dict()


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_a_uniform_prior_has_the_dtype_of_its_model(shape: tuple) -> None:
    p = UniformSphere(shape).double()(5)
    z = p.sample()
    assert (p.batch_shape, p.event_shape, z.dtype) == ((5,), shape, torch.float64)
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(z.shape[:-1]).double())


def test_linear_gaussian_keeps_diagonal_noise_diagonal() -> None:
    weight = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])
    diagonal = ConditionalLinearGaussian(weight, scale=torch.tensor([0.5, 1.0, 2.0]), bias=torch.ones(3))
    p = diagonal(torch.tensor([[1.0, -1.0]]).double())
    torch.testing.assert_close(p.mean, torch.tensor([[0.0, 2.0, 4.0]]).double())
    torch.testing.assert_close(p.covariance_matrix[0], torch.diag(torch.tensor([0.25, 1.0, 4.0])).double())
    assert diagonal.lower is None
    full = torch.tensor([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.7]])
    p = ConditionalLinearGaussian(weight, covariance=full)(torch.zeros(1, 2).double())
    torch.testing.assert_close(p.covariance_matrix[0], full.double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 1.0, "covariance": torch.eye(2)}, "exactly one"),
        ({}, "exactly one"),
        ({"scale": 0.0}, "scale: expected positive"),
        ({"scale": torch.tensor([1.0, -1.0])}, "scale: expected positive"),
        ({"scale": torch.ones(3)}, r"scale: expected a number or shape \(2,\)"),
        ({"covariance": torch.eye(3)}, r"covariance: expected shape \(2, 2\)"),
        ({"covariance": -torch.eye(2)}, "covariance: expected a symmetric positive definite"),
        ({"covariance": torch.tensor([[1.0, 0.5], [0.0, 1.0]])}, "covariance: expected a symmetric positive definite"),
        ({"scale": 1.0, "bias": torch.zeros(3)}, r"bias: expected shape \(2,\)"),
    ],
)
def test_linear_gaussian_refuses_what_does_not_fit(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConditionalLinearGaussian(torch.ones(2, 3), **arguments)


def test_no_raw_value_makes_a_scale_overflow():
    raw = torch.tensor([4.9, 5.0, 5.1, 100.0, 1e6], requires_grad=True)
    bounded = bounded_log_sigma(raw)
    torch.testing.assert_close(bounded[:2], raw[:2], rtol=0, atol=1e-4)
    assert (bounded.diff() > 0).all()
    assert torch.isfinite(bounded.exp() ** 2).all()
    bounded.sum().backward()
    assert ((raw.grad > 0) & (raw.grad <= 1)).all()
