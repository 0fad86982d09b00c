"""Coverage of Gaussians whose scale is right, and of those whose scale is not."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torch import nn
from torch.distributions import Independent, Normal

from hvae_ref.evaluation import conditional_draws, coverage, ranks


def gaussian(draws, n, scale=1.0, seed=0, shape=()):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(draws, n, *shape, generator=generator), torch.randn(n, *shape, generator=generator)


def test_ranks_of_one_more_draw_are_uniform():
    for count in (1, 3, 50):
        pit = ranks(*gaussian(count, 4000, seed=count))
        assert kstest(pit.numpy(), "uniform").pvalue > 1e-3


def test_ranks_of_discrete_draws_are_uniform_too():
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(3, (20, 4000), generator=generator).float()
    observed = torch.randint(3, (4000,), generator=generator).float()
    assert kstest(ranks(draws, observed).numpy(), "uniform").pvalue > 1e-3


def test_coverage_of_a_known_gaussian_is_nominal():
    for one in coverage(ranks(*gaussian(200, 6000))):
        assert one.low <= one.observed <= one.high
        assert one.observed == pytest.approx(one.nominal, abs=4 * math.sqrt(one.nominal * (1 - one.nominal) / 6000))
        assert one.high - one.low < 0.04


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_coverage_of_a_wrong_scale_is_what_the_scale_says(scale):
    for one in coverage(ranks(*gaussian(400, 4000, scale))):
        expected = 2 * norm.cdf(scale * norm.ppf((1 + one.nominal) / 2)) - 1
        assert one.observed == pytest.approx(expected, abs=0.03)
        assert not one.low <= one.nominal <= one.high


def test_the_interval_knows_that_samples_of_a_response_go_together():
    draws, observed = gaussian(100, 200)
    draws, observed = draws.unsqueeze(-1).expand(-1, -1, 50), observed.unsqueeze(-1).expand(-1, 50)
    whole, parts = coverage(ranks(draws[..., :1], observed[:, :1]))[0], coverage(ranks(draws, observed))[0]
    assert parts.high - parts.low > 0.8 * (whole.high - whole.low)


def test_what_is_missing_is_left_out():
    draws, observed = gaussian(50, 300)
    draws[:25, 0], draws[:, 1], observed[2] = math.nan, math.nan, math.nan
    pit = ranks(draws, observed)
    assert pit[1].isnan() and pit[2].isnan() and 0 < pit[0] < 1 and pit.isnan().sum() == 2
    assert coverage(pit)[0].observed == coverage(pit[[0, *range(3, 300)]])[0].observed


class Known(nn.Module):
    """x | c = c + z + 0.5 ε with z standard normal; in two dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def sample_latents(self, n, *, condition):
        return {"z": torch.randn(n, 2)}

    def decode(self, z, *, condition):
        return Independent(Normal(condition + z["z"], 0.5), 1)

    def sample(self, n, *, condition):
        return self.decode(self.sample_latents(n, condition=condition), condition=condition).sample()


@pytest.mark.parametrize(("noise", "scale"), [(True, math.sqrt(1.25)), (False, 1.0)])
def test_conditional_draws_belong_to_their_conditions(noise, scale):
    condition = torch.tensor([[0.0, 0.0], [10.0, -10.0], [5.0, 5.0]])
    draws = conditional_draws(Known(), condition, draws=2000, noise=noise, batch_size=700)
    assert draws.shape == (2000, 3, 2)
    torch.testing.assert_close(draws.mean(0), condition, atol=0.12, rtol=0)
    torch.testing.assert_close(draws.std(0), torch.full((3, 2), scale), atol=0.08, rtol=0)
    assert torch.equal(draws, conditional_draws(Known(), condition, draws=2000, noise=noise, batch_size=700))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranks(torch.zeros(5, 3), torch.zeros(4)), r"expected shapes \(K, N, …\) and \(N, …\)"),
        (lambda: ranks(torch.zeros(0, 3), torch.zeros(3)), r"expected shapes \(K, N, …\)"),
        (lambda: coverage(torch.rand(5), levels=(0.5, 1.0)), r"levels: expected probabilities in \(0, 1\)"),
        (lambda: coverage(torch.full((5,), math.nan)), "pit: expected at least one observation"),
        (lambda: conditional_draws(Known(), torch.zeros(2, 2), draws=0), "expected at least one of each, got 0 and 2"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nothing_to_measure_and_a_condition_without_rows():
    with pytest.raises(ValueError, match="at least one observation"):
        coverage(torch.zeros(0, 3))
    with pytest.raises(ValueError, match=r"condition: expected shape \(N, …\), got \(\)"):
        conditional_draws(nn.Identity(), torch.tensor(7.0))
    with pytest.raises(ValueError, match="expected at least one of each, got 100 and 0"):
        conditional_draws(nn.Identity(), torch.zeros(0, 7))


@pytest.mark.parametrize("noise", [True, False])
def test_draws_of_every_kind_of_model(any_model, noise):
    """Each row's draws stand in its column, whatever the condition is; without one there is a single column."""
    model, x, condition = any_model
    draws = conditional_draws(model, condition, draws=3, noise=noise, batch_size=7)
    rows = 1 if condition is None else len(condition)
    assert draws.shape == (3, rows, *model.x_shape)
    assert len(draws.flatten(0, 1).unique(dim=0)) > 1
    if condition is not None:
        one = conditional_draws(model, condition[:1], draws=2000, noise=False).mean((0, 1))
        many = conditional_draws(model, condition, draws=2000, noise=False).mean(0)
        torch.testing.assert_close(many[0], one, atol=0.05, rtol=0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: ranks(np.zeros((3, 4)), torch.zeros(4)), "draws: expected a tensor, got ndarray"),
        (lambda: ranks(torch.zeros(3, 4), np.zeros(4)), "observed: expected a tensor, got ndarray"),
        (lambda: ranks(torch.zeros(3), torch.zeros(())), "draws, observed: expected shapes"),
        (lambda: ranks(torch.zeros(3, 4), torch.zeros(4), seed=-1), "seed: expected a whole number"),
        (lambda: coverage(np.zeros(4)), "pit: expected a tensor, got ndarray"),
        (lambda: coverage(torch.tensor([0.5, 1.2, math.nan])), r"pit: expected ranks in \[0, 1\].* got 0.5 to 1.2"),
        (lambda: coverage(torch.tensor([-0.1, 0.5])), r"pit: expected ranks in \[0, 1\]"),
        (lambda: coverage(torch.tensor(0.5)), "pit: expected at least one observation"),
        (lambda: coverage(torch.rand(5), levels=0.5), "levels: expected a sequence"),
        (lambda: coverage(torch.rand(5), levels=("0.5",)), "levels: expected a finite number"),
        (lambda: coverage(torch.rand(5), seed=-1), "seed: expected a whole number"),
    ],
)
def test_what_is_of_another_kind_is_told(call, told):
    with pytest.raises(ValueError, match=told):
        call()
