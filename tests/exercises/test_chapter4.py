"""The references of chapter 4 against the package's flows, automatic differentiation and exact Gaussians."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence

from hvae_ref.exercises.ch04 import specimens
from hvae_ref.exercises.engine.cases import cases
from hvae_ref.exercises.engine.registry import registered
from hvae_ref.flows import InverseAutoregressiveFlow, PlanarFlow, TriangularSylvesterFlow
from hvae_ref.flows.base import FlowOutput
from tests.exercises.asking import reference

DRAWS = range(6)


def drawn(id_, seed):
    return registered()[id_].inputs(np.random.default_rng(seed))


def log_dets(function, z):
    """log |det J| of a row-wise map at each row of z."""
    rows = [torch.autograd.functional.jacobian(lambda row: function(row[None])[0], row) for row in z]
    return torch.linalg.slogdet(torch.stack(rows)).logabsdet


def gaussian(covariance):
    return MultivariateNormal(torch.zeros(covariance.shape[:-1]).to(covariance), covariance)


class Bound(nn.Module):
    """A flow of the package with one context for all rows; its log-determinant is multiplied by a factor."""

    def __init__(self, flow, context, factor=1.0):
        super().__init__()
        self.flow, self.context, self.factor = flow, context, factor

    def forward(self, z):
        z_next, log_abs_det = self.flow(z, self.context.expand(len(z), -1))
        return FlowOutput(z_next, self.factor * log_abs_det)


@pytest.fixture(params=[PlanarFlow, TriangularSylvesterFlow, InverseAutoregressiveFlow])
def flow(request):
    torch.manual_seed(0)
    made = request.param(3, 2, steps=2).double()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.6)
    return Bound(made, torch.tensor([[0.4, -1.1]]).double())


def test_a_chain_with_a_step_taken_backwards(flow):
    """One flow, then the inverse of another: the density is that of the composition."""
    torch.manual_seed(1)
    other = PlanarFlow(3, 0, steps=1).double()
    nothing = torch.zeros(4, 0).double()

    def chain(z):
        return other.inverse(flow(z).z, nothing[: len(z)]).z

    z_0 = torch.randn(4, 3).double()
    middle = flow(z_0)
    z_2 = other.inverse(middle.z, nothing).z
    base = gaussian(torch.eye(3).double())
    reports = torch.stack([middle.log_abs_det, other(z_2, nothing).log_abs_det])[:, None]
    mine = reference("4.1")(base.log_prob(z_0)[None], reports, torch.tensor([True, False]))[0]
    torch.testing.assert_close(mine, base.log_prob(z_0) - log_dets(chain, z_0), atol=1e-8, rtol=0)


@pytest.mark.parametrize(("factor", "honest"), [(1.0, True), (-1.0, False), (0.0, False), (1.01, False)])
def test_the_examination_knows_flows_of_the_package(flow, factor, honest):
    z = 2 * torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).double()
    flow.factor = factor
    assert reference("4.2")(flow, z) is honest


@pytest.mark.parametrize("kind", specimens.REPORTS)
@pytest.mark.parametrize(("reflected", "turned"), [(False, False), (True, False), (False, True)])
def test_specimens_are_what_they_say(kind, reflected, turned):
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    flow = specimens.Specimen(3, np.random.default_rng(4), kind, reflected, spot=z[2], turned=turned)
    assert reference("4.2")(flow, z) is (kind == "right")
    assert (log_dets(lambda row: flow(row).z, z) - flow(z).log_abs_det).abs().max().item() == pytest.approx(
        flow.error(z), abs=1e-9
    )
    there = flow(z)
    back = flow.inverse(there.z)
    torch.testing.assert_close(back.z, z)
    assert torch.allclose(there.log_abs_det, -back.log_abs_det) is (kind != "nothing")


def test_every_kind_of_specimen_is_examined_in_every_run():
    flows = [case.inputs[0] for case in cases(registered()["4.2"])]
    assert {flow.kind for flow in flows} == set(specimens.REPORTS)
    assert {flow.reflected for flow in flows if flow.kind == "right"} == {False, True}
    assert sum(flow.share < 1 for flow in flows) >= 3


def test_slight_mistakes_are_slight_and_still_found():
    for seed in range(200):
        flow, z = drawn("4.2", seed)
        assert reference("4.2")(flow, z) is (flow.kind == "right")
        if flow.share < 1:
            assert 3e-5 < flow.error(z) < 1e-3
            assert "moved by less than 0.001 nats" in repr(flow)


@pytest.mark.parametrize("seed", DRAWS)
def test_the_planar_step_keeps_its_promises(seed):
    z, w, u, b, tau = drawn("4.3", seed)
    step = reference("4.3")
    for row in range(len(z)):
        parameters = (w[row : row + 1], u[row : row + 1], b[row : row + 1], tau)
        here = z[row : row + 1]
        true = log_dets(lambda point, p=parameters: step(point, *(part for part in p))[0], here)
        torch.testing.assert_close(step(here, *parameters)[1], true, atol=1e-9, rtol=0)
        # Along w the step is a strictly rising function, however negative wᵀu is.
        direction = w[row] / w[row].norm()
        line = torch.linspace(-9, 9, 801).double()[:, None] * direction
        many = [part.expand(len(line), -1) for part in parameters[:2]]
        along = step(line, *many, parameters[2].expand(len(line)), tau)[0] @ direction
        assert (along.diff() > 0).all()


def test_the_planar_step_leaves_a_push_across_alone():
    w, u = torch.tensor([[1e-6, 0.0]]).double(), torch.tensor([[0.0, 2.0]]).double()
    z, b = torch.tensor([[0.3, -0.4]]).double(), torch.tensor([0.7]).double()
    moved = reference("4.3")(z, w, u, b, 0.5)[0]
    torch.testing.assert_close(moved, z + u * torch.tanh(((w * z).sum(-1) + b) / 0.5)[:, None])


def test_with_tau_one_it_is_the_packages_planar_step():
    z, w, u, b, _ = drawn("4.3", 1)
    flow = PlanarFlow(z.shape[1], 0, steps=1).double()
    for row in range(len(z)):
        flow.hyper.bias.data = torch.cat([u[row], w[row], b[row : row + 1]])
        theirs = flow(z[row : row + 1], torch.zeros(1, 0).double())
        mine = reference("4.3")(*(part[row : row + 1] for part in (z, w, u, b)), 1.0)
        # The package keeps a margin of a thousandth from the step that flattens space.
        torch.testing.assert_close(mine[0], theirs.z, atol=5e-3, rtol=5e-3)
        torch.testing.assert_close(mine[1], theirs.log_abs_det, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("seed", DRAWS)
def test_the_sylvester_step_reports_its_determinant(seed):
    parts = drawn("4.4", seed)
    for row in range(len(parts[0])):
        here, *parameters = (part[row : row + 1] for part in parts)
        true = log_dets(lambda z, p=tuple(parameters): reference("4.4")(z, *p)[0], here)
        torch.testing.assert_close(reference("4.4")(here, *parameters)[1], true, atol=1e-9, rtol=0)


@pytest.mark.parametrize("seed", DRAWS)
def test_the_way_back_undoes_the_step(seed):
    z_next, a, c, beta, gamma = drawn("4.5", seed)

    def forth(z, row):
        gate = torch.sigmoid(gamma[row] + z @ c.tril(-1).T)
        return gate * z + (1 - gate) * (beta[row] + z @ a.tril(-1).T)

    z, log_det = reference("4.5")(z_next, a, c, beta, gamma)
    for row in range(len(z)):
        torch.testing.assert_close(forth(z[row : row + 1], row), z_next[row : row + 1])
        true = log_dets(lambda point, row=row: forth(point, row), z[row : row + 1])
        torch.testing.assert_close(-log_det[row : row + 1], true, atol=1e-8, rtol=0)


@pytest.mark.parametrize("seed", DRAWS)
def test_the_trade_is_that_of_exact_gaussians(seed):
    a, s = drawn("4.6", seed)
    gain, change = reference("4.6")(a, s)
    eye = torch.eye(a.shape[1]).double()
    for row in range(len(a)):
        precision = eye + torch.outer(a[row], a[row]) / s[row] ** 2
        true, prior = gaussian(torch.linalg.inv(precision)), gaussian(eye)
        mean_field = gaussian(torch.diag(1 / precision.diagonal()))
        missed = kl_divergence(mean_field, true)
        torch.testing.assert_close(gain[row], missed, atol=1e-9, rtol=0)
        torch.testing.assert_close(
            change[row], kl_divergence(true, prior) - kl_divergence(mean_field, prior), atol=1e-9, rtol=0
        )
        for factor in (0.9, 1.1):
            assert kl_divergence(gaussian(factor * mean_field.covariance_matrix), true) > missed


def test_the_kl_may_rise_and_may_fall():
    changes = [reference("4.6")(*case.inputs)[1] for case in cases(registered()["4.6"])]
    assert min(change.min() for change in changes) < -0.05
    assert max(change.max() for change in changes) > 0.01


def test_the_gaps_are_those_of_exact_gaussians():
    torch.manual_seed(0)
    log_px = -120.0
    true = gaussian(torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double())
    best = gaussian(torch.diag(1 / torch.linalg.inv(true.covariance_matrix).diagonal()))
    encoder = MultivariateNormal(torch.tensor([0.3, -0.2]).double(), 1.3 * best.covariance_matrix)
    weights = []
    for q in (encoder, best):
        z = q.sample((200_000, 1))
        weights.append(log_px + true.log_prob(z) - q.log_prob(z))
    approximation, amortisation = reference("4.7")(*weights)
    assert approximation.item() == pytest.approx(kl_divergence(best, true).item(), abs=0.01)
    assert amortisation.item() == pytest.approx(
        (kl_divergence(encoder, true) - kl_divergence(best, true)).item(), abs=0.01
    )


@pytest.mark.parametrize("seed", DRAWS)
def test_a_flow_on_a_level_is_worth_what_was_ordered(seed):
    """KL(q ‖ p) of the best top-down q, with neither level, one level or both freed from independence."""
    top, bottom = drawn("4.8", seed)
    for covariance, on_top, on_bottom in zip(reference("4.8")(top, bottom), top, bottom, strict=True):
        precision = torch.linalg.inv(covariance)
        upper, lower = covariance[:2, :2], precision[2:, 2:]
        follows = -torch.linalg.solve(lower, precision[2:, :2])
        for top_free in (False, True):
            for bottom_free in (False, True):
                q2 = upper if top_free else torch.diag(1 / torch.linalg.inv(upper).diagonal())
                noise = torch.linalg.inv(lower) if bottom_free else torch.diag(1 / lower.diagonal())
                across = follows @ q2
                joint = torch.cat([torch.cat([q2, across.T], 1), torch.cat([across, across @ follows.T + noise], 1)])
                missed = (0 if top_free else on_top) + (0 if bottom_free else on_bottom)
                got = kl_divergence(gaussian(joint), gaussian(covariance))
                assert got.item() == pytest.approx(float(missed), abs=1e-8)


def test_a_fold_makes_the_bound_too_high():
    """What question `a-fold` says: z − 3 tanh z sends three points to one near zero, and log q comes out too low."""
    z = torch.linspace(-12, 12, 2_000_001).double()
    moved, slope = z - 3 * torch.tanh(z), 1 - 3 / torch.cosh(z) ** 2
    weight = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    edges = torch.linspace(-9, 9, 3601).double()
    inside = moved.abs() < 9
    mass = torch.histogram(moved[inside], edges, weight=weight[inside] * (z[1] - z[0])).hist
    density = mass / (edges[1] - edges[0])
    claimed = weight / slope.abs()
    true = density[torch.bucketize(moved[inside], edges).clamp(1, len(density)) - 1]
    excess = (weight[inside] * (true.clamp_min(1e-30).log() - claimed[inside].log())).sum() * (z[1] - z[0])
    assert 0.3 < excess.item() < math.log(3)
