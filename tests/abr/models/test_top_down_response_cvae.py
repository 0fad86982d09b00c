"""The hierarchy given the condition: its arrows, and its bound where the integral is a sum on a grid."""

import pytest
import torch

from hvae_ref.abr import TopDownResponseCVAE
from hvae_ref.evaluation import dependency_graph
from tests.abr.models.responses import build, conditions, signals


def test_the_global_latent_decides_what_is_expected_of_the_local_one() -> None:
    torch.manual_seed(0)
    model = TopDownResponseCVAE.dense(hidden=(16,))
    found = dependency_graph(model, signals(3, 200).float(), conditions(3).float())
    assert found.generative == {
        ("z_global", "z_local"),
        ("c", "z_local"),
        ("z_global", "x"),
        ("z_local", "x"),
        ("c", "x"),
    }
    assert found.inference == {
        ("x", "z_global"), ("c", "z_global"), ("x", "z_local"), ("c", "z_local"), ("z_global", "z_local")
    }  # fmt: skip


@torch.no_grad()
def test_the_bound_against_numerical_integration() -> None:
    """One dimension a level: log p(x|c) on a grid, and the bound below it by KL(q ‖ p(z|x, c))."""
    torch.manual_seed(3)
    n, length = 20_000, 4
    model = TopDownResponseCVAE.dense(
        length, global_latent_dim=1, local_latent_dim=1, hidden=(8,), noise="white"
    ).double()
    for parameter in model.parameters():
        parameter.mul_(0.7)
    x, condition = signals(1, length), conditions(1)
    line = torch.linspace(-8, 8, 321, dtype=torch.float64)
    z_g, z_l = (part.reshape(-1, 1) for part in torch.meshgrid(line, line, indexing="ij"))
    cell = 2 * (line[1] - line[0]).log()
    seen, c = model.observe(x, condition, model.like)
    c = tuple(part.expand(len(z_g), -1) for part in c)
    above = model.hat("z_global", z_g, *c)
    log_prior = model.prior["z_global"](len(z_g), *c).log_prob(z_g) + model.prior["z_local"](
        len(z_g), *c, above
    ).log_prob(z_l)
    assert abs(float(torch.logsumexp(log_prior, 0) + cell)) < 1e-6
    log_joint = model.decode({"z_global": z_g, "z_local": z_l}, condition=condition).log_prob(x) + log_prior
    log_p = torch.logsumexp(log_joint, 0) + cell
    log_q = model.encode(x, condition=condition)["z_global"].log_prob(z_g)
    log_q = log_q + model.q_z_local_given_z_global(seen.expand(len(z_g), -1), *c, above).log_prob(z_l)
    gap = (log_q.exp() * (log_q - log_joint + log_p)).sum() * cell.exp()
    bounds = model.elbo(x.repeat(n, 1), condition=condition).value
    assert gap > 0.01
    assert abs(bounds.mean() - (log_p - gap)) < 4 * bounds.std() / n**0.5


@torch.no_grad()
def test_the_local_prior_moves_with_the_global_latent() -> None:
    model = build("top-down")
    (c,) = model.observe.given(conditions(1), 1)
    low, high = (model.prior["z_local"](1, c, torch.full((1, 2), place).double()).mean for place in (-2.0, 2.0))
    assert (low - high).abs().max() > 0.02


def test_the_local_posterior_is_not_had_without_the_global_latent() -> None:
    with pytest.raises(NotImplementedError, match="needs a sample of z_g"):
        build("top-down").q_z_given_x(signals(1), conditions(1))
