"""What the sampled bounds of every model must satisfy: unbiased, normalised, tighter with more samples."""

import itertools

import torch

from hvae_ref.elbo import log_mean_exp, sampled_kl


@torch.no_grad()
def test_log_weights_and_bounds_have_the_same_expectation(case) -> None:
    model, x, n = case.build(), case.data(3), 4000
    torch.manual_seed(0)
    weights = model.log_weight(x, n)
    bounds = model.elbo(x.repeat(n, 1)).value.view(n, 3)
    standard_error = ((weights.var(0) + bounds.var(0)) / n).sqrt()
    assert ((weights.mean(0) - bounds.mean(0)).abs() < 4 * standard_error).all()
    assert (standard_error < 0.2).all() and (standard_error > 0).all(), standard_error


@torch.no_grad()
def test_exact_and_sampled_kl_of_each_level_have_the_same_expectation(kind) -> None:
    model, x, n = kind.build(), kind.data(2), 3000
    torch.manual_seed(0)
    exact, sampled = model.elbo(x.repeat(n, 1)).kl, model.elbo(x.repeat(n, 1), kl=sampled_kl).kl
    assert tuple(exact) == tuple(sampled) == model.levels
    for level in model.levels:
        a, b = exact[level].view(n, 2), sampled[level].view(n, 2)
        assert ((a.mean(0) - b.mean(0)).abs() < 4 * ((a.var(0) + b.var(0)) / n).sqrt()).all(), level


@torch.no_grad()
def test_the_importance_bound_grows_with_the_number_of_samples(kind) -> None:
    """Independent weights for each K; the mean over 200 repetitions and all data grows by more than its error."""
    model, x, repetitions = kind.build(), kind.data(5), 200
    torch.manual_seed(0)

    def bound(k: int) -> tuple[float, float]:
        values = log_mean_exp(model.log_weight(x, k * repetitions).view(k, repetitions, 5)).mean(1)
        return float(values.mean()), float(values.std() / repetitions**0.5)

    means, errors = zip(*(bound(k) for k in (1, 5, 50)), strict=True)
    for low, high in itertools.pairwise(range(3)):
        assert means[high] - means[low] > 2 * (errors[low] ** 2 + errors[high] ** 2) ** 0.5, means


@torch.no_grad()
def test_the_whole_model_is_normalised_and_samples_have_its_probabilities(net_case) -> None:
    """p(x) of all x three ways: importance weights from q, the likelihood averaged over the prior, and `sample`.

    The first must sum to one, and any two agree for every x within their standard errors.
    """
    d, v = (4, 2) if net_case.likelihood == "bernoulli" else (2, 3)
    model = net_case.build(data_dim=d, seed=3, shrink=0.4)
    x = torch.tensor(list(itertools.product(range(v), repeat=d)), dtype=torch.float64)
    torch.manual_seed(0)
    n = 3000
    codes = (model.sample(n) @ torch.tensor([float(v**i) for i in reversed(range(d))]).double()).long()
    z = {level: value.repeat_interleave(len(x), 0) for level, value in model.sample_latents(n).items()}
    estimates = {
        "weights": model.log_weight(x, n).exp(),
        "prior": model.decode(z).log_prob(x.repeat(n, 1)).exp().view(n, len(x)),
        "samples": torch.nn.functional.one_hot(codes, len(x)).double(),
    }
    probability = {way: values.mean(0) for way, values in estimates.items()}
    error = {way: values.std(0) / n**0.5 for way, values in estimates.items()}
    total_error = float(error["weights"].square().sum().sqrt())
    assert total_error < 0.05, total_error
    assert abs(float(probability["weights"].sum()) - 1) < 4 * total_error
    assert error["prior"].max() < 0.02
    for a, b in itertools.combinations(estimates, 2):
        gap = (probability[a] - probability[b]).abs() / (error[a] ** 2 + error[b] ** 2 + 1e-8).sqrt()
        assert gap.max() < 4.5, (a, b, gap)


@torch.no_grad()
def test_log_weight_is_log_joint_minus_log_posterior(case) -> None:
    """Rebuilt from `infer`, the priors met on `descend`, and `decode`, at the same random numbers."""
    model, x = case.build(), case.data(4)
    torch.manual_seed(5)
    weight = model.log_weight(x, 1)[0]
    torch.manual_seed(5)
    q, z = model.infer(x)
    log_prior = {}

    def visit(level, prior):
        log_prior[level] = prior.log_prob(z[level])
        return z[level]

    log_px = model.descend(visit, len(x)).log_prob(x)
    log_q = sum(q[level].log_prob(z[level]) for level in model.levels)
    assert tuple(log_prior) == model.levels == tuple(q) == tuple(z)
    torch.testing.assert_close(weight, log_px + sum(log_prior.values()) - log_q)
    torch.testing.assert_close(model.decode(z).log_prob(x), log_px)


@torch.no_grad()
def test_decode_gives_the_likelihood_that_the_bound_used(case) -> None:
    model, x = case.build(), case.data(4)
    torch.manual_seed(5)
    bound = model.elbo(x)
    torch.manual_seed(5)
    z = model.infer(x).z
    torch.testing.assert_close(model.decode(z).log_prob(x), bound.log_px)


@torch.no_grad()
def test_each_example_has_its_own_terms(case) -> None:
    """Changing x[0] changes only term 0, of the likelihood and of every KL."""
    model, x = case.build(), case.data(4)
    changed = x.clone()
    changed[0] = (changed[0] + 1) % (model.num_values or 10)
    torch.manual_seed(5)
    before = model.elbo(x)
    torch.manual_seed(5)
    after = model.elbo(changed)
    pairs = [(before.log_px, after.log_px), *((before.kl[level], after.kl[level]) for level in model.levels)]
    for old, new in pairs:
        torch.testing.assert_close(old[1:], new[1:], rtol=1e-12, atol=1e-12)
        assert abs(float(old[0] - new[0])) > 1e-6
