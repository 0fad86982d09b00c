"""The discretised logistic mixture: normalised, right to the last digit, and safe far out in the tails."""

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from hvae_ref.distributions import DiscretizedLogisticMixture


def mixture(shape: tuple, components: int, num_values: int, seed: int, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)

    def normal():
        return torch.randn(*shape, components, generator=generator, dtype=dtype)

    loc = (num_values - 1) / 2 * (1 + normal())
    scale = (normal() - 0.5).exp() * num_values / 8
    return DiscretizedLogisticMixture(normal(), loc, scale, num_values)


def reference(logits: list, loc: list, scale: list, num_values: int, x: int) -> float:
    """log P(x) from the definition, at 500 digits, where a difference of sigmoids does not cancel."""
    with mpmath.workdps(500):

        def cdf(v, m, s):
            return 1 / (1 + mpmath.exp(-(mpmath.mpf(v) - m) / s))

        weights = [mpmath.exp(logit) for logit in logits]
        total = mpmath.mpf(0)
        for w, m, s in zip(weights, loc, scale, strict=True):
            upper = 1 if x == num_values - 1 else cdf(x + 0.5, m, s)
            lower = 0 if x == 0 else cdf(x - 0.5, m, s)
            total += w / sum(weights) * (upper - lower)
        return float(mpmath.log(total))


@given(seed=st.integers(0, 10_000), components=st.integers(1, 4), num_values=st.sampled_from([2, 3, 17, 256]))
@settings(max_examples=25, deadline=None)
def test_sums_to_one(seed: int, components: int, num_values: int) -> None:
    p = mixture((3, 2), components, num_values, seed)
    assert p.log_probs.shape == (3, 2, num_values)
    torch.testing.assert_close(p.log_probs.exp().sum(-1), torch.ones(3, 2, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("loc", [-1e3, -3.0, 0.0, 7.3, 16.0, 1e3])
@pytest.mark.parametrize("scale", [0.01, 0.3, 4.0, 1e3, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_to_one_at_extreme_scales_and_locations(loc: float, scale: float, dtype: torch.dtype) -> None:
    p = DiscretizedLogisticMixture(
        torch.zeros(2, dtype=dtype), torch.tensor([loc, 8.0], dtype=dtype), torch.full((2,), scale, dtype=dtype), 17
    )
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.isfinite(p.log_probs).all()
    assert abs(float(p.log_probs.exp().sum()) - 1) < tolerance


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_the_definition_at_five_hundred_digits(dtype: torch.dtype) -> None:
    for logits, loc, scale in [
        ([0.3, -1.0], [3.0, 12.5], [0.2, 2.0]),
        ([0.0], [8.0], [0.02]),
        ([1.0, 2.0, -3.0], [-20.0, 40.0, 8.1], [0.7, 0.5, 30.0]),
    ]:
        p = DiscretizedLogisticMixture(*(torch.tensor(v, dtype=dtype) for v in (logits, loc, scale)), num_values=17)
        expected = torch.tensor([reference(logits, loc, scale, 17, x) for x in range(17)], dtype=dtype)
        rtol = 2e-5 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(p.log_probs, expected, rtol=rtol, atol=rtol)


def test_samples_have_the_probabilities_of_their_values() -> None:
    torch.manual_seed(0)
    p = mixture((), 3, 9, seed=4)
    samples = p.sample((50_000,))
    assert samples.dtype == torch.float64 and torch.equal(samples, samples.round())
    counts = torch.bincount(samples.long(), minlength=9).double()
    assert chisquare(counts, p.log_probs.exp() * len(samples)).pvalue > 1e-3


def test_mean_and_variance_are_those_of_the_values() -> None:
    torch.manual_seed(0)
    p = mixture((4,), 3, 9, seed=5)
    samples = p.sample((40_000,))
    standard_error = samples.std(0) / len(samples) ** 0.5
    assert ((samples.mean(0) - p.mean).abs() < 4 * standard_error).all()
    fourth = ((samples - samples.mean(0)) ** 2).std(0) / len(samples) ** 0.5
    assert ((samples.var(0) - p.variance).abs() < 4 * fourth).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_far_out(dtype: torch.dtype) -> None:
    logits = torch.tensor([0.0, 80.0], dtype=dtype, requires_grad=True)
    loc = torch.tensor([-1e3, 1e3], dtype=dtype, requires_grad=True)
    log_scale = torch.tensor([-5.0, 9.0], dtype=dtype, requires_grad=True)
    p = DiscretizedLogisticMixture(logits, loc, log_scale.exp(), 17)
    p.log_prob(torch.arange(17, dtype=dtype)).sum().backward()
    for parameter in (logits, loc, log_scale):
        assert torch.isfinite(parameter.grad).all() and (parameter.grad != 0).any()


def test_gradients_agree_with_finite_differences() -> None:
    inputs = tuple(torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    x = torch.tensor([0.0, 5.0], dtype=torch.float64)

    def log_prob(logits, loc, log_scale):
        return DiscretizedLogisticMixture(logits, 4 * (1 + loc), log_scale.exp(), 9).log_prob(x)

    torch.manual_seed(0)
    assert torch.autograd.gradcheck(log_prob, inputs)


@pytest.mark.parametrize("value", [-1.0, 0.5, 17.0, float("nan")])
def test_values_outside_the_grey_levels_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="support"):
        mixture((), 2, 17, seed=0).log_prob(torch.tensor(value))


def test_bad_parameters_are_refused() -> None:
    one = torch.ones(2)
    with pytest.raises(ValueError, match="scale"):
        DiscretizedLogisticMixture(one, one, -one, 17)
    with pytest.raises(ValueError, match="num_values: expected a whole number of at least 2, got 1"):
        DiscretizedLogisticMixture(one, one, one, 1)


def test_expanding_repeats_the_distribution() -> None:
    p = mixture((3,), 2, 5, seed=1)
    wide = p.expand((4, 3))
    x = torch.tensor([0.0, 2.0, 4.0])
    assert wide.batch_shape == (4, 3) and wide.sample().shape == (4, 3)
    torch.testing.assert_close(wide.log_prob(x), p.log_prob(x).expand(4, 3))
