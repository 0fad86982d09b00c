"""Use of each level in a conditional model whose posteriors and weights are known, and in models of every kind."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from hvae_ref.elbo import Latent
from hvae_ref.evaluation import eval_mode, interpolate, posterior_means, posterior_samples, probe, utilisation
from hvae_ref.models import BottomUpVAE, Inference, LatentVariableModel, TopDownVAE


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
        def posterior(self, x, c):
            return {level: Independent(Normal(1e-4 * x[:, :1], 1.0), 1) for level in self.levels}

    x, condition = rows(400)
    found = {}
    for name, codes in (("means", posterior_means), ("samples", posterior_samples)):
        found[name] = probe(codes(Collapsed(), x, condition), {"f": x[:, 0]}, kinds=("linear",))[0].r2
    assert found["means"] > 0.99 and found["samples"] < 0.05


def test_every_kind_of_model_is_measured_with_and_without_a_condition(any_model):
    model, x, condition = any_model
    state = torch.random.get_rng_state()
    use = utilisation(model, x, condition, batch_size=5)
    assert tuple(use) == model.levels and use == utilisation(model, x, condition, batch_size=5)
    assert torch.equal(state, torch.random.get_rng_state()) and model.training
    means, samples = (codes(model, x, condition) for codes in (posterior_means, posterior_samples))
    for level, one in use.items():
        assert len(one.variance) == model.dims[level] and math.isfinite(one.kl)
        assert (one.effect > 0) == (level == "z1" or not isinstance(model, BottomUpVAE))  # x reads z1 alone there
        assert means[level].shape == samples[level].shape == (12, *model.shapes[level])
        assert not torch.equal(means[level], samples[level])
    assert model.decode(means, **({} if condition is None else {"condition": condition})).mean.shape == x.shape


def test_the_kl_is_that_of_the_bound_and_what_x_does_not_read_has_no_effect():
    """Without a residual path x reads z1 alone: z2 has a KL, and drawing it anew changes nothing."""
    torch.manual_seed(1)
    model = TopDownVAE.dense(6, latent_dims=(3, 2), hidden=8, residual=False)
    x = torch.rand(400, 6).round()
    use = utilisation(model, x)
    assert use["z2"].effect == 0 < use["z1"].effect
    with torch.no_grad():
        draws = torch.stack([torch.stack([kl.mean() for kl in model.elbo(x).kl.values()]) for _ in range(50)])
    for level, mean, sd in zip(model.levels, draws.mean(0), draws.std(0), strict=True):
        assert use[level].kl == pytest.approx(float(mean), abs=5 * float(sd) + 1e-6)


class Chain(LatentVariableModel):
    """z2 ~ N(0, 1), z1 ~ N(10 z2, 0.1²), x ~ N(z1, 1); q(z1|x) = N(x, 0.1²) and q(z2|x) = N(x/10, 0.1²)."""

    def __init__(self):
        super().__init__(1, ("z2", "z1"))
        self.one = torch.nn.Parameter(torch.ones(1))

    def infer(self, x, *, condition=None):
        z2, z1 = (Independent(Normal(self.one * loc, 0.1), 1) for loc in (x / 10, x))
        latents = {"z2": Latent(z2, Independent(Normal(0 * x, 1.0), 1), z2.rsample())}
        latents["z1"] = Latent(z1, Independent(Normal(10 * latents["z2"].z, 0.1), 1), z1.rsample())
        return Inference(latents, Independent(Normal(latents["z1"].z, 1.0), 1))

    def ancestral_pass(self, source, n, c=()):
        z2 = source("z2", Independent(Normal(torch.zeros(n, 1), 1.0), 1), None)
        return Independent(Normal(source("z1", Independent(Normal(10 * z2, 0.1), 1), z2), 1.0), 1)


def test_a_level_is_drawn_anew_given_those_above_it():
    use = utilisation(Chain(), 10 * torch.randn(500, 1))
    assert use["z1"].effect == pytest.approx(0.1, rel=0.2)  # and not 10 √2, as under the z2 of another walk
    assert use["z2"].effect == 0


def test_samples_are_drawn_together():
    """z1 is a draw given the z2 that is returned, not given another one."""
    torch.manual_seed(0)
    model, x = TopDownVAE.dense(6, latent_dims=(2, 2), hidden=8), torch.rand(50, 6).round()
    z = posterior_samples(model, x, seed=3)
    with eval_mode(model, seed=3):
        expected = model.infer(x).z
    assert all(torch.equal(z[level], expected[level]) for level in model.levels)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: utilisation(model, torch.zeros(1, 3), torch.zeros(1, 1)), "x: expected at least 2 rows"),
        (
            lambda model: posterior_means(model, torch.zeros(2, 3), torch.zeros(3, 1)),
            r"condition: expected 2 rows or 1, got shape \(3, 1\)",
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
                        condition=condition.expand(2, -1), condition_b=condition_b[None])  # fmt: skip
    torch.testing.assert_close(batch[:, 1], expected)


def test_a_second_condition_needs_the_first(linear_responses):
    with pytest.raises(ValueError, match="condition: expected that of x_a beside condition_b, got None"):
        interpolate(linear_responses(), torch.zeros(3), torch.zeros(3), "z_global", condition_b=torch.zeros(1))
