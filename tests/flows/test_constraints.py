"""Invertible by construction: the constraints hold for every parameter, and without them a step folds space."""

import math

import pytest
import torch

from hvae_ref.flows import HouseholderSylvesterFlow, InverseAutoregressiveFlow, OrthogonalSylvesterFlow, PlanarFlow
from hvae_ref.flows.householder import OrthonormalColumns, mixing_matrix, unit_lower_vectors
from hvae_ref.flows.planar import constrained_slope
from hvae_ref.flows.spline import rational_quadratic
from hvae_ref.flows.sylvester_step import bounded, triangular_solve, triangular_step
from hvae_ref.flows.tanh_solve import FEW_ITERATIONS, solve_tanh

LINE = torch.linspace(-4, 4, 801).double()


def line_moved(slope):
    """A planar step of one dimension with w = 1, b = 0 and û = `slope` along a line."""
    return LINE + slope * torch.tanh(LINE)


def test_planar_constraint_is_what_keeps_a_step_from_folding():
    raw = torch.tensor(-2.0).double()  # wᵀu < −1
    assert (line_moved(raw).diff() < 0).any()
    assert (line_moved(constrained_slope(raw)).diff() > 0).all()


def test_sylvester_constraint_is_what_keeps_a_step_from_folding():
    r, r_tilde = torch.tensor(-3.0).double(), torch.tensor(2.0).double()
    assert ((LINE + r * torch.tanh(r_tilde * LINE)).diff() < 0).any()
    assert ((LINE + bounded(r) * torch.tanh(bounded(r_tilde) * LINE)).diff() > 0).all()


def test_planar_slope_is_above_minus_one_and_zero_at_zero():
    a = torch.tensor([-1e6, -30.0, -1.0, 0.0, 1.0, 30.0, 1e6]).double()
    m = constrained_slope(a)
    assert (m > -1).all() and (m.diff() >= 0).all()
    assert m[3].abs() < 1e-15
    assert abs(m[-1] - a[-1] - math.log(math.e - 1) + 1) < 2e-3


