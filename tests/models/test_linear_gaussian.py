"""The oracle itself, against joint Gaussians written out, numerical integration, and samples."""

import math

import pytest
import torch
from scipy import integrate
from torch.distributions import MultivariateNormal, kl_divergence

from hvae_ref.elbo import log_mean_exp
from hvae_ref.models import LinearGaussianModel
from hvae_ref.nn.linear_gaussian_head import ConditionalLinearGaussian

CHAINS = [(3,), (3, 2), (4, 3, 2), (2, 2, 3, 2, 1)]


def arrows(data_dim: int, latent_dims: tuple, seed: int) -> list[ConditionalLinearGaussian]:
    """Random arrows with *full* noise covariances, which `LinearGaussianModel.random` does not draw."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    result = []
    for low, high in zip((data_dim, *latent_dims[:-1]), latent_dims, strict=True):
        root = draw(low, low)
        noise = root @ root.mT / low + 0.2 * torch.eye(low, dtype=torch.float64)
        result.append(ConditionalLinearGaussian(draw(low, high), covariance=noise, bias=draw(low)))
    return result


def explicit_joint(model: LinearGaussianModel) -> MultivariateNormal:
    """p(z_L, …, z_1, x), from the precision matrix of the chain, which couples neighbours only."""
    p = [arrow.arrow for arrow in model.p_given_above]
    sizes = [model.dims[level] for level in model.levels] + [model.x_shape[0]]
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]
    precision = torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64)
    information = torch.zeros(sum(sizes), dtype=torch.float64)
    precision[: sizes[0], : sizes[0]] = torch.eye(sizes[0], dtype=torch.float64)
    for i, arrow in enumerate(reversed(p)):
        up, low = slice(offsets[i], offsets[i] + sizes[i]), slice(offsets[i + 1], offsets[i + 1] + sizes[i + 1])
        inverse = torch.linalg.inv(arrow.covariance)
        precision[low, low] += inverse
        precision[up, up] += arrow.weight.mT @ inverse @ arrow.weight
        precision[low, up] -= inverse @ arrow.weight
        precision[up, low] -= arrow.weight.mT @ inverse
        information[low] += inverse @ arrow.bias
        information[up] -= arrow.weight.mT @ inverse @ arrow.bias
    covariance = torch.linalg.inv(precision)
    return MultivariateNormal(covariance @ information, (covariance + covariance.mT) / 2)


@pytest.fixture(params=CHAINS, ids=str)
def model(request) -> LinearGaussianModel:
    return LinearGaussianModel(arrows(4, request.param, seed=1))


@torch.no_grad()
def test_weights_of_the_exact_posterior_are_constant(model) -> None:
    x = 3 * torch.randn(6, 4).double()
    weights = model.log_weight(x, 200)
    assert (weights - model.log_prob(x)).abs().max() < 1e-10
    assert (model.exact_elbo(x).value - model.log_prob(x)).abs().max() < 1e-10


@torch.no_grad()
def test_log_prob_is_that_of_the_explicit_joint(model) -> None:
    joint, x = explicit_joint(model), 3 * torch.randn(6, 4).double()
    marginal = MultivariateNormal(joint.loc[-4:], joint.covariance_matrix[-4:, -4:])
    torch.testing.assert_close(model.log_prob(x), marginal.log_prob(x))
    torch.testing.assert_close(model.entropy(), marginal.entropy())


@torch.no_grad()
def test_posterior_is_the_explicit_joint_conditioned_on_x(model) -> None:
    joint, x = explicit_joint(model), torch.randn(3, 4).double()
    c, z, d = joint.covariance_matrix, slice(None, -4), slice(-4, None)
    gain = c[z, d] @ torch.linalg.inv(c[d, d])
    posterior = model.exact_posterior(x)
    torch.testing.assert_close(posterior.mean, joint.loc[z] + (x - joint.loc[d]) @ gain.mT)
    torch.testing.assert_close(posterior.covariance_matrix[0], c[z, z] - gain @ c[d, z])
    start = 0
    for level, marginal in model.posterior_marginals(x).items():
        piece = slice(start, start := start + model.dims[level])
        torch.testing.assert_close(marginal.mean, posterior.mean[:, piece])
        torch.testing.assert_close(marginal.covariance_matrix, posterior.covariance_matrix[:, piece, piece])


@torch.no_grad()
def test_mutual_information_is_the_expected_log_ratio(model) -> None:
    """I(x; z_l) = E[log p(z_l|x) − log p(z_l)] over the model's own samples."""
    n = 20_000
    joint = explicit_joint(model)
    draw = joint.sample((n,))
    posteriors, start = model.posterior_marginals(draw[:, -4:]), 0
    for level, size in model.dims.items():
        piece = slice(start, start := start + size)
        prior = MultivariateNormal(joint.loc[piece], joint.covariance_matrix[piece, piece])
        ratio = posteriors[level].log_prob(draw[:, piece]) - prior.log_prob(draw[:, piece])
        assert abs(ratio.mean() - model.mutual_information(level)) < 4 * ratio.std() / n**0.5
    together = model.exact_posterior(draw[:, -4:]).log_prob(draw[:, :-4])
    ratio = together - MultivariateNormal(joint.loc[:-4], joint.covariance_matrix[:-4, :-4]).log_prob(draw[:, :-4])
    assert abs(ratio.mean() - model.mutual_information()) < 4 * ratio.std() / n**0.5


