"""The hierarchical model: exact bounds where they can be had, and what reads what."""

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from hvae_ref.abr import HierarchicalResponseCVAE
from hvae_ref.abr.models.hierarchical_response_cvae import PUBLISHED_WIDTHS
from hvae_ref.abr.models.observed_response import SIGNAL_UNIT
from hvae_ref.elbo import analytic_kl_or_sample, log_mean_exp
from hvae_ref.evaluation import dependency_graph, parameter_counts
from hvae_ref.nn.heads import MIN_LOG_SIGMA, bounded_log_sigma
from tests.abr.models.responses import build, conditions, signals


@torch.no_grad()
@pytest.mark.parametrize(
    ("use_film", "noise", "prior"),
    [
        (True, "white", "standard"),
        (False, "white", "standard"),
        (True, "correlated", "standard"),
        (True, "white", "conditional"),
    ],
)
def test_the_bound_against_numerical_integration(use_film: bool, noise: str, prior: str) -> None:
    """One dimension a level: log p(x|c) on a grid, equal to the bound plus KL(q ‖ p(z|x, c)), and the limit of L_n."""
    torch.manual_seed(3)
    length, n = 4, 20_000
    model = HierarchicalResponseCVAE.dense(
        length, global_latent_dim=1, local_latent_dim=1, hidden=(8,), use_film=use_film, noise=noise, prior=prior
    ).double()
    if noise == "correlated":
        model.p_x_given_features.coefficients.normal_(std=0.1)
    for parameter in model.parameters():
        parameter.mul_(0.7)  # weights of importance sampling have a variance that can be trusted
    x, c = signals(2, length), conditions(2)
    line = torch.linspace(-8, 8, 321, dtype=torch.float64)
    z = dict(
        zip(model.levels, (part.reshape(-1, 1) for part in torch.meshgrid(line, line, indexing="ij")), strict=True)
    )
    cell = 2 * float((line[1] - line[0]).log())
    for row in range(2):
        one, given = x[row : row + 1], c[row : row + 1]
        log_prior = sum(p(len(line) ** 2).log_prob(z[level]) for level, p in model.prior.items())
        log_joint = model.decode(z, condition=given).log_prob(one) + log_prior
        log_p = float(torch.logsumexp(log_joint, 0) + cell)
        assert abs(float(torch.logsumexp(log_prior, 0) + cell)) < 1e-10
        log_q = sum(q.log_prob(z[level]) for level, q in model.encode(one, condition=given).items())
        gap = float((log_q.exp() * (log_q - (log_joint - log_p))).sum() * torch.tensor(cell).exp())
        bounds = model.elbo(one.repeat(n, 1), condition=given).value
        assert gap > 0.01
        assert abs(float(bounds.mean()) - (log_p - gap)) < 4 * float(bounds.std()) / n**0.5
        weights = model.log_weight(one, n, condition=given)[:, 0]
        error = float((weights - log_p).exp().std()) / n**0.5
        assert error < 0.05
        assert abs(float(log_mean_exp(weights)) - log_p) < 4 * error


@torch.no_grad()
def test_a_linear_model_with_the_exact_posterior_has_no_gap() -> None:
    """x = SIGNAL_UNIT (W z + V c + b + s ε) with orthogonal columns of W: log weights are log p(x|c), each of them."""
    torch.manual_seed(0)
    length = 4
    model = HierarchicalResponseCVAE.dense(
        length, global_latent_dim=1, local_latent_dim=1, hidden=(), use_film=False
    ).double()
    model.p_x_given_features.level[-1].weight.zero_()
    model.p_x_given_features.level[-1].bias.zero_()
    s = float(bounded_log_sigma(torch.zeros((), dtype=torch.float64)).exp())
    w = torch.linalg.qr(torch.randn(length, 2, dtype=torch.float64)).Q * torch.tensor([1.5, 0.7], dtype=torch.float64)
    loc = model.p_x_given_features.out
    loc.weight[:, :2] = w
    v, b = loc.weight[:, 2:].clone(), loc.bias.clone()
    precision = 1 + w.square().sum(0) / s**2
    for column, (net, early) in enumerate(
        ((model.q_z_global_given_x.net.net[0], 0), (model.q_z_local_given_x.net.net[0], model.early_length))
    ):
        gain = w[:, column] / s**2 / precision[column]
        net.weight.zero_()
        net.weight[0] = torch.cat((gain, gain.new_zeros(early), -gain @ v))
        log_sigma = -0.5 * precision[column].log()
        net.bias.copy_(torch.stack((-gain @ b, MIN_LOG_SIGMA + torch.expm1(log_sigma - MIN_LOG_SIGMA).log())))
    x, c = signals(5, length), conditions(5)
    covariance = SIGNAL_UNIT**2 * (s**2 * torch.eye(length, dtype=torch.float64) + w @ w.T)
    exact = MultivariateNormal(SIGNAL_UNIT * (model.observe.condition(c, 5) @ v.T + b), covariance).log_prob(x)
    torch.testing.assert_close(model.log_weight(x, 20, condition=c), exact.expand(20, -1), rtol=0, atol=1e-9)
    n = 20_000
    bounds = model.elbo(x.repeat(n, 1), condition=c.repeat(n, 1), kl=analytic_kl_or_sample).value.view(n, 5)
    assert ((bounds.mean(0) - exact).abs() < 4 * bounds.std(0) / n**0.5).all()


