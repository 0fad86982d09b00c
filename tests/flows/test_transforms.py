"""Flows and their densities under the transforms of torch, and their second derivatives."""

import pytest
import torch
from torch.distributions import Independent, Normal
from torch.func import grad, hessian, jacfwd, jacrev, vmap

from hvae_ref.flows import FlowDistribution

CONTEXT = 2
# Torch's own notes on what it does inside.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning"),
]


@pytest.fixture
def flow(family, randomized):
    """Three dimensions and two steps, far from the identity."""
    own = {"hidden": (6,)} if hasattr(family(2, 0), "nets") else {}
    return randomized(family(3, CONTEXT, steps=2, **own).double())


def points(rows=4):
    return torch.randn(rows, 3, dtype=torch.float64), torch.randn(rows, CONTEXT, dtype=torch.float64)


def density(flow, context):
    loc = torch.zeros(3, dtype=torch.float64) + 0 * context.sum(-1, keepdim=True)
    return FlowDistribution(Independent(Normal(loc, 1.0), 1), flow, context)


def differences(f, x, step=1e-5):
    """The Jacobian of f at a vector by central differences; x's dimension is the last one."""
    return torch.stack([(f(x + step * e) - f(x - step * e)) / (2 * step) for e in torch.eye(len(x)).to(x)], -1)


def test_the_hessian_of_a_density_is_that_of_its_differences(flow):
    """In z and in the context, by reverse mode twice, by forward over reverse, and by autograd without torch.func."""
    (z, h) = (part[0] for part in points(1))

    def log_prob(joint):
        return density(flow, joint[3:]).log_prob(joint[:3])

    joint = torch.cat([z, h])
    expected = differences(jacrev(log_prob), joint)
    assert expected.abs().max() > 1e-2
    for second in (hessian(log_prob), jacrev(jacrev(log_prob))):
        torch.testing.assert_close(second(joint), expected, rtol=1e-5, atol=1e-6)
    plain = torch.autograd.functional.hessian(log_prob, joint)
    torch.testing.assert_close(plain, expected, rtol=1e-5, atol=1e-6)


def test_the_hessian_of_the_way_there_is_that_of_its_differences(flow):
    z, h = (part[0] for part in points(1))

    def there(joint):
        out = flow(joint[:3], joint[3:])
        return torch.cat([out.z, out.log_abs_det[None]])

    joint = torch.cat([z, h])
    torch.testing.assert_close(jacfwd(there)(joint), differences(there, joint), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(hessian(there)(joint), differences(jacrev(there), joint), rtol=1e-5, atol=1e-6)


def test_one_example_after_the_other_by_vmap(flow):
    z, h = points()
    out = flow(z, h)
    for call, given in ((flow, z), (flow.inverse, out.z)):
        mapped = vmap(lambda a, b, call=call: tuple(call(a, b)))(given, h)
        torch.testing.assert_close(mapped, tuple(call(given, h)))
    slopes = vmap(grad(lambda a, b: density(flow, b).log_prob(a)))(z, h)
    leaf = z.clone().requires_grad_()
    torch.testing.assert_close(slopes, torch.autograd.grad(density(flow, h).log_prob(leaf).sum(), leaf)[0])


def test_gradients_of_each_example_in_the_parameters(flow):
    z, h = points()
    parameters = dict(flow.named_parameters())

    def nats(values, a, b):
        moved, log_abs_det = torch.func.functional_call(flow, values, (a, b))
        return moved.square().sum() - log_abs_det

    each = vmap(grad(nats), (None, 0, 0))(parameters, z, h)
    out = flow(z, h)
    together = torch.autograd.grad(out.z.square().sum() - out.log_abs_det.sum(), list(parameters.values()))
    torch.testing.assert_close([gradient.sum(0) for gradient in each.values()], list(together))


class There(torch.nn.Module):
    """The way there as a module, for export."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def forward(self, z, context):
        return tuple(self.flow(z, context))


def test_exported_and_traced_it_is_the_same(flow, unchecked):
    module, (z, h) = There(flow), points()
    expected = module(*(other := points()))
    torch.testing.assert_close(torch.export.export(module, (z, h)).module()(*other), expected)
    with pytest.warns(Warning):  # the tracer's, of sizes that become constants
        traced = torch.jit.trace(module, (z, h))
    torch.testing.assert_close(traced(*other), expected)