@torch.no_grad()
def test_information_shrinks_from_level_to_level(model) -> None:
    """The data-processing inequality of the chain z_L → … → z_1 → x."""
    information = [model.mutual_information(level).item() for level in model.levels]
    assert all(upper < lower for upper, lower in zip(information[:-1], information[1:], strict=True))
    assert information[0] > 0


@torch.no_grad()
def test_two_levels_written_out() -> None:
    a, b = torch.tensor([[0.8], [-0.5]]).double(), torch.tensor([[1.0, 2.0], [0.0, 1.5], [-1.0, 0.3]]).double()
    s1, sx, shift, offset = torch.tensor([0.6, 1.1]).double(), 0.7, torch.ones(2), torch.tensor([1.0, 0.0, -1.0])
    model = LinearGaussianModel(
        [ConditionalLinearGaussian(b, scale=sx, bias=offset), ConditionalLinearGaussian(a, scale=s1, bias=shift)]
    )
    cov_z1 = a @ a.mT + torch.diag(s1**2)
    cov_x = b @ cov_z1 @ b.mT + sx**2 * torch.eye(3).double()
    x = torch.randn(5, 3).double()
    p_x = MultivariateNormal(b @ shift.double() + offset, cov_x)
    torch.testing.assert_close(model.log_prob(x), p_x.log_prob(x))
    given_z2 = b @ torch.diag(s1**2) @ b.mT + sx**2 * torch.eye(3).double()
    torch.testing.assert_close(model.mutual_information("z2"), 0.5 * (torch.logdet(cov_x) - torch.logdet(given_z2)))
    given_z1 = 3 * 2 * math.log(sx)
    torch.testing.assert_close(model.mutual_information("z1"), 0.5 * (torch.logdet(cov_x) - given_z1))


