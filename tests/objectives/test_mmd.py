"""MMD: unbiased where the distributions agree, clearly positive where they do not, differentiable."""

import math

import pytest
import torch

from hvae_ref.objectives import LatentSamples, MmdPenalty, mmd


@pytest.mark.parametrize("kernel", ["imq", "gaussian"])
def test_the_estimate_is_unbiased_at_zero(kernel):
    """Both samples from N(0, I): the mean over 400 draws is 0 within 4 standard errors, and both signs occur."""
    torch.manual_seed(0)
    estimates = torch.stack([mmd(torch.randn(20, 3), torch.randn(30, 3), kernel) for _ in range(400)])
    assert estimates.mean().abs() < 4 * estimates.std() / 20
    assert estimates.min() < 0 < estimates.max()


@pytest.mark.parametrize("kernel", ["imq", "gaussian"])
def test_the_estimate_is_the_distance_of_two_gaussians(kernel):
    """N(m, I) against N(0, I) in D dimensions.

    For the Gaussian kernel with bandwidth s² = D, E k(u, v) of u − v ~ N(δ, 2I) is
    (s² / (s² + 2))^{D/2} exp(−|δ|² / (2 (s² + 2))); for the other one, a mixture of Gaussian
    kernels, 2D ∫ exp(−2D t) (1 + 4t)^{−D/2} exp(−t |δ|² / (1 + 4t)) dt, on a fine grid.
    """
    torch.manual_seed(0)
    dim, shift = 2, torch.tensor([1.5, 0.0], dtype=torch.float64)
    a = torch.randn(2000, dim, dtype=torch.float64) + shift
    b = torch.randn(2000, dim, dtype=torch.float64)
    estimate = mmd(a, b, kernel).item()
    square = float(shift.square().sum())

    def expected(squared_shift: float) -> float:
        if kernel == "gaussian":
            return (dim / (dim + 2)) ** (dim / 2) * math.exp(-squared_shift / (2 * (dim + 2)))
        t = torch.linspace(0, 20, 200_001, dtype=torch.float64)
        density = 2 * dim * torch.exp(-2 * dim * t - t * squared_shift / (1 + 4 * t)) * (1 + 4 * t) ** (-dim / 2)
        return float(torch.trapezoid(density, t))

    exact = 2 * (expected(0.0) - expected(square))
    # The standard error of the estimate from 20 blocks of 100 points.
    blocks = torch.stack([mmd(u, v, kernel) for u, v in zip(a.split(100), b.split(100), strict=True)])
    assert abs(estimate - exact) < 4 * blocks.std().item() / 20**0.5


def test_the_penalty_sums_its_levels_and_pulls_the_posterior_to_the_prior():
    torch.manual_seed(0)
    posterior = {level: torch.randn(50, 2) + 2 for level in ("z2", "z1")}
    for z in posterior.values():
        z.requires_grad_()
    latents = LatentSamples(posterior, {level: torch.randn(50, 2) for level in posterior})
    both = MmdPenalty(3.0)(latents)
    one_by_one = [MmdPenalty(3.0, levels=(level,))(latents) for level in posterior]
    torch.testing.assert_close(both, sum(one_by_one))
    both.backward()
    # Going against the gradient moves the cloud back towards the origin.
    assert all((z.grad.mean(0) > 0).all() for z in posterior.values())


def test_an_unknown_level_is_refused():
    latents = LatentSamples({"z1": torch.randn(5, 2)}, {"z1": torch.randn(5, 2)})
    with pytest.raises(ValueError, match=r"levels: expected names among \['z1'\], got \['z9'\]"):
        MmdPenalty(levels=("z9",))(latents)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: MmdPenalty(-1.0), "weight"),
        (lambda: MmdPenalty(kernel="linear"), "kernel"),
        (lambda: mmd(torch.randn(5, 2), torch.randn(5, 2), "linear"), "kernel"),
        (lambda: mmd(torch.randn(1, 2), torch.randn(5, 2)), "a"),
        (lambda: mmd(torch.randn(5, 2), torch.randn(5, 3)), "b"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        make()