@torch.no_grad()
def test_latents_that_count_from_what_is_expected_are_a_learned_prior() -> None:
    """The bound is that of ẑ with the prior N(m(c), s(c)²), term by term, and ẑ of a draw is a draw from that prior."""
    model = build("conditional-prior")
    x, condition = signals(4), conditions(4)
    (c,) = model.observe.given(condition, 4)
    torch.manual_seed(5)
    elbo = model.elbo(x, condition=condition)
    q, p = model.q_z_given_x(x / SIGNAL_UNIT, c), {level: model.expected[level](c) for level in model.levels}
    torch.manual_seed(5)
    z = {level: q[level].rsample() for level in model.levels}
    p_x = model.p_x_given_features(model.features(z, c), c)
    torch.testing.assert_close(elbo.log_px, p_x.log_prob(x))
    for level in model.levels:
        torch.testing.assert_close(elbo.kl[level], kl_divergence(q[level], p[level]))
    drawn = model.sample_latents(4, condition=condition)
    hat = {level: p[level].mean + p[level].stddev * drawn[level] for level in model.levels}
    torch.testing.assert_close(
        model.decode(drawn, condition=condition).mean, model.p_x_given_features(model.features(hat, c), c).mean
    )
    assert (p["z_global"].mean[0] - p["z_global"].mean[1]).abs().max() > 1e-3


@pytest.mark.parametrize("use_film", [True, False])
def test_the_decoder_reads_both_latents_and_the_condition(use_film: bool) -> None:
    torch.manual_seed(0)
    model = HierarchicalResponseCVAE.dense(hidden=(16,), use_film=use_film)
    found = dependency_graph(model, signals(3, 200).float(), conditions(3).float())
    assert found.generative == {("z_global", "x"), ("z_local", "x"), ("c", "x")}
    assert found.inference == {(name, level) for name in ("x", "c") for level in model.levels}
    blind = HierarchicalResponseCVAE.dense(hidden=(16,), use_film=use_film, encoder_sees_covariates=False)
    assert dependency_graph(blind, signals(3, 200).float(), conditions(3).float()).inference == {
        ("x", level) for level in model.levels
    }


@torch.no_grad()
def test_with_film_the_global_latent_only_modulates() -> None:
    """Where γ = β = 0 it makes no difference; side by side with the others it makes one."""
    c, z_local = conditions(1).float(), torch.randn(1, 8)
    torch.manual_seed(0)
    film, beside = (
        HierarchicalResponseCVAE.dense(hidden=(16,)),
        HierarchicalResponseCVAE.dense(hidden=(16,), use_film=False),
    )
    for model in (film, beside):
        a, b = (
            model.decode({"z_global": torch.full((1, 8), v), "z_local": z_local}, condition=c).mean for v in (0.0, 1.0)
        )
        assert not torch.equal(a, b)
    assert beside.trunk.layers[0].in_features == 8 + 8 + 7
    assert film.trunk.layers[0].in_features == 8 + 7
    for layer in film.trunk.film:
        layer.gamma_beta.weight.zero_()
    a, b = (film.decode({"z_global": torch.full((1, 8), v), "z_local": z_local}, condition=c).mean for v in (0.0, 1.0))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("ratio", "early"), [(0.0, 0), (0.29, 58), (0.3, 60), (1.0, 200)])
def test_the_local_encoder_reads_the_early_segment_twice(ratio: float, early: int) -> None:
    """Cut the whole signal out of its first layer: what is left sees the first `early` samples and no others."""
    torch.manual_seed(0)
    model = HierarchicalResponseCVAE.dense(hidden=(16,), early_signal_ratio=ratio).double()
    first = model.q_z_local_given_x.net.net[0]
    assert (model.early_length, first.in_features) == (early, 200 + early + 7)
    assert model.q_z_global_given_x.net.net[0].in_features == 207
    x, c = signals(2, 200).requires_grad_(), conditions(2)
    (whole,) = torch.autograd.grad(model.encode(x, condition=c)["z_local"].mean.sum(), x)
    assert (whole != 0).all()
    with torch.no_grad():
        first.weight[:, :200] = 0
    (seen,) = torch.autograd.grad(model.encode(x, condition=c)["z_local"].mean.sum(), x)
    assert (seen[:, :early] != 0).all() and (seen[:, early:] == 0).all()


