"""The exercises of chapter 5: references against other computations, other right answers, common mistakes."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import ive
from torch.distributions import Beta, kl_divergence
from torch.nn.functional import normalize, softplus

from hvae_ref.distributions import HypersphericalUniform, VonMisesFisher, bessel_ratio
from hvae_ref.exercises.engine.registry import registered
from tests.exercises.asking import reference, verdict


def double(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def on_grid(dim, concentration, count=200_000):
    """Angles with μ, evenly spaced, and the probability of the cell around each."""
    angle = math.pi * (torch.arange(count, dtype=torch.float64) + 0.5) / count
    log_density = concentration * angle.cos() + (dim - 2) * angle.sin().log()
    return angle, log_density.softmax(0)


# References -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "raw_concentration"), [(3, 1.5), (12, 6.0)])
def test_the_mean_is_that_of_draws(dim, raw_concentration):
    torch.manual_seed(0)
    raw = torch.cat([torch.randn(1, dim), torch.tensor([[raw_concentration]])], -1)
    q = VonMisesFisher(normalize(raw[:, :-1], dim=-1), softplus(raw[:, -1]))
    z = q.sample((100_000,))[:, 0]
    assert ((z.mean(0) - reference("5.1")(raw)[0]).abs() < 4.5 * z.std(0) / len(z) ** 0.5).all()


@pytest.mark.parametrize(("dim", "concentration"), [(2, 0.7), (3, 0.01), (5, 40.0), (50, 12.0)])
def test_the_price_is_an_integral(dim, concentration):
    (_, q), (_, uniform) = on_grid(dim, concentration), on_grid(dim, 0.0)
    expected = torch.xlogy(q, q / uniform).sum()
    torch.testing.assert_close(reference("5.2")(dim, double(concentration))[0], expected, rtol=1e-6, atol=1e-11)


def test_the_price_is_the_packages():
    loc = normalize(torch.randn(4, 7, dtype=torch.float64), dim=-1)
    kappa = double(0.003, 0.5, 7, 200)
    torch.testing.assert_close(
        reference("5.2")(7, kappa), kl_divergence(VonMisesFisher(loc, kappa), HypersphericalUniform(7))
    )


@pytest.mark.parametrize(("dim", "concentration"), [(2, 3.0), (3, 0.5), (64, 60.0), (512, 10.0), (1024, 60.0)])
def test_the_constant_is_mpmaths(dim, concentration):
    with mpmath.workdps(40):
        integral = mpmath.besseli(mpmath.mpf(dim) / 2 - 1, concentration) * (2 * mpmath.pi) ** (mpmath.mpf(dim) / 2)
        expected = float((mpmath.mpf(dim) / 2 - 1) * mpmath.log(concentration) - mpmath.log(integral))
    assert reference("5.3")(dim, double(concentration)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("dim", "concentration"), [(3, 2.0), (64, 12.0), (50, 20.0)])
def test_the_cosines_have_the_packages_law(dim, concentration):
    torch.manual_seed(0)
    loc = normalize(torch.randn(1, dim), dim=-1).expand(40_000, -1)
    drawn = (VonMisesFisher(loc, torch.full((40_000,), concentration)).sample() * loc).sum(-1)
    exact = reference("5.5")(dim, concentration, 40_000)
    below = torch.searchsorted(drawn.double().sort().values, exact.sort().values[::400].contiguous())
    distance = (below / 40_000 - torch.linspace(0, 0.99, 100)).abs()
    assert distance.max() < 2.2 / 200  # Kolmogorov: p = 1e-4 at 2.2 / √n


@pytest.mark.parametrize(("dim", "concentration"), [(3, 0.4), (5, 2.0), (20, 10.0), (50, 28.0)])
def test_slopes_average_to_the_derivative_of_the_mean(dim, concentration):
    angle, mass = on_grid(dim, concentration, 20_000)
    inside = mass > 1e-12
    angle, mass = angle[inside], mass[inside]
    slope = reference("5.6")(angle.cos(), dim, double(concentration).expand(len(angle)))
    mean = bessel_ratio(dim / 2 - 1, double(concentration)).item()
    expected = 1 - mean**2 - (dim - 1) * mean / concentration
    assert (slope * mass).sum().item() == pytest.approx(expected, rel=1e-5)


def test_a_slope_is_that_of_a_quantile():
    dim, step = 8, 1e-3

    def draw(rank, concentration):
        angle, mass = on_grid(dim, concentration)
        return math.cos(np.interp(1 - rank, mass.cumsum(0), angle + angle[0]))

    for rank in (0.1, 0.5, 0.97):
        moved = (draw(rank, 5 + step) - draw(rank, 5 - step)) / (2 * step)
        assert reference("5.6")(double(draw(rank, 5.0)), dim, double(5.0)).item() == pytest.approx(moved, rel=1e-3)


def test_half_way_is_half_way():
    for dim, concentration in zip((3, 30, 300), reference("5.7"), strict=True):
        assert bessel_ratio(dim / 2 - 1, double(concentration)).item() == pytest.approx(0.5, abs=1e-12)


# Other right answers --------------------------------------------------------------------------------------------------


def test_orientations_of_every_kind_pass():
    def by_gram_schmidt(loc):
        frames = []
        for mu in loc.double():
            frame = torch.linalg.qr(torch.cat([mu[:, None], torch.eye(len(mu)).double()], 1)).Q
            frames.append(frame * torch.where(frame[:, 0] @ mu < 0, -1.0, 1.0))
        return torch.stack(frames).float()

    def by_a_rotation_of_determinant_one(loc):
        matrix = reference("5.4")(loc)
        return torch.cat([matrix[..., :-1], matrix[..., -1:] * torch.linalg.det(matrix)[:, None, None]], -1)

    for answer in (by_gram_schmidt, by_a_rotation_of_determinant_one):
        assert verdict("5.4", answer).passed, str(verdict("5.4", answer))


def test_draws_of_the_package_pass():
    def cosines(dim, concentration, count):
        axis = torch.zeros(count, dim)
        axis[:, 0] = 1
        return VonMisesFisher(axis, torch.full((count,), concentration)).sample()[:, 0]

    assert verdict("5.5", cosines).passed


def test_spheres_of_different_sizes_pass():
    def spheres(nats, dim, count):
        dims, concentrations = reference("5.8")(nats, dim, count)
        if count == 1:
            return dims, concentrations
        uneven = [2] * (count - 1) + [dim - 2 * (count - 1)]
        free = nats - 0.1 * (count - 1)
        one = reference("5.8")
        return uneven, [one(0.1, 2, 1)[1][0]] * (count - 1) + one(free, uneven[-1], 1)[1]

    assert verdict("5.8", spheres).passed


# Mistakes as they are met ---------------------------------------------------------------------------------------------


def test_scipys_underflow_is_recognised():
    def log_constant(dim, concentration):
        kappa = concentration.numpy()
        with np.errstate(divide="ignore"):
            log_bessel = np.log(ive(dim / 2 - 1, kappa)) + kappa
        return torch.as_tensor((dim / 2 - 1) * np.log(kappa) - dim / 2 * math.log(2 * math.pi) - log_bessel)

    assert verdict("5.3", log_constant).misconception == "V8"


def test_autograd_through_woods_proposal_is_recognised():
    def slope(t, dim, concentration):
        def proposal(kappa, epsilon):
            b = (dim - 1) / (2 * kappa + (4 * kappa**2 + (dim - 1) ** 2).sqrt())
            return (1 - (1 + b) * epsilon) / (1 - (1 - b) * epsilon)

        b = (dim - 1) / (2 * concentration + (4 * concentration**2 + (dim - 1) ** 2).sqrt())
        epsilon = (1 - t) / (1 + b - t * (1 - b))
        kappa = concentration.clone().requires_grad_(True)
        return torch.autograd.grad(proposal(kappa, epsilon).sum(), kappa)[0]

    assert verdict("5.6", slope).misconception == "V6"


def test_the_uncorrected_slope_averages_to_what_its_explanation_says():
    angle, mass = on_grid(5, 2.0)
    wrong = registered()["5.6"].misconceptions[0].wrong(angle.cos(), 5, double(2.0))
    assert (wrong * mass).sum().item() == pytest.approx(0.128, abs=5e-4)
    mean = bessel_ratio(1.5, double(2.0)).item()
    assert 1 - mean**2 - 4 * mean / 2 == pytest.approx(0.147, abs=5e-4)


def test_a_switch_at_ten_leans_away_from_the_mean():
    torch.manual_seed(0)
    switching = registered()["5.5"].misconceptions[0].wrong
    mean = bessel_ratio(31, double(12.0)).item()
    assert mean == pytest.approx(0.182, abs=1e-3)
    assert switching(64, 12.0, 50_000).mean().item() == pytest.approx(-0.134, abs=0.003)


def test_proposals_without_the_test_are_recognised():
    def cosines(dim, concentration, count):
        b = (dim - 1) / (2 * concentration + math.sqrt(4 * concentration**2 + (dim - 1) ** 2))
        epsilon = Beta(*double((dim - 1) / 2, (dim - 1) / 2)).sample((count,))
        return (1 - (1 + b) * epsilon) / (1 - (1 - b) * epsilon)

    assert "accept test is missing" in verdict("5.5", cosines).message


@pytest.mark.parametrize("concentration", [0.7, 1.69, 20.0, 200.0])
def test_any_constant_is_recognised(concentration):
    assert verdict("5.7", (concentration,) * 3).misconception == "V9"
