"""The gradient of a draw in its mean direction: unbiased, tangent, and quiet where the draw is nearly uniform."""

import pytest
import torch
from scipy.special import hyp1f1

from hvae_ref.distributions import VonMisesFisher
from hvae_ref.distributions.sphere.direction_gradient import kummer
from hvae_ref.distributions.sphere.sphere_sampling import place_around

N = 20_000


def direction(m: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(m, generator=generator, dtype=torch.float64), dim=-1)


def gradients(m: int, kappa: float, way: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """One gradient of (aᵀz)² + aᵀz in μ a draw, (N, m), by our field or through the reflection; and a."""
    torch.manual_seed(seed)
    a, mu = direction(m, 1), direction(m, 2).expand(N, m).clone().requires_grad_()
    q = VonMisesFisher(mu, torch.full((N,), kappa, dtype=torch.float64))
    z = q.rsample()
    if way == "reflection":
        cosine = (z * mu).sum(-1).detach()
        z = place_around(mu, cosine, (1 - cosine**2).sqrt(), torch.randn_like(z))
    along = z @ a
    (along**2 + along).sum().backward()
    tangent = mu.grad - (mu.grad * mu).sum(-1, keepdim=True) * mu
    return tangent.detach(), a


def exact(m: int, kappa: float, a: torch.Tensor) -> torch.Tensor:
    """E[(aᵀz)²] = A/κ + (1 − m A/κ) (aᵀμ)² and E[aᵀz] = A aᵀμ, differentiated along the sphere."""
    mu = direction(m, 2)
    resultant = VonMisesFisher(mu, torch.tensor(kappa, dtype=torch.float64)).mean_resultant_length
    slope = 2 * (1 - m * resultant / kappa) * (a @ mu) + resultant
    return slope * (a - (a @ mu) * mu)


@pytest.mark.parametrize("m", [2, 3, 5, 20, 200])
@pytest.mark.parametrize("relative", [0.05, 0.3, 0.49, 0.51, 5.0])
def test_it_is_unbiased(m: int, relative: float) -> None:
    drawn, a = gradients(m, relative * m, "field")
    error = drawn.std(0) / N**0.5
    assert ((drawn.mean(0) - exact(m, relative * m, a)).abs() < 4.5 * error).all()


@pytest.mark.parametrize("m", [3, 20, 200])
def test_the_reflections_gradient_is_unbiased_too_but_drowns_in_noise_as_the_concentration_falls(m: int) -> None:
    noise = {}
    for kappa in (0.1, 1.0):
        for way in ("field", "reflection"):
            drawn, a = gradients(m, kappa, way)
            error = drawn.std(0) / N**0.5
            assert ((drawn.mean(0) - exact(m, kappa, a)).abs() < 4.5 * error).all(), (kappa, way)
            noise[way, kappa] = float(drawn.var(0).sum() / exact(m, kappa, a).square().sum())
    # Relative to the signal: ours stays where it is, the reflection's grows with 1/κ².
    assert noise["field", 0.1] < 1.5 * noise["field", 1.0]
    assert noise["reflection", 0.1] > 50 * noise["reflection", 1.0]
    assert noise["reflection", 0.1] > 300 * noise["field", 0.1]


def test_it_is_finite_at_zero_and_tangent_to_the_sphere() -> None:
    for kappa in (0.0, 1e-8, 1.0, 100.0):
        mu = direction(4, 3).expand(50, 4).clone().requires_grad_()
        z = VonMisesFisher(mu, torch.full((50,), kappa, dtype=torch.float64)).rsample()
        z.exp().sum().backward()
        assert torch.isfinite(mu.grad).all()
        assert ((mu.grad * mu).sum(-1).abs() < 1e-12).all()
        assert (mu.grad.norm(dim=-1) == 0).all() == (kappa == 0.0)


@pytest.mark.parametrize("m", [2, 3, 17, 512])
def test_the_series_is_kummers_function(m: int) -> None:
    x = torch.linspace(-m / 2, m / 2, 41, dtype=torch.float64)
    expected = torch.from_numpy(hyp1f1(1.0, float(m), -x.numpy()))
    torch.testing.assert_close(kummer(m, x), expected, rtol=1e-12, atol=0)


def test_a_second_derivative_is_refused() -> None:
    mu = direction(3, 1).requires_grad_()
    z = VonMisesFisher(mu, torch.tensor(1.0, dtype=torch.float64)).rsample()
    (slope,) = torch.autograd.grad(z.square().sum() + z.sum(), mu, create_graph=True)
    with pytest.raises(NotImplementedError, match="a draw of vMF by μ: expected one derivative"):
        slope.sum().backward()


def test_sample_shapes_add_up() -> None:
    mu = torch.stack([direction(3, seed) for seed in (1, 2)]).requires_grad_()
    z = VonMisesFisher(mu, torch.tensor([0.5, 4.0], dtype=torch.float64)).rsample((7,))
    z.exp().sum().backward()
    assert z.shape == (7, 2, 3) and mu.grad.shape == (2, 3) and (mu.grad != 0).all()