@pytest.mark.parametrize("length", [1e-8, 1e-4, 1.0, 1e4])
def test_planar_step_stays_bounded_as_w_vanishes(length):
    flow = PlanarFlow(3, 0, steps=1).double()
    u, w = torch.tensor([2.0, -1.0, 0.5]).double(), torch.tensor([-1.0, 1.0, 0.3]).double() * length
    with torch.no_grad():
        flow.hyper.bias.copy_(torch.cat([u, w, torch.ones(1)]))
        ((u_hat, w, _, slope),) = flow._prepare(torch.zeros(1, 0).double())
    torch.testing.assert_close((u_hat * w).sum(), slope.squeeze(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(slope.squeeze(), constrained_slope(w @ u).squeeze(), rtol=1e-3, atol=0)
    assert u_hat.norm() < 2 * u.norm()


def test_planar_step_with_w_exactly_zero_is_a_translation():
    flow = PlanarFlow(2, 0, steps=1).double()
    with torch.no_grad():
        flow.hyper.bias.copy_(torch.tensor([1.0, 2.0, 0.0, 0.0, 0.7]))
    out = flow(torch.zeros(1, 2).double(), torch.zeros(1, 0).double())
    torch.testing.assert_close(out.z, math.tanh(0.7) * torch.tensor([[1.0, 2.0]]).double())
    assert out.log_abs_det == 0
    out.z.sum().backward()
    assert flow.hyper.bias.grad.isfinite().all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("dim", "columns"), [(1, 1), (2, 1), (5, 5), (16, 4), (64, 32)])
def test_columns_are_orthonormal_and_products_with_them_are_right(dim, columns, scale):
    vectors = unit_lower_vectors(scale * torch.randn(7, columns, dim).double())
    basis = OrthonormalColumns(vectors, mixing_matrix(vectors), columns)
    expected = torch.eye(dim).double().expand(7, dim, dim)
    for v in vectors.unbind(1):
        reflection = torch.eye(dim) - 2 * v.unsqueeze(-1) * v.unsqueeze(-2) / (v * v).sum(-1)[:, None, None]
        expected = expected @ reflection
    expected = expected[..., :columns]
    identity = torch.eye(columns).double().expand(7, -1, -1)
    torch.testing.assert_close(expected.mT @ expected, identity, rtol=0, atol=1e-12)
    z, s = torch.randn(7, dim).double(), torch.randn(7, columns).double()
    torch.testing.assert_close(basis.project(z), (expected.mT @ z.unsqueeze(-1)).squeeze(-1), rtol=0, atol=1e-11)
    torch.testing.assert_close(basis.lift(s), (expected @ s.unsqueeze(-1)).squeeze(-1), rtol=0, atol=1e-11)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("family", [OrthogonalSylvesterFlow, HouseholderSylvesterFlow])
def test_a_flows_columns_are_orthonormal_in_single_precision(family, randomized, scale):
    flow = randomized(family(16, 4, steps=3))
    for step in flow._prepare(scale * torch.randn(9, 4)):
        columns = torch.stack([step.basis.lift(e.expand(9, -1)) for e in torch.eye(flow.width)], -1)
        identity = torch.eye(flow.width).expand(9, -1, -1)
        torch.testing.assert_close(columns.mT @ columns, identity, rtol=0, atol=2e-5)


def test_vectors_of_reflections_are_never_zero():
    vectors = unit_lower_vectors(-torch.eye(3, 5))
    assert vectors.norm(dim=-1).min() >= 1
    assert torch.equal(vectors, torch.eye(3, 5))


def dense_step(square, raw_diagonal, shift, y):
    """The same step with R and R̃ written out."""
    r = square.triu(1) + torch.diag_embed(bounded(square.diagonal(dim1=-2, dim2=-1)))
    r_tilde = square.tril(-1).mT + torch.diag_embed(bounded(raw_diagonal))
    t = torch.tanh(torch.einsum("bij,bj->bi", r_tilde, y) + shift)
    inner = torch.eye(y.shape[-1]) + torch.diag_embed(1 - t * t) @ r_tilde @ r
    return torch.einsum("bij,bj->bi", r, t), torch.linalg.slogdet(inner)[1]


def pair_inputs(size):
    shapes = ((2, size, size), (2, size), (2, size), (2, size))
    return [torch.randn(shape).double().requires_grad_() for shape in shapes]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_triangular_pair_is_its_written_out_form_with_its_gradients(size):
    inputs = pair_inputs(size)
    for ours, expected in zip(triangular_step(*inputs), dense_step(*inputs), strict=True):
        torch.testing.assert_close(ours, expected)
        weights = torch.randn_like(expected)
        for a, b in zip(
            torch.autograd.grad((ours * weights).sum(), inputs, retain_graph=True, allow_unused=True),
            torch.autograd.grad((expected * weights).sum(), inputs, retain_graph=True, allow_unused=True),
            strict=True,
        ):
            torch.testing.assert_close(a, b)
    assert torch.autograd.gradcheck(triangular_step, inputs)


def test_triangular_pair_can_be_differentiated_twice_and_mapped():
    inputs = pair_inputs(3)
    assert torch.autograd.gradgradcheck(triangular_step, inputs)
    square, raw, shift, y = (value.detach() for value in inputs)
    by_map = torch.func.jacrev(lambda y: triangular_step(square, raw, shift, y)[0])(y)
    by_loop = torch.autograd.functional.jacobian(lambda y: triangular_step(square, raw, shift, y)[0], y)
    torch.testing.assert_close(by_map, by_loop)


def test_triangular_solve_finds_the_point_before():
    square, raw, shift, y = (value.detach() for value in pair_inputs(6))
    moved, log_det = triangular_step(square, raw, shift, y)
    back, minus = triangular_solve(square, raw, shift, y + moved)
    torch.testing.assert_close(back, moved)
    torch.testing.assert_close(minus, -log_det)


@pytest.mark.parametrize("p", [-0.999, -0.5, 0.0, 1.0, 1e3, 1e6, 1e12])
def test_scalar_equation_is_solved_for_every_slope(p):
    t = torch.tensor([-50.0, -3.0, -0.1, -1e-9, 0.0, 1e-4, 0.7, 12.0]).double()
    p = torch.full_like(t, p)
    y = t + p * torch.tanh(t)
    solved = solve_tanh(p, y)
    torch.testing.assert_close(solved + p * torch.tanh(solved), y, rtol=1e-12, atol=1e-12)
    flat = (1 + p / torch.cosh(t) ** 2) / (1 + p.abs())  # where it is small, y says little about t
    torch.testing.assert_close(solved[flat > 1e-3], t[flat > 1e-3], rtol=1e-8, atol=1e-12)


def test_few_iterations_are_enough_for_the_slopes_of_sylvester_flows():
    p = torch.linspace(-0.9985, 0.9985, 401).double()[:, None]
    y = torch.cat([torch.logspace(-12, 4, 301), torch.tensor([0.0])]).double().expand(len(p), -1)
    t = solve_tanh(p.expand_as(y), y, FEW_ITERATIONS)
    torch.testing.assert_close(t + p * torch.tanh(t), y, rtol=1e-13, atol=1e-14)


def test_scalar_equation_has_the_gradients_of_its_root():
    p, y = torch.tensor([-0.9, 0.5, 20.0]).double(), torch.tensor([0.3, -2.0, 5.0]).double()
    assert torch.autograd.gradcheck(solve_tanh, (p.requires_grad_(), y.requires_grad_()))


@pytest.mark.parametrize("hidden", [(3,), (7, 5)])
def test_iaf_output_sees_the_coordinates_before_it_in_orders_that_take_turns(randomized, hidden):
    flow = randomized(InverseAutoregressiveFlow(3, 2, steps=2, hidden=hidden).double())
    z, context = torch.randn(1, 3).double(), torch.randn(1, 2).double()
    steps = flow._prepare(context)
    for step, triangle in enumerate((torch.tril, torch.triu)):
        j = torch.autograd.functional.jacobian(lambda z, step=step: flow._step(step, z, steps[step])[0], z)[0, :, 0]
        assert torch.equal(j, triangle(j))
        seen = triangle(torch.ones(3, 3)).bool()
        assert (j[seen] != 0).all() or hidden != (7, 5)


@pytest.mark.parametrize("dim", [2, 8])
def test_points_of_an_autoregressive_flow_find_their_way_back(dim):
    """Weights and contexts far from those of a trained net: every own draw has the density that it was drawn with."""
    torch.manual_seed(0)
    flow = InverseAutoregressiveFlow(dim, 4).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        z, context = torch.randn(1000, dim).double(), 10 * torch.randn(1000, 4).double()
        out = flow(z, context)
        back = flow.inverse(out.z, context)
    torch.testing.assert_close(back.z, z, rtol=0, atol=1e-3)
    torch.testing.assert_close(back.log_abs_det, -out.log_abs_det, rtol=0, atol=1e-3)


@pytest.mark.parametrize("bins", [1, 5])
def test_a_spline_rises_and_is_its_inverses_inverse(bins):
    torch.manual_seed(0)
    z = torch.linspace(-6, 6, 4001).double()
    raw = [torch.randn(bins + extra).double().expand(len(z), -1) for extra in (0, 0, -1)]
    moved, slopes = rational_quadratic(z, *raw, reach=4.0)
    outside = z.abs() > 4
    assert (moved.diff() > 0).all() and torch.equal(moved[outside], z[outside])
    assert (moved - z).abs().max() > 0.1 or bins == 1
    back, minus = rational_quadratic(moved, *raw, reach=4.0, back=True)
    torch.testing.assert_close(back, z, rtol=0, atol=1e-8)
    torch.testing.assert_close(minus, -slopes, rtol=0, atol=1e-6)
    same = [torch.zeros(len(z), bins + extra).double() for extra in (0, 0, -1)]
    torch.testing.assert_close(rational_quadratic(z, *same, reach=4.0)[0], z)
