"""Conditional distributions: shapes, floors, supports, and densities in full precision."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from hvae_ref.nn.heads import (
    LIKELIHOODS,
    MIN_LOG_SIGMA,
    ConditionalBernoulli,
    ConditionalCategorical,
    ConditionalLogisticMixture,
    ConditionalNormal,
    GreyLevels,
    bounded_log_sigma,
    conditional_pixels,
    logistic_mixture,
    outputs_per_pixel,
    standard_normal,
)
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian


class Constant(nn.Module):
    """A net that answers the same row whatever it is given."""

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
    conditional = ConditionalNormal(nn.Linear(5, 4))
    a, b = torch.randn(3, 2), torch.randn(3, 3)
    assert torch.equal(conditional(a, b).mean, conditional(torch.cat([a, b], 1)).mean)
    assert not torch.equal(conditional(a, b).mean, conditional(torch.cat([b, a], 1)).mean)


def test_bernoulli_takes_logits_and_does_not_saturate() -> None:
    p = ConditionalBernoulli(Constant(torch.tensor([200.0, -200.0])))(torch.zeros(1, 1))
    assert p.log_prob(torch.tensor([[1.0, 0.0]])).item() == 0.0
    torch.testing.assert_close(p.log_prob(torch.tensor([[0.0, 1.0]])), torch.tensor([-400.0]))


def test_grey_levels_have_the_mean_of_their_values() -> None:
    p = GreyLevels(logits=torch.randn(4, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(p.mean, (p.probs * torch.arange(6.0)).sum(-1))
    assert p.sample().dtype == torch.float32
    assert Independent(p, 1).expand((2,)).sample().shape == (2, 4)


def test_categorical_blocks_belong_to_their_pixels() -> None:
    logits = torch.tensor([0.0, 9.0, 0.0, 0.0, 0.0, 9.0])
    p = ConditionalCategorical(Constant(logits), 3)(torch.zeros(1, 1))
    assert p.sample().tolist() == [[1.0, 2.0]] and p.event_shape == (2,)


def test_logistic_mixture_counts_from_the_middle_of_the_scale() -> None:
    p = logistic_mixture(torch.tensor([0.0, 0.5, 0.0], dtype=torch.float64), 17)
    assert p.loc.item() == 12.0
    torch.testing.assert_close(p.scale, bounded_log_sigma(torch.zeros(1).double()).exp() * 2)
    start = logistic_mixture(torch.zeros(3, dtype=torch.float64), 17).log_probs.exp()
    assert start.min() > 0.005, "a fresh net must give every grey level a chance"


def test_logistic_mixture_stays_a_density_however_small_the_net_wants_it() -> None:
    p = ConditionalLogisticMixture(Constant(torch.tensor([0.0, 1e3, -1e30])), 17, 1)(torch.zeros(1, 1))
    assert torch.isfinite(p.log_prob(torch.zeros(1, 1))).all()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_conditional_pixels_have_one_event_an_example(likelihood: str) -> None:
    v = 2 if likelihood == "bernoulli" else 5
    torch.manual_seed(0)
    net = nn.Linear(3, 4 * outputs_per_pixel(likelihood, v, 2))
    p = conditional_pixels(net, likelihood, v, 2)(torch.randn(6, 3))
    x = p.sample()
    assert (p.batch_shape, p.event_shape, x.shape, p.mean.shape) == ((6,), (4,), (6, 4), (6, 4))
    assert x.dtype == torch.float32 and ((x >= 0) & (x < v) & (x == x.round())).all()
    assert p.log_prob(x).shape == (6,)
    for outside in (-1.0, 0.5, float(v)):
        with pytest.raises(ValueError, match="support"):
            p.log_prob(torch.full((6, 4), outside))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_half_precision_nets_give_full_precision_densities(likelihood: str) -> None:
    v = 2 if likelihood == "bernoulli" else 5
    torch.manual_seed(0)
    net, h = nn.Linear(3, 4 * outputs_per_pixel(likelihood, v, 2)), torch.randn(6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        p = conditional_pixels(net, likelihood, v, 2)(h)
        q = ConditionalNormal(nn.Linear(3, 4))(h)
    assert p.log_prob(p.sample()).dtype == torch.float32 and q.rsample().dtype == torch.float32


def test_double_precision_stays_double() -> None:
    q = ConditionalNormal(nn.Linear(3, 4).double())(torch.zeros(2, 3).double())
    assert q.base_dist.scale.dtype == torch.float64


def test_unfit_likelihoods_are_refused() -> None:
    with pytest.raises(ValueError, match="likelihood: expected one of bernoulli, categorical, logistic_mixture"):
        outputs_per_pixel("gaussian", 2, 5)
    with pytest.raises(ValueError, match="num_values: a Bernoulli .* got 17; binarise"):
        conditional_pixels(nn.Linear(1, 1), "bernoulli", 17, 5)
    with pytest.raises(ValueError, match="components: expected at least 1, got 0"):
        outputs_per_pixel("logistic_mixture", 17, 0)


def test_standard_normal_has_the_dtype_it_is_told() -> None:
    p = standard_normal(3, 2, like=torch.zeros(1, dtype=torch.float64))
    assert (p.batch_shape, p.event_shape, p.mean.dtype) == ((3,), (2,), torch.float64)
    expected = Normal(0.0, 1.0).log_prob(torch.tensor(1.5)).double() * 2
    torch.testing.assert_close(p.log_prob(torch.full((3, 2), 1.5).double()), expected.expand(3), rtol=1e-6, atol=0)


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


def test_bernoulli_agrees_with_torch() -> None:
    logits = torch.tensor([0.3, -1.2, 4.0])
    p = ConditionalBernoulli(Constant(logits))(torch.zeros(1, 1))
    x = torch.tensor([[1.0, 0.0, 1.0]])
    torch.testing.assert_close(p.log_prob(x), Bernoulli(logits=logits).log_prob(x).sum(-1))


def test_no_raw_value_makes_a_scale_overflow():
    raw = torch.tensor([4.9, 5.0, 5.1, 100.0, 1e6], requires_grad=True)
    bounded = bounded_log_sigma(raw)
    torch.testing.assert_close(bounded[:2], raw[:2], rtol=0, atol=1e-4)
    assert (bounded.diff() > 0).all()
    assert torch.isfinite(bounded.exp() ** 2).all()
    bounded.sum().backward()
    assert ((raw.grad > 0) & (raw.grad <= 1)).all()
