"""What the sampled bounds of every model must satisfy: unbiased, normalised, tighter with more samples."""

import itertools
import math

import pytest
import torch

from hvae_ref.elbo import log_mean_exp, sampled_kl
from hvae_ref.models import LatentVariableModel, TopDownVAE
from tests.models.conftest import Case, repeated


@torch.no_grad()
def test_log_weights_and_bounds_have_the_same_expectation(kind) -> None:
    model, x, beside, n = kind.build(), kind.data(2), kind.beside(2), 1500
    torch.manual_seed(0)
    weights = model.log_weight(x, n, **beside)
    bounds = model.elbo(x.repeat(n, *[1] * (x.ndim - 1)), **repeated(beside, n)).value.view(n, 2)
    standard_error = ((weights.var(0) + bounds.var(0)) / n).sqrt()
    assert ((weights.mean(0) - bounds.mean(0)).abs() < 4.5 * standard_error).all()
    assert (standard_error < 0.3).all() and (standard_error > 0).all(), standard_error


@torch.no_grad()
def test_exact_and_sampled_kl_of_each_level_have_the_same_expectation(kind) -> None:
    model, n = kind.build(), 1500
    x, beside = kind.data(2), repeated(kind.beside(2), n)
    x = x.repeat(n, *[1] * (x.ndim - 1))
    torch.manual_seed(0)
    exact, sampled = model.elbo(x, **beside).kl, model.elbo(x, kl=sampled_kl, **beside).kl
    assert tuple(exact) == tuple(sampled) == model.levels
    for level in model.levels:
        a, b = exact[level].view(n, 2), sampled[level].view(n, 2)
        assert ((a.mean(0) - b.mean(0)).abs() < 4.5 * ((a.var(0) + b.var(0)) / n).sqrt()).all(), level


@torch.no_grad()
@pytest.mark.parametrize("kind", ["vae", "top-down-residual", "top-down-sphere"])
def test_the_importance_bound_grows_with_the_number_of_samples(kind: str) -> None:
    """The same weights in groups of 1, 5 and 50: the mean bound grows by more than its error.

    That weights differ from sample to sample is enough for it, and the first test has that of every model.
    """
    case, repetitions = Case(kind), 80
    model, x = case.build(), case.data(5)
    torch.manual_seed(0)
    weights = model.log_weight(x, 50 * repetitions)
    bounds = [log_mean_exp(weights.view(k, -1, 5)).view(50 // k, repetitions, 5).mean((0, 2)) for k in (1, 5, 50)]
    for low, high in itertools.pairwise(bounds):
        growth = high - low
        assert growth.mean() > 2 * growth.std() / repetitions**0.5, [float(bound.mean()) for bound in bounds]


@torch.no_grad()
def test_the_whole_model_is_normalised_and_samples_have_its_probabilities(discrete) -> None:
    """p(x) of all x three ways: importance weights from q, the likelihood averaged over the prior, and `sample`.

    The first must sum to one, and any two agree for every x within their standard errors.
    """
    v = discrete.values
    x_shape = {1: (4,) if v == 2 else (2,), 3: (1, 2, 2) if v == 2 else (1, 1, 2)}[len(discrete.x_shape)]
    small = discrete.on(x_shape)
    model, d = small.build(seed=3, shrink=0.4), math.prod(x_shape)
    x = torch.tensor(list(itertools.product(range(v), repeat=d)), dtype=torch.float64).view(-1, *x_shape)
    torch.manual_seed(0)
    n, one = 2000, small.beside(1)
    codes = model.sample(n, **one).flatten(1) @ torch.tensor([float(v**i) for i in reversed(range(d))]).double()
    z = {level: value.repeat_interleave(len(x), 0) for level, value in model.sample_latents(n, **one).items()}
    estimates = {
        "weights": model.log_weight(x, n, **one).exp(),
        "prior": model.decode(z, **one).log_prob(x.repeat(n, *[1] * (x.ndim - 1))).exp().view(n, len(x)),
        "samples": torch.nn.functional.one_hot(codes.long(), len(x)).double(),
    }
    probability = {way: values.mean(0) for way, values in estimates.items()}
    error = {way: values.std(0) / n**0.5 for way, values in estimates.items()}
    total_error = float(error["weights"].square().sum().sqrt())
    assert total_error < 0.06, total_error
    assert abs(float(probability["weights"].sum()) - 1) < 4 * total_error
    assert error["prior"].max() < 0.02
    for a, b in itertools.combinations(estimates, 2):
        gap = (probability[a] - probability[b]).abs() / (error[a] ** 2 + error[b] ** 2 + 1e-8).sqrt()
        assert gap.max() < 4.5, (a, b, gap)


@torch.no_grad()
def test_log_weight_is_log_joint_minus_log_posterior(case) -> None:
    """Rebuilt from `infer`, the priors met on the walk down, and `decode`, at the same random numbers."""
    model, x, beside = case.build(), case.data(4), case.beside(4)
    torch.manual_seed(5)
    weight = model.log_weight(x, 1, **beside)[0]
    torch.manual_seed(5)
    inference = model.infer(x, **beside)
    q, z, log_prior = inference.q, inference.z, {}

    def source(level, prior, state):
        log_prior[level] = prior.log_prob(z[level])
        return z[level]

    log_px = model.ancestral_pass(source, 4, model.observe.given(beside.get("condition"), 4)).log_prob(x)
    log_q = sum(q[level].log_prob(z[level]) for level in model.levels)
    assert tuple(log_prior) == model.levels == tuple(q) == tuple(z)
    for level in model.levels:
        torch.testing.assert_close(inference.p[level].log_prob(z[level]), log_prior[level])
    torch.testing.assert_close(weight, log_px + sum(log_prior.values()) - log_q)
    torch.testing.assert_close(model.decode(z, **beside).log_prob(x), log_px)
    torch.manual_seed(5)
    torch.testing.assert_close(model.elbo(x, **beside).log_px, log_px)


@torch.no_grad()
def test_the_inherited_bound_has_every_level() -> None:
    """What a model of one's own gets that brings no `elbo`."""
    model, x = TopDownVAE.dense(5, (4, 3, 2), 8).double(), Case("vae").data(4)
    torch.manual_seed(5)
    written = model.elbo(x)
    torch.manual_seed(5)
    inherited = LatentVariableModel.elbo(model, x)
    assert tuple(inherited.kl) == tuple(written.kl) == model.levels
    torch.testing.assert_close(inherited.log_px, written.log_px)
    for level in model.levels:
        torch.testing.assert_close(inherited.kl[level], written.kl[level])


@torch.no_grad()
def test_each_example_has_its_own_terms(kind) -> None:
    """Changing x[0] changes only term 0, of the likelihood and of every KL."""
    model, x, beside = kind.build(), kind.data(4), kind.beside(4)
    changed = x.clone()
    changed[0] = changed[0] + 1 if kind.values is None else (changed[0] + 1) % kind.values
    torch.manual_seed(5)
    before = model.elbo(x, **beside)
    torch.manual_seed(5)
    after = model.elbo(changed, **beside)
    pairs = [(before.log_px, after.log_px), *((before.kl[level], after.kl[level]) for level in model.levels)]
    for old, new in pairs:
        torch.testing.assert_close(old[1:], new[1:], rtol=1e-12, atol=1e-12)
        assert abs(float(old[0] - new[0])) > 1e-6
