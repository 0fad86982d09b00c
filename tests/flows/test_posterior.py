"""A flow as a posterior: its density is the one its samples have, known from drawing them or by going back."""

import copy

import pytest
import torch
from torch.distributions import Independent, Normal

from hvae_ref.elbo import Latent, analytic_kl_or_sample, draw
from hvae_ref.flows import FLOWS, FlowDistribution, FlowPosterior, InverseAutoregressiveFlow, build_flow
from hvae_ref.models import VAE, TopDownVAE, TwoLevelVAE
from hvae_ref.nn.layers import mlp


def posterior(family: str, dim: int = 2, batch: int = 3, seed: int = 0) -> FlowDistribution:
    torch.manual_seed(seed)
    flow = build_flow(family, dim, 4, steps=3)
    net = mlp([5, 8, 2 * dim + 4])
    with torch.no_grad():
        for parameter in flow.parameters():
            # Less for wide nets, whose density no grid would resolve.
            parameter.add_((0.05 if hasattr(flow, "nets") else 0.3) * torch.randn_like(parameter))
    return FlowPosterior(net, flow).double()(torch.randn(batch, 5, dtype=torch.float64))


@pytest.mark.parametrize("family", FLOWS)
def test_the_density_of_a_draw_is_the_density_by_the_inverse(family: str) -> None:
    q = posterior(family)
    for shape in ((), (4,), (2, 3)):
        z, drawn = q.rsample_and_log_prob(shape)
        assert z.shape == (*shape, 3, 2) and drawn.shape == (*shape, 3)
        torch.testing.assert_close(q.log_prob(z), drawn, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("family", FLOWS)
@torch.no_grad()
def test_each_row_is_moved_with_its_own_context(family: str) -> None:
    q = posterior(family)
    torch.manual_seed(1)
    start = q.base.rsample((4,))
    torch.manual_seed(1)
    z, log_q = q.rsample_and_log_prob((4,))
    for row in range(3):
        moved = q.flow(start[:, row], q.context[row].expand(4, -1))
        torch.testing.assert_close(z[:, row], moved.z)
        torch.testing.assert_close(log_q[:, row], q.base.log_prob(start)[:, row] - moved.log_abs_det)


@pytest.mark.parametrize("family", FLOWS)
def test_gradients_of_a_draws_density_are_those_by_the_inverse(family: str) -> None:
    """d/dθ log q_θ(z_θ): through the sample and the density together, whichever way the density is computed."""
    q = posterior(family)
    parameters = list(q.flow.parameters())
    torch.manual_seed(1)
    z, log_q = q.rsample_and_log_prob()
    forward = torch.autograd.grad(log_q.sum(), parameters, retain_graph=True)
    inverse = torch.autograd.grad(q.log_prob(z).sum(), parameters)
    torch.testing.assert_close(forward, inverse, rtol=1e-5, atol=1e-6)
    assert any(gradient.abs().max() > 1e-3 for gradient in forward)


@pytest.mark.parametrize("family", [family for family in FLOWS if family != "spline"])
@torch.no_grad()
def test_the_density_integrates_to_one(family: str) -> None:
    """Not for splines: their steepest bins are finer than any grid that is quick to sum."""
    q = posterior(family, batch=1)
    axis = torch.linspace(-30, 30, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    assert abs(float(q.log_prob(grid.unsqueeze(1)).exp().sum() * (axis[1] - axis[0]) ** 2) - 1) < 2e-3


def test_no_density_is_left_where_the_way_back_overflows() -> None:
    q = posterior("iaf")
    far = q.log_prob(torch.full((3, 2), torch.inf, dtype=torch.float64))
    assert (far == -torch.inf).all()


@pytest.mark.parametrize("family", FLOWS)
@torch.no_grad()
def test_nothing_is_remembered(family: str) -> None:
    """The density is that of the value and the parameters at the time of asking, whatever was drawn before."""
    q = posterior(family)
    z, drawn = q.rsample_and_log_prob()
    torch.testing.assert_close(q.log_prob(z.clone()), q.log_prob(z))
    z.add_(0.5)
    moved = q.log_prob(z)
    torch.testing.assert_close(moved, q.log_prob(z.clone()))
    assert (moved - drawn).abs().max() > 1e-3, "a value changed in place is another value"
    copied = copy.deepcopy(q)
    torch.testing.assert_close(copied.log_prob(z), moved)
    for parameter in q.flow.parameters():
        parameter.add_(0.1)
    assert (q.log_prob(z) - moved).abs().max() > 1e-4, "a changed flow is another flow"
    torch.testing.assert_close(copied.log_prob(z), moved)


@pytest.mark.parametrize("flow", ["planar", "iaf"])
def test_a_step_of_an_optimiser_is_seen_by_the_next_density(flow: str) -> None:
    torch.manual_seed(0)
    model, x = VAE.dense(5, (3,), (8,), flow=flow).double(), torch.ones(4, 5).double()
    q = model.encode(x)["z1"]
    z, before = q.rsample_and_log_prob()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    (-model.elbo(x).value.mean()).backward()
    optimizer.step()
    with torch.no_grad():
        fresh = FlowDistribution(q.base, copy.deepcopy(q.flow), q.context)
        torch.testing.assert_close(q.log_prob(z), fresh.log_prob(z.clone()))
        assert (q.log_prob(z) - before).abs().max() > 1e-6


def test_a_draw_without_gradients_has_a_density_with_them() -> None:
    """Likelihood-ratio gradients: z from `sample`, then ∇ log q(z) in the parameters of q."""
    q = posterior("triangular")
    z = q.sample()
    assert not z.requires_grad
    gradients = torch.autograd.grad(q.log_prob(z).sum(), list(q.flow.parameters()))
    assert any(gradient.abs().max() > 1e-3 for gradient in gradients)


def test_not_a_number_has_no_density() -> None:
    q = posterior("planar")
    z = q.sample().clone()
    z[1, 0] = torch.nan
    assert q.log_prob(z).isnan().tolist() == [False, True, False]


@torch.no_grad()
def test_the_mean_is_that_of_the_draws() -> None:
    q = posterior("triangular")
    means = torch.stack([q.mean for _ in range(50)])
    draws = q.rsample((20_000,))
    error = means.std(0) / 50**0.5 + draws.std(0) / 20_000**0.5
    assert ((means.mean(0) - draws.mean(0)).abs() < 4 * error).all()


def test_a_batch_of_contexts_stands_for_all_rows() -> None:
    """(n, 1, D) against a batch of B: entry (i, j) is log q_j(z_i), as the mutual information asks for it."""
    q = posterior("householder")
    z = q.rsample().detach()
    table = q.log_prob(z.unsqueeze(1))
    assert table.shape == (3, 3)
    torch.testing.assert_close(table.diagonal(), q.log_prob(z.clone()))
    assert not torch.allclose(table[0, 1], table[1, 1])


def test_no_closed_form_is_no_obstacle_for_the_bound() -> None:
    q = posterior("planar")
    p = Independent(Normal(torch.zeros(3, 2).double(), torch.ones(3, 2).double()), 1)
    z, log_q = draw(q)
    for latent in (Latent(q, p, z, log_q), Latent(q, p, z)):
        nats, sampled = analytic_kl_or_sample(latent)
        assert sampled
        torch.testing.assert_close(nats, log_q - p.log_prob(z), rtol=1e-7, atol=1e-7)


def test_a_bound_inverts_no_flow(monkeypatch) -> None:
    torch.manual_seed(0)
    model, x = TopDownVAE.dense(5, (3, 2), 8, flow="iaf"), torch.ones(4, 5)

    def dear(*_):
        raise AssertionError("a flow was inverted")

    monkeypatch.setattr(InverseAutoregressiveFlow, "inverse", dear)
    assert torch.isfinite(model.elbo(x).value).all() and torch.isfinite(model.log_weight(x, 3)).all()


@pytest.mark.usefixtures("unchecked")
def test_wrong_shapes_are_refused() -> None:
    q = posterior("planar")
    with pytest.raises(ValueError, match="value: expected a last dimension of 2, got"):
        q.log_prob(torch.zeros(3, 5).double())
    with pytest.raises(ValueError, match=r"context: expected \(B, C\) with one row for each of the base's \(3,\), got"):
        FlowDistribution(q.base, q.flow, q.context[:2])
    with pytest.raises(ValueError, match=r"context: expected \(B, C\) .*got list"):
        FlowDistribution(q.base, q.flow, q.context.tolist())
    with pytest.raises(ValueError, match="context: expected a last dimension of 4 for this flow, got"):
        FlowDistribution(q.base, q.flow, q.context[:, :3])
    with pytest.raises(ValueError, match="z: expected a tensor, got list"):
        q.flow([0.0, 0.0], q.context)
    with pytest.raises(ValueError, match=r"net: expected 2 · 2 \+ 4 outputs for this flow, got 3"):
        FlowPosterior(torch.nn.Linear(5, 3).double(), q.flow)(torch.zeros(1, 5).double())
    with pytest.raises(ValueError, match="flow: expected one of planar, .*got 'plane'"):
        TwoLevelVAE.dense(5, (3, 2), (8,), (6,), flow="plane")
    with pytest.raises(ValueError, match="flow: unknown level z3; this model has z2, z1"):
        TwoLevelVAE.dense(5, (3, 2), (8,), (6,), flow={"z3": "planar"})
    with pytest.raises(ValueError, match="flow: unknown level z2; this model has z1"):
        TopDownVAE.dense(5, (3, 2), 8, top="sphere", flow={"z2": "planar"})
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        TwoLevelVAE.dense(5, (3, 2), (8,), (6,), flow="iaf", flow_steps=0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("vectors", [0, 2])
def test_a_base_whose_points_are_no_vectors_of_the_flow_is_refused(vectors: int) -> None:
    """With D rows of D numbers every shape fits, and each row would be taken for a point."""
    flow = build_flow("planar", 2, 4, 1)
    base = Independent(Normal(torch.zeros(2, 2, 2), 1.0), vectors)
    with pytest.raises(ValueError, match=r"base: expected points of shape \(2,\), as this flow moves them, got"):
        FlowDistribution(base, flow, torch.zeros(*base.batch_shape, 4))


def test_a_flow_is_where_it_was_asked_for() -> None:
    model = TopDownVAE.dense(5, (3, 2), 8, flow={"z1": "iaf"})
    q = model.encode(torch.ones(4, 5))
    assert isinstance(q["z1"], FlowDistribution) and isinstance(q["z2"], Independent)
    q = TwoLevelVAE.dense(5, (3, 2), (8,), (6,), flow="planar").encode(torch.ones(4, 5))
    assert all(isinstance(one, FlowDistribution) for one in q.values())