def test_gradients_of_the_early_segment_reach_the_local_encoder() -> None:
    torch.manual_seed(0)
    model = HierarchicalResponseCVAE.dense(hidden=(16,))
    (-model.elbo(signals(8, 200).float(), condition=conditions(8).float()).value.mean()).backward()
    gradient = model.q_z_local_given_x.net.net[0].weight.grad
    torch.testing.assert_close(gradient[:, 200:260], gradient[:, :60])  # a copy of the same samples
    assert (gradient[:, 200:260] != 0).any()


def test_a_static_head_may_read_the_local_latent_or_both() -> None:
    c = conditions(4).float()
    for reads in (("z_local",), ("z_local", "z_global")):
        torch.manual_seed(0)
        model = HierarchicalResponseCVAE.dense(hidden=(16,), static_reads=reads)
        z = {level: torch.randn(4, 8).requires_grad_() for level in model.levels}
        model.heads(z, condition=c).static.sum().backward()
        assert {level for level in model.levels if z[level].grad is not None} == set(reads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"early_signal_ratio": 1.1}, "early_signal_ratio: expected a share of the signal, 0 … 1, got 1.1"),
        ({"early_signal_ratio": float("nan")}, "early_signal_ratio: expected"),
        ({"hidden": ()}, "hidden: expected at least one layer for FiLM"),
        ({"decoder_hidden": ()}, "hidden: expected at least one layer for FiLM"),
        ({"noise": "pink"}, "noise: expected one of white, correlated, got 'pink'"),
        ({"prior": "learned"}, "prior: expected one of standard, conditional, got 'learned'"),
        ({"noise": "correlated", "x_shape": 1}, "noise: expected at least 2 samples"),
        ({"global_latent_dim": 0}, "global_latent_dim: expected a whole number of at least 1, got 0"),
        ({"covariates": ("levle",)}, "covariates: unknown 'levle'; did you mean 'level'"),
        ({"static_reads": ("z_lokal",)}, "static_reads: expected a sequence out of z_global, z_local"),
    ],
)
def test_models_that_cannot_be_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HierarchicalResponseCVAE.dense(**arguments)


def test_callers_lists_stay_as_they_are() -> None:
    hidden = [24, 16]
    model = HierarchicalResponseCVAE.dense(hidden=hidden)
    assert hidden == [24, 16]
    assert [layer.out_features for layer in model.trunk.layers] == [16, 24]
    assert [
        layer.out_features
        for layer in HierarchicalResponseCVAE.dense(hidden=hidden, decoder_hidden=(9, 8)).trunk.layers
    ] == [
        9,
        8,
    ]


def test_the_published_parameter_counts() -> None:
    counts = parameter_counts(HierarchicalResponseCVAE.dense(**PUBLISHED_WIDTHS))
    decoder = sum(counts[part] for part in ("trunk", "p_x_given_features", "static_head", "peak_head"))
    assert counts["q_z_global_given_x"] == pytest.approx(419e3, rel=0.01)
    assert counts["q_z_local_given_x"] == pytest.approx(627e3, rel=0.01)
    assert decoder == pytest.approx(9.5e6, rel=0.01)
    assert counts["total"] == pytest.approx(10.5e6, rel=0.01)
    mirrored = parameter_counts(HierarchicalResponseCVAE.dense(**(PUBLISHED_WIDTHS | {"decoder_hidden": None})))
    assert 0.4e6 < sum(mirrored[part] for part in ("trunk", "p_x_given_features", "static_head", "peak_head")) < 0.6e6


def test_parameter_counts_add_up() -> None:
    model = HierarchicalResponseCVAE.dense(hidden=(16,))
    counts = parameter_counts(model)
    assert counts["total"] == sum(parameter.numel() for parameter in model.parameters())
    assert counts["total"] == sum(number for part, number in counts.items() if part != "total")
    assert counts["q_z_global_given_x"] == 207 * 16 + 16 + 16 * 16 + 16
    assert counts["q_z_local_given_x"] == counts["q_z_global_given_x"] + 60 * 16
    assert "observe" not in counts and "prior" not in counts
    shared = torch.nn.Linear(2, 2)
    assert parameter_counts(torch.nn.Sequential(shared, shared)) == {"0": 6, "total": 6}
    assert parameter_counts(shared) == {"itself": 6, "total": 6}


@pytest.mark.parametrize("use_film", [True, False])
def test_decoder_layers_of_no_size(use_film: bool) -> None:
    for size in (0, -3):
        with pytest.raises(ValueError, match="hidden: expected sizes of at least 1"):
            HierarchicalResponseCVAE.dense(hidden=(4,), decoder_hidden=(size,), use_film=use_film)
