"""Compiles distributions and flows in one graph each and compares values and gradients: run by test_transforms.

In a process of its own, because the checks of shapes cannot be compiled. The backend is the one that differentiates
graphs and generates no code.
"""

import torch
from torch.distributions import kl_divergence
from torch.nn.functional import normalize

from hvae_ref.distributions import HypersphericalUniform, VonMisesFisher, bessel_ratio, log_bessel_i, log_bessel_ive
from hvae_ref.distributions.sphere.bessel import bessel_ratio_derivative
from hvae_ref.flows import FLOWS, build_flow

torch.manual_seed(0)
LOC = normalize(torch.randn(3, 4, dtype=torch.float64), dim=-1)
KAPPA = torch.tensor([0.2, 3.0, 40.0], dtype=torch.float64)


def check(function, *inputs: torch.Tensor) -> None:
    """One graph, with the values and the gradients of the function itself."""
    inputs = [value.clone().requires_grad_() for value in inputs]
    expected = function(*inputs)
    actual = torch.compile(function, fullgraph=True, backend="aot_eager")(*inputs)
    torch.testing.assert_close(actual, expected)
    weights = torch.randn_like(expected)
    pairs = (torch.autograd.grad((out * weights).sum(), inputs) for out in (actual, expected))
    torch.testing.assert_close(*pairs)


def densities(mu: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    p, q = VonMisesFisher(mu, k), VonMisesFisher(mu.flip(-1), 1.1 * k + 0.1)
    uniform = HypersphericalUniform(4, dtype=torch.float64)
    parts = [
        p.log_prob(q.loc),
        p.entropy(),
        p.variance.square().sum(-1),
        kl_divergence(p, q),
        kl_divergence(p, uniform),
    ]
    return torch.stack([*parts, bessel_ratio(0.5, k), log_bessel_i(2.0, k), log_bessel_ive(2.0, k)])


def mean_cosine(mu: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return (VonMisesFisher(mu, k).rsample((2000,)) * mu.detach()).sum(-1).mean(0)


check(densities, LOC, KAPPA)
kappa = KAPPA.clone().requires_grad_()
mean = torch.compile(mean_cosine, fullgraph=True, backend="aot_eager")(LOC.clone().requires_grad_(), kappa)
torch.testing.assert_close(mean, bessel_ratio(1.0, KAPPA), rtol=0, atol=0.05)
slope = torch.autograd.grad(mean.sum(), kappa)[0]
torch.testing.assert_close(slope, bessel_ratio_derivative(1.0, KAPPA), rtol=0.1, atol=0)

for family in FLOWS:
    flow = build_flow(family, 3, 2, 2).double()

    def there(z: torch.Tensor, h: torch.Tensor, flow=flow) -> torch.Tensor:
        """A point and its log-determinant."""
        out = flow(z, h)
        return torch.cat([out.z, out.log_abs_det.unsqueeze(-1)], -1)

    check(there, torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64))
print("all compiled")
