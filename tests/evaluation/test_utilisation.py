"""Use of each level in a conditional model whose posteriors and weights are known; walks in one of them."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from hvae_ref.evaluation import interpolate, posterior_means, posterior_samples, probe, utilisation


def rows(n=4000):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, generator=generator), torch.zeros(n, 1)


def test_numbers_of_a_linear_model(linear_responses):
    use = utilisation(linear_responses(2.0, 0.0), *rows())
    top, bottom = use["z_global"], use["z_local"]
    assert top.variance == pytest.approx([1.0], rel=0.1) and bottom.variance == pytest.approx([0.25], rel=0.1)
    assert (top.active, bottom.active) == (1, 1)
    # KL of N(m, ½²) from N(0, 1), averaged over m
    for one, square in ((top, 1.0), (bottom, 0.25)):
        assert one.kl == pytest.approx(0.5 * (square + 0.25 - 1 - math.log(0.25)), abs=0.05)
    # One of three values moves by 2 (z − m), both with variance 1; and nothing reads z_local.
    assert top.effect == pytest.approx(math.sqrt(4 * 2 / 3), rel=0.06)
    assert bottom.effect == 0


def test_threshold(linear_responses):
    use = utilisation(linear_responses(), *rows(), threshold=0.5)
    assert (use["z_global"].active, use["z_local"].active) == (1, 0)


def test_posterior_means_know_the_condition_and_come_in_batches(linear_responses):
    x, condition = rows(50)
    whole = posterior_means(linear_responses(), x, condition + 1.0)
    torch.testing.assert_close(whole["z_global"], x[:, :1] - 1.0)
    parts = posterior_means(linear_responses(), x, condition + 1.0, batch_size=7)
    for level in whole:
        torch.testing.assert_close(whole[level], parts[level])


def test_posterior_samples_spread_around_the_means(linear_responses):
    x, condition = rows()
    state = torch.random.get_rng_state()
    samples = posterior_samples(linear_responses(), x, condition, batch_size=1500)
    means = posterior_means(linear_responses(), x, condition)
    for level in means:
        off = samples[level] - means[level]
        assert off.mean().abs() < 0.03 and off.std().item() == pytest.approx(0.5, rel=0.05)
    assert torch.equal(
        samples["z_local"], posterior_samples(linear_responses(), x, condition, batch_size=1500)["z_local"]
    )
    assert torch.equal(state, torch.random.get_rng_state())


def test_means_of_a_collapsed_level_can_be_read_and_samples_cannot(linear_responses):
    class Collapsed(linear_responses):
        def encode(self, x, condition):
            return {level: Independent(Normal(1e-4 * x[:, :1], 1.0), 1) for level in self.levels}

    x, condition = rows(400)
    found = {}
    for name, codes in (("means", posterior_means), ("samples", posterior_samples)):
        found[name] = probe(codes(Collapsed(), x, condition), {"f": x[:, 0]}, kinds=("linear",))[0].r2
    assert found["means"] > 0.99 and found["samples"] < 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: utilisation(model, torch.zeros(1, 3), torch.zeros(1, 1)), "x: expected at least 2 rows"),
        (
            lambda model: posterior_means(model, torch.zeros(2, 3), torch.zeros(3, 1)),
            r"condition: expected shape \(2, C\) or \(1, C\), got \(3, 1\)",
        ),
    ],
)
def test_bad_arguments(call, message, linear_responses):
    with pytest.raises(ValueError, match=message):
        call(linear_responses())


def test_a_walk_changes_what_its_level_decides_under_one_condition(linear_responses):
    model = linear_responses()
    a, b = torch.tensor([[1.0, 2.0, 0.0], [5.0, 7.0, 9.0]])
    condition, condition_b = torch.tensor([0.5]), torch.tensor([3.0])
    walk = interpolate(model, a, b, "z_global", steps=3, others="posterior", condition=condition,
                       condition_b=condition_b)  # fmt: skip
    # z_global from 1 − ½ to 5 − 3; z_local stays ½ (2 − ½); everything under c = ½.
    expected = torch.tensor([[1.0, 1.25, 0.5], [1.75, 1.25, 0.5], [2.5, 1.25, 0.5]])
    torch.testing.assert_close(walk, expected)
    batch = interpolate(model, a.expand(2, -1), b.expand(2, -1), "z_global", steps=3, others="posterior",
                        condition=condition.expand(2, -1), condition_b=condition_b)  # fmt: skip
    torch.testing.assert_close(batch[:, 1], expected)


def test_a_second_condition_needs_the_first(linear_responses):
    with pytest.raises(ValueError, match="condition: expected that of x_a beside condition_b, got None"):
        interpolate(linear_responses(), torch.zeros(3), torch.zeros(3), "z_global", condition_b=torch.zeros(1))
