"""What every flow promises: its log-determinant, its way back, and parameters that the context decides row by row."""

import pytest
import torch

from hvae_ref.flows import (
    FLOWS,
    AffineCouplingFlow,
    HouseholderSylvesterFlow,
    InverseAutoregressiveFlow,
    OrthogonalSylvesterFlow,
    PlanarFlow,
    SplineCouplingFlow,
    build_flow,
)

CONTEXT = 3
# (dim, steps): each of five sizes, and each of three numbers of steps with a small and a larger size.
SIZES = ((1, 1), (1, 16), (2, 4), (5, 1), (5, 16), (16, 4), (64, 1))


def jacobian(flow, z, context):
    """∂z_T / ∂z_0 of one point by autograd, (D, D): output i of copy i of the point."""
    copies = z.expand(z.shape[-1], -1).clone().requires_grad_()
    out = flow(copies, context.expand(len(copies), -1)).z
    return torch.autograd.grad(out.diagonal().sum(), copies)[0]


@pytest.mark.parametrize(("dim", "steps"), SIZES)
def test_log_det_is_that_of_autograd_and_the_way_back_is_one(family, randomized, dim, steps):
    # Sixteen steep splines, one upon the other, would ask for more digits than there are.
    steep = family is SplineCouplingFlow and steps == 16
    flow = randomized(family(dim, CONTEXT, steps=steps).double(), scale=0.2 if steep else 0.7)
    z, context = torch.randn(3, dim).double(), torch.randn(3, CONTEXT).double()
    out = flow(z, context)
    for row in range(2):
        sign, expected = torch.linalg.slogdet(jacobian(flow, z[row : row + 1], context[row : row + 1]))
        assert sign > 0
        assert abs(expected - out.log_abs_det[row]) < 1e-9
    # Not the identity, where a wrong sign would show nowhere.
    assert (out.z - z).abs().max() > 1e-2 and out.log_abs_det.abs().max() > 1e-3
    back = flow.inverse(out.z, context)
    torch.testing.assert_close(back.z, z, rtol=0, atol=1e-6)
    torch.testing.assert_close(back.log_abs_det, -out.log_abs_det, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_without_a_context_the_parameters_are_the_same_for_every_row(family, randomized, dim):
    flow = randomized(family(dim, 0, steps=3).double())
    z, nothing = torch.randn(4, dim).double(), torch.zeros(4, 0).double()
    out = flow(z, nothing)
    torch.testing.assert_close(flow(z[2:3], nothing[2:3]).z, out.z[2:3])
    torch.testing.assert_close(flow.inverse(out.z, nothing).z, z, rtol=0, atol=1e-8)
    (out.z.square().sum() + out.log_abs_det.sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in flow.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dim", [1, 2, 16])
def test_values_and_gradients_are_finite_for_every_context(family, randomized, dim, scale, dtype):
    flow = randomized(family(dim, 4, steps=4).to(dtype))
    context = (scale * torch.randn(8, 4, dtype=dtype)).requires_grad_()
    z = torch.randn(8, dim, dtype=dtype).requires_grad_()
    out = flow(z, context)
    assert out.z.dtype == out.log_abs_det.dtype == dtype
    (out.z.square().sum() + out.log_abs_det.sum()).backward()
    for name, value in {"z": out.z, "log det": out.log_abs_det, "z.grad": z.grad, "context": context.grad}.items():
        assert value.isfinite().all(), name
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert scale != 1.0 or parameter.grad.abs().max() > 0 or dim == 1, name


def test_rows_do_not_see_each_other_and_the_context_matters(family, randomized):
    flow = randomized(family(4, CONTEXT, steps=3).double())
    z, context = torch.randn(5, 4).double(), torch.randn(5, CONTEXT).double()
    out = flow(z, context)
    other_z, other_context = z.clone(), context.clone()
    other_z[0] += 1
    other_context[1] += 1
    changed = flow(other_z, other_context)
    same = [torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(changed.z, out.z, strict=True)]
    assert same == [False, False, True, True, True]
    assert torch.isclose(changed.log_abs_det, out.log_abs_det, rtol=1e-12, atol=1e-12).tolist() == same
    assert ((changed.z[1] - out.z[1]).abs() > 1e-6).all()


def test_the_first_steps_of_a_trajectory_are_the_flow_cut_short(family, randomized):
    flow = randomized(family(3, CONTEXT, steps=4).double())
    z, context = torch.randn(6, 3).double(), torch.randn(6, CONTEXT).double()
    path = flow.trajectory(z, context)
    assert len(path) == 5
    assert torch.equal(path[0].z, z) and torch.equal(path[0].log_abs_det, torch.zeros(6).double())
    out = flow(z, context)
    torch.testing.assert_close(tuple(path[-1]), tuple(out))
    assert all(not torch.allclose(a.z, b.z) for a, b in zip(path, path[1:], strict=False))


def test_steps_have_parameters_of_their_own(family, randomized):
    flow = randomized(family(3, CONTEXT, steps=2).double())
    z, context = torch.randn(6, 3).double(), torch.randn(6, CONTEXT).double()
    first, second = flow._prepare(context)
    once = flow._step(0, z, first)[0]
    assert not torch.allclose(flow._step(0, z, second)[0], once) or hasattr(flow, "nets")
    assert not torch.allclose(flow._step(1, z, second)[0], once)


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_an_untrained_flow_is_near_the_identity_and_not_on_it(family, steps):
    flow = family(8, 16, steps=steps)
    z = torch.randn(256, 8)
    moved = (flow(z, torch.randn(256, 16)).z - z).square().mean().sqrt()
    assert 1e-4 < moved < 0.5


def test_density_of_the_moved_base_integrates_to_one(family, randomized):
    own = {"hidden": (24,)} if hasattr(family(2, 0), "nets") else {}
    # The kinks of a steeper spline would need a finer grid.
    flow = randomized(family(2, 0, steps=3, **own).double(), scale=0.15 if family is SplineCouplingFlow else 0.5)
    axis = torch.linspace(-9, 9, 181).double()
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        back = flow.inverse(grid, torch.zeros(len(grid), 0).double())
    log_q = torch.distributions.Normal(0.0, 1.0).log_prob(back.z).sum(-1) + back.log_abs_det
    mass = log_q.exp().sum() * (axis[1] - axis[0]) ** 2
    assert abs(mass - 1) < 2e-3
    assert (log_q - torch.distributions.Normal(0.0, 1.0).log_prob(grid).sum(-1)).abs().max() > 0.1


def test_gradients_of_the_way_back_are_those_of_its_differences(family, randomized):
    flow = randomized(family(3, 2, steps=2).double(), scale=0.5)
    z, context = torch.randn(2, 3).double().requires_grad_(), torch.randn(2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z, h: tuple(flow.inverse(z, h)), (z, context))


def test_gradients_of_the_way_there_are_those_of_its_differences(family, randomized):
    flow = randomized(family(3, 2, steps=2).double())
    z, context = torch.randn(2, 3).double().requires_grad_(), torch.randn(2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z, h: tuple(flow(z, h)), (z, context))


def test_a_saved_flow_is_the_same_flow(family, randomized, tmp_path):
    flow = randomized(family(4, CONTEXT, steps=3))
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    other = family(4, CONTEXT, steps=3)
    other.load_state_dict(torch.load(tmp_path / "flow.pt", weights_only=True))
    z, context = torch.randn(2, 4), torch.randn(2, CONTEXT)
    torch.testing.assert_close(other(z, context).z, flow(z, context).z)


def test_under_autocast_the_flow_itself_runs_in_single_precision(family):
    flow = family(4, CONTEXT, steps=2)
    z, context = torch.randn(8, 4), torch.randn(8, CONTEXT)
    with torch.autocast("cpu", torch.bfloat16):
        out = flow(z.bfloat16(), context)
    assert out.z.dtype == out.log_abs_det.dtype == torch.float32
    torch.testing.assert_close(out.z, flow(z, context).z, rtol=0, atol=0.05)


def test_each_device(family, randomized, device):
    flow = randomized(family(5, CONTEXT, steps=3).double())
    z, context = torch.randn(4, 5).double(), torch.randn(4, CONTEXT).double()
    expected = flow(z, context)
    flow.to(device)
    out = flow(z.to(device), context.to(device))
    torch.testing.assert_close(out.z.cpu(), expected.z)
    torch.testing.assert_close(flow.inverse(out.z, context.to(device)).z.cpu(), z, rtol=0, atol=1e-6)


def test_one_point_and_one_context_for_all_points(family, randomized):
    flow = randomized(family(3, CONTEXT, steps=2).double())
    z, context = torch.randn(2, 4, 3).double(), torch.randn(CONTEXT).double()
    for call in (flow, flow.inverse):
        rows = call(z.flatten(0, 1), context.expand(8, -1))
        for given in (context, context[None], context.expand(4, -1)):
            out = call(z, given)
            assert out.z.shape == (2, 4, 3) and out.log_abs_det.shape == (2, 4)
            torch.testing.assert_close(out.z.flatten(0, 1), rows.z)
            torch.testing.assert_close(out.log_abs_det.flatten(), rows.log_abs_det)
        one = call(z[0, 0], context)
        assert one.z.shape == (3,) and one.log_abs_det.shape == ()
        torch.testing.assert_close(one.z, rows.z[0])
        many = call(z[0, 0], torch.stack([context, -context]))
        assert many.z.shape == (2, 3)
        torch.testing.assert_close(many.z[0], rows.z[0])
        assert call(z[:, :0], context).z.shape == (2, 0, 3)


def test_arguments_that_do_not_fit_are_named(family, unchecked):
    flow = family(4, CONTEXT, steps=2)
    z, context = torch.randn(2, 4), torch.randn(2, CONTEXT)
    for call in (flow, flow.inverse, flow.trajectory):
        with pytest.raises(ValueError, match=r"z: expected shape \(B, 4\), got \(2, 5\)"):
            call(torch.randn(2, 5), context)
        with pytest.raises(ValueError, match=r"z: expected shape \(B, 4\), got \(\)"):
            call(z[0, 0], context)
        with pytest.raises(ValueError, match=r"context: expected shape \(2, 3\), .* got \(5, 3\)"):
            call(z, context.new_zeros(5, 3))
        with pytest.raises(ValueError, match=r"context: expected shape \(3\), .* got \(2,\)"):
            call(z[0], context[0, :2])
        with pytest.raises(ValueError, match=r"context: expected shape \(2, 3\), .* got \(2, 2\)"):
            call(z, context[:, :2])
        with pytest.raises(ValueError, match="z: expected dtype torch.float32, that of the flow, got torch.float64"):
            call(z.double(), context)
        with pytest.raises(ValueError, match="context: expected dtype torch.float32"):
            call(z, context.double())
        with pytest.raises(ValueError, match="z: expected device cpu, where the flow is, got meta"):
            call(z.to("meta"), context)


@pytest.mark.parametrize(
    ("sizes", "name"), [((0, 3, 1), "latent_dim"), ((3, -1, 1), "context_dim"), ((3, 3, 0), "steps")]
)
def test_sizes_that_are_too_small_are_named(family, sizes, name):
    with pytest.raises(ValueError, match=f"{name}: expected a whole number of at least"):
        family(*sizes[:2], steps=sizes[2])


def test_a_familys_own_sizes_are_checked():
    with pytest.raises(ValueError, match="reflections: expected a whole number of at least 1, got 0"):
        HouseholderSylvesterFlow(3, 2, reflections=0)
    with pytest.raises(ValueError, match="bottleneck: expected a whole number of at least 1, got 0"):
        OrthogonalSylvesterFlow(3, 2, bottleneck=0)
    with pytest.raises(ValueError, match="bottleneck: expected at most latent_dim = 3, got 4"):
        OrthogonalSylvesterFlow(3, 2, bottleneck=4)
    for hidden in ((), (3, 0)):
        for family in (InverseAutoregressiveFlow, AffineCouplingFlow, SplineCouplingFlow):
            with pytest.raises(ValueError, match="hidden: expected at least one layer"):
                family(3, 2, hidden=hidden)
    with pytest.raises(ValueError, match="bins: expected a whole number of at least 1, got 0"):
        SplineCouplingFlow(3, 2, bins=0)
    with pytest.raises(ValueError, match="reach: expected a finite number above 0, got -1"):
        SplineCouplingFlow(3, 2, reach=-1)


def test_defaults_are_four_steps(family):
    assert family(2, 3).steps == 4
    assert PlanarFlow(2, 3).hyper.out_features == 4 * 5


@pytest.mark.parametrize("name", FLOWS)
def test_sizes_that_are_no_whole_numbers_and_half_precision_are_refused(name, unchecked):
    for sizes, message in (
        ((3, 2, 2.0), "steps: expected a whole number of at least 1, got 2.0"),
        ((3, 2, True), "steps: expected a whole number of at least 1, got True"),
        (("3", 2, 2), "latent_dim: expected a whole number of at least 1, got '3'"),
        ((3, 1.5, 2), "context_dim: expected a whole number of at least 0, got 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            build_flow(name, *sizes)
    for dtype in (torch.float16, torch.bfloat16):
        flow = build_flow(name, 3, 2, 2).to(dtype)
        for way in (flow, flow.inverse):
            with pytest.raises(ValueError, match=f"flow: expected weights in single or double precision, got {dtype}"):
                way(torch.zeros(2, 3, dtype=dtype), torch.zeros(2, 2, dtype=dtype))