@torch.no_grad()
def test_log_prob_by_numerical_integration() -> None:
    model = LinearGaussianModel(arrows(1, (1, 1), seed=4))
    p_x, p_z1 = (arrow.arrow for arrow in model.p_given_above)
    x = torch.tensor([[0.7]]).double()
    grid = torch.linspace(-9, 9, 401).double()
    z1, z2 = torch.meshgrid(3 * grid, grid, indexing="ij")
    z1, z2 = z1.reshape(-1, 1), z2.reshape(-1, 1)
    log_joint = p_x(z1).log_prob(x) + p_z1(z2).log_prob(z1) - 0.5 * z2[:, 0] ** 2 - 0.5 * math.log(2 * math.pi)
    values = log_joint.exp().view(401, 401).numpy()
    total = integrate.simpson(integrate.simpson(values, x=grid.numpy()), x=3 * grid.numpy())
    assert math.isclose(math.log(total), model.log_prob(x).item(), abs_tol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("latent_dims", CHAINS)
def test_every_closed_form_is_the_expectation_of_its_samples(latent_dims: tuple) -> None:
    """Term by term, for a q that is not the posterior."""
    model = LinearGaussianModel.random(4, latent_dims, seed=2, q="random")
    x, n = torch.randn(1, 4).double(), 30_000
    inference = model.infer(x.expand(n, -1))
    q, z = inference.q, inference.z
    m = model.infer(x.expand(n, -1)).z  # a second, independent draw of the chain
    priors = {}

    def visit(latents):
        def choose(level, prior, state):
            priors[level] = prior
            return latents[level]

        return choose

    log_px = model.ancestral_pass(visit(z), n).log_prob(x)
    shortcut = {level: kl_divergence(q[level], priors[level]) for level in model.levels}
    elbo = {level: q[level].log_prob(z[level]) - priors[level].log_prob(z[level]) for level in model.levels}
    eye = {level: torch.eye(size).double() for level, size in model.dims.items()}
    standard = {
        level: kl_divergence(q[level], MultivariateNormal(torch.zeros(size).double().expand(n, -1), eye[level]))
        for level, size in model.dims.items()
    }
    # Mean field: neighbouring levels from independent draws of the chain, marginals q(z_l|x) fitted in closed form.
    alternate = {level: (z if i % 2 else m)[level] for i, level in enumerate(model.levels)}
    model.ancestral_pass(visit(alternate), n)
    moments = {level: (z[level].mean(0), z[level].mT.cov().reshape(size, size)) for level, size in model.dims.items()}
    field = {
        level: MultivariateNormal(*moments[level]).log_prob(alternate[level]) - priors[level].log_prob(alternate[level])
        for level in model.levels
    }
    sampled = [
        (model.exact_elbo, elbo, 0.0),
        (model.exact_shortcut, shortcut, 0.0),
        (model.exact_standard_normal_kl, standard, 0.0),
        (model.exact_mean_field_elbo, field, 5 / n),  # the fitted marginal's own bias, of order D / n
    ]
    for closed_form, terms, slack in sampled:
        exact = closed_form(x)
        assert tuple(exact.kl) == model.levels
        assert abs(log_px.mean() - exact.log_px) < 4 * log_px.std() / n**0.5
        for level, values in terms.items():
            error = 4 * values.std() / n**0.5 + slack + 1e-10
            assert abs(values.mean() - exact.kl[level]) < error, (closed_form.__name__, level)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("q", ["exact", "random"])
def test_shortcut_is_the_mean_field_bound_minus_what_the_levels_know_of_each_other(seed: int, q: str) -> None:
    model = LinearGaussianModel.random(5, (3, 2), seed, q)
    x = 2 * torch.randn(8, 5).double()
    information = model.posterior_mutual_information(x)
    assert information.shape == (8,) and (information > 1e-3).all()
    shortcut, field = model.exact_shortcut(x).value, model.exact_mean_field_elbo(x).value
    assert (shortcut - (field - information)).abs().max() < 1e-10


@torch.no_grad()
@pytest.mark.parametrize("latent_dims", CHAINS)
def test_no_bound_exceeds_log_prob(latent_dims: tuple) -> None:
    for q in ("exact", "random"):
        model = LinearGaussianModel.random(4, latent_dims, seed=3, q=q)
        x = torch.randn(8, 4).double()
        for bound in (model.exact_elbo, model.exact_mean_field_elbo):
            assert (bound(x).value <= model.log_prob(x) + 1e-9).all()


@torch.no_grad()
def test_gap_of_the_bound_is_the_divergence_of_q_from_the_posterior() -> None:
    model = LinearGaussianModel.random(4, (3, 2), seed=5, q="random")
    x = torch.randn(6, 4).double()
    first, second = model.inference_arrows().values()
    # q(z2, z1 | x) written out
    mean_z1 = first(x).mean
    cross = second.weight @ first.covariance
    top = second.weight @ cross.mT + second.covariance
    covariance = torch.cat([torch.cat([top, cross], 1), torch.cat([cross.mT, first.covariance], 1)])
    q = MultivariateNormal(torch.cat([second.mean(mean_z1), mean_z1], 1), covariance)
    gap = model.log_prob(x) - model.exact_elbo(x).value
    torch.testing.assert_close(gap, kl_divergence(q, model.exact_posterior(x)))
    product = MultivariateNormal(q.mean, torch.block_diag(top, first.covariance))
    torch.testing.assert_close(model.posterior_mutual_information(x), kl_divergence(q, product))


def test_only_the_elbo_is_at_its_optimum_at_the_exact_posterior() -> None:
    p = arrows(4, (3, 2), seed=6)
    exact = [
        ConditionalLinearGaussian(a.weight.detach(), covariance=a.covariance.detach(), bias=a.bias.detach())
        for a in LinearGaussianModel(p).exact_arrows()
    ]
    model = LinearGaussianModel(p, exact)
    x = model.sample(50)

    def steepness(bound) -> float:
        gradients = torch.autograd.grad(-bound(x).value.mean(), list(model.posterior.parameters()))
        return max(g.abs().max().item() for g in gradients)

    assert steepness(model.exact_elbo) < 1e-9
    assert min(steepness(b) for b in (model.exact_shortcut, model.exact_standard_normal_kl)) > 1e-2


def test_the_best_q_of_the_shortcut_keeps_less_information_between_its_levels() -> None:
    """With p held. Not none: z2 hears of x only through z1, and hearing of x is still worth something."""
    model = LinearGaussianModel.random(4, (2, 2), seed=1)
    x = model.sample(30)
    information = {}
    for name in ("exact_elbo", "exact_shortcut"):
        start = [ConditionalLinearGaussian(0.3 * torch.ones(2, d).triu(), covariance=torch.eye(2)) for d in (4, 2)]
        q = LinearGaussianModel(model.p_given_above, start)
        optimizer = torch.optim.LBFGS(list(q.posterior.parameters()), max_iter=60, line_search_fn="strong_wolfe")

        def closure(q=q, name=name, optimizer=optimizer):
            optimizer.zero_grad()
            loss = -getattr(q, name)(x).value.mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        information[name] = q.posterior_mutual_information(x)[0].item()
    exact = LinearGaussianModel(model.p_given_above).posterior_mutual_information(x)[0].item()
    assert abs(information["exact_elbo"] - exact) < 1e-4
    assert information["exact_shortcut"] < 0.5 * exact, (information, exact)


@torch.no_grad()
def test_the_exact_posterior_follows_a_changed_model() -> None:
    model = LinearGaussianModel.random(4, (3, 2), seed=9)
    x = torch.randn(3, 4).double()
    before = model.log_prob(x)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    assert (model.log_prob(x) - before).abs().min() > 1e-3
    assert (model.log_weight(x, 50) - model.log_prob(x)).abs().max() < 1e-10


@torch.no_grad()
def test_importance_bound_of_a_poor_q_reaches_log_prob() -> None:
    model = LinearGaussianModel.random(3, (2, 1), seed=10, q="random")
    x = model.sample(2)
    k = 50_000
    weights = model.log_weight(x, k)
    ratio = (weights - model.log_prob(x)).exp()
    assert ((ratio.mean(0) - 1).abs() < 4 * ratio.std(0) / k**0.5).all()
    assert (log_mean_exp(weights) - weights.mean(0) > 0.1).all()


@torch.no_grad()
def test_samples_have_the_moments_of_p_of_x(model) -> None:
    n = 20_000
    x, p = model.sample(n), model.marginal()
    assert ((x.mean(0) - p.mean).abs() < 4 * x.std(0) / n**0.5).all()
    products = (x - p.mean)[:, :, None] * (x - p.mean)[:, None, :]
    assert ((products.mean(0) - p.covariance_matrix).abs() < 4.5 * products.std(0) / n**0.5).all()


def test_arrows_that_do_not_fit_are_refused() -> None:
    good = arrows(4, (3, 2), seed=0)
    with pytest.raises(ValueError, match=r"p: expected arrows .*\(4, 3\), \(3, 2\).*got .*\(4, 3\), \(5, 2\)"):
        LinearGaussianModel([good[0], ConditionalLinearGaussian(torch.ones(5, 2), scale=1.0)])
    with pytest.raises(ValueError, match=r"q: expected arrows .*\(3, 4\), \(2, 3\).*got .*\(4, 3\), \(3, 2\)"):
        LinearGaussianModel(good, good)
    with pytest.raises(ValueError, match="p: expected at least one arrow"):
        LinearGaussianModel([])
    with pytest.raises(ValueError, match="level: expected one of z2, z1 or None, got 'z3'"):
        LinearGaussianModel(good).mutual_information("z3")


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_q_is_refused() -> None:
    with pytest.raises(ValueError, match="q: expected 'exact' or arrows from x up, got 'best'"):
        LinearGaussianModel(arrows(4, (3,), seed=0), "best")
    with pytest.raises(ValueError, match="q: expected 'exact' or 'random', got 'best'"):
        LinearGaussianModel.random(4, (3,), 0, "best")
