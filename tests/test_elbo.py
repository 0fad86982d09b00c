"""The bound as a record, its two KL estimates, and the importance-weighted bound."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import AffineTransform, Independent, Normal, TransformedDistribution, kl_divergence

from hvae_ref.elbo import (
    Divergence,
    Elbo,
    Latent,
    analytic_kl_or_sample,
    bits_per_dim,
    draw,
    log_mean_exp,
    sampled_kl,
)


def gaussian(seed: int) -> Independent:
    generator = torch.Generator().manual_seed(seed)
    loc, log_scale = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    return Independent(Normal(loc, (0.5 * log_scale).exp()), 1)


def test_value_is_the_likelihood_minus_every_kl() -> None:
    bound = Elbo(torch.tensor([-5.0, -6.0]), kl={"z2": torch.tensor([1.0, 2.0]), "z1": torch.tensor([0.5, 0.25])})
    assert bound.total_kl.tolist() == [1.5, 2.25]
    assert bound.value.tolist() == [-6.5, -8.25]


def test_the_record_does_not_change() -> None:
    bound = Elbo(torch.zeros(2), kl={"z1": torch.zeros(2)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        bound.log_px = torch.ones(2)


@pytest.mark.parametrize("wrong", [torch.zeros(()), torch.zeros(2, 3), torch.zeros(3)])
@pytest.mark.usefixtures("unchecked")
def test_a_kl_that_is_not_one_value_an_example_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"kl\['z1'\].*shape \(2,\)"):
        Elbo(torch.zeros(2), kl={"z1": wrong})


def test_auxiliary_terms_are_carried_beside_the_bound() -> None:
    log_px, kl = torch.tensor([-5.0, -6.0]), {"z1": torch.tensor([0.5, 0.25])}
    bound = Elbo(log_px, kl, auxiliary={"peak": torch.tensor([7.0, 8.0])})
    assert bound.auxiliary["peak"].tolist() == [7.0, 8.0]
    torch.testing.assert_close(bound.value, Elbo(log_px, kl).value)
    torch.testing.assert_close(bound.total_kl, kl["z1"])
    assert dict(Elbo(log_px, kl).auxiliary) == {}
    assert Elbo(log_px, kl).auxiliary is not Elbo(log_px, kl).auxiliary


@pytest.mark.parametrize("wrong", [torch.zeros(()), torch.zeros(2, 3), torch.zeros(3)])
@pytest.mark.usefixtures("unchecked")
def test_an_auxiliary_term_that_is_not_one_value_an_example_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"auxiliary\['peak'\].*shape \(2,\)"):
        Elbo(torch.zeros(2), kl={"z1": torch.zeros(2)}, auxiliary={"peak": wrong})


def test_a_name_stands_for_one_term() -> None:
    with pytest.raises(ValueError, match="auxiliary: .*got z1 in both"):
        Elbo(torch.zeros(2), kl={"z1": torch.zeros(2)}, auxiliary={"z1": torch.zeros(2)})


def test_sampled_kl_is_unbiased() -> None:
    torch.manual_seed(0)
    q, p = gaussian(0), gaussian(1)
    estimates = torch.stack([sampled_kl(Latent(q, p, q.sample())).nats for _ in range(2_000)])
    exact, sampled = analytic_kl_or_sample(Latent(q, p, q.sample()))
    assert exact.shape == (4,) and not sampled
    assert ((estimates.mean(0) - exact).abs() < 4 * estimates.std(0) / len(estimates) ** 0.5).all()
    assert estimates.std(0).min() > 0.1


def test_kl_of_a_distribution_to_itself_is_zero_by_either_estimate() -> None:
    q = gaussian(0)
    itself = Latent(q, q, q.sample())
    assert analytic_kl_or_sample(itself).nats.abs().max() == 0
    assert sampled_kl(itself).nats.abs().max() == 0


def test_the_order_of_the_arguments_matters() -> None:
    q, p = gaussian(0), gaussian(1)
    z = q.sample()
    there, back = analytic_kl_or_sample(Latent(q, p, z)).nats, analytic_kl_or_sample(Latent(p, q, z)).nats
    assert (there - back).abs().min() > 1e-3


def test_the_density_that_came_with_a_sample_is_used() -> None:
    """It is taken as it is, and no closed form is asked for: the posteriors that bring one have none."""
    q, p = gaussian(0), gaussian(1)
    z, log_q = q.sample(), torch.arange(4.0).double()
    for estimate in (sampled_kl, analytic_kl_or_sample):
        nats, sampled = estimate(Latent(q, p, z, log_q))
        torch.testing.assert_close(nats, log_q - p.log_prob(z))
        assert sampled


def test_a_draw_brings_its_density_where_it_is_dear_to_compute_later() -> None:
    class Dear(Normal):
        def rsample_and_log_prob(self):
            z = self.rsample()
            return z, self.log_prob(z)

    z, log_q = draw(gaussian(0))
    assert z.shape == (4, 3) and log_q is None
    z, log_q = draw(Dear(torch.zeros(4), 1.0))
    torch.testing.assert_close(log_q, Normal(0.0, 1.0).log_prob(z))


def test_a_pair_without_a_closed_form_does_not_spoil_the_next_one_of_its_types() -> None:
    """Whether torch has a closed form may depend on values: here on whether both are moved by the same map."""
    base, other = gaussian(0), gaussian(1)
    q = TransformedDistribution(base, [AffineTransform(1.0, 2.0)])
    elsewhere = TransformedDistribution(other, [AffineTransform(0.0, 3.0)])
    z = q.rsample()
    assert analytic_kl_or_sample(Latent(q, elsewhere, z)).sampled
    nats, sampled = analytic_kl_or_sample(Latent(q, TransformedDistribution(other, [AffineTransform(1.0, 2.0)]), z))
    assert not sampled
    torch.testing.assert_close(nats, kl_divergence(base, other))


def test_the_record_says_which_levels_were_sampled_and_goes_on_saying_it() -> None:
    nats = torch.ones(2)
    bound = Elbo(torch.zeros(2), {"z2": Divergence(nats, sampled=False), "z1": Divergence(nats, sampled=True)})
    assert bound.sampled == {"z1"} and list(bound.kl) == ["z2", "z1"]
    assert all(isinstance(value, torch.Tensor) for value in bound.kl.values()) and bound.value.tolist() == [-2.0, -2.0]
    again = dataclasses.replace(bound, auxiliary={"peak": nats})
    assert again.sampled == {"z1"} and again.value.tolist() == [-2.0, -2.0]
    assert Elbo(torch.zeros(2), {"z1": nats}).sampled == frozenset()
    with pytest.raises(ValueError, match="sampled: expected levels among z1, got z3"):
        Elbo(torch.zeros(2), {"z1": nats}, sampled=frozenset({"z3"}))
    with pytest.raises(ValueError, match="kl: expected an entry for every level, got none"):
        Elbo(torch.zeros(2), {})


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(-1e4, 1e4))
@settings(max_examples=100, deadline=None)
def test_log_mean_exp_is_the_log_of_the_mean_and_moves_with_a_shift(values: list[float], shift: float) -> None:
    v = torch.tensor(values, dtype=torch.float64)
    expected = math.log(math.fsum(math.exp(value) for value in values) / len(values))
    assert math.isclose(float(log_mean_exp(v)), expected, abs_tol=1e-9)
    assert math.isclose(float(log_mean_exp(v + shift)), expected + shift, abs_tol=1e-9, rel_tol=1e-12)
    assert float(log_mean_exp(v)) >= float(v.mean()) - 1e-9


def test_log_mean_exp_reduces_the_dimension_it_is_told() -> None:
    v = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_mean_exp(v), v.exp().mean(0).log())
    torch.testing.assert_close(log_mean_exp(v, dim=1), v.exp().mean(1).log())


def test_a_weight_of_zero_counts_as_a_sample() -> None:
    assert math.isclose(float(log_mean_exp(torch.tensor([0.0, -math.inf]))), -math.log(2), rel_tol=1e-6)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        log_mean_exp(torch.zeros(0, 3))


def test_bits_per_dim_of_fair_coins_is_one() -> None:
    nats = torch.full((3,), 20 * math.log(2.0))
    torch.testing.assert_close(bits_per_dim(nats, 20), torch.ones(3))
    assert math.isclose(bits_per_dim(math.log(256.0) * 784, 784), 8.0)
    with pytest.raises(ValueError, match="data_dim"):
        bits_per_dim(1.0, 0)
