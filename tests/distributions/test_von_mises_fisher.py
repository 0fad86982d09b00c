"""The von Mises-Fisher distribution: against its own integrals, torch, scipy, samples, and its limits."""

import copy
import json
import math
import runpy
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf
from numpy.polynomial.legendre import leggauss
from scipy import stats
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.distributions import Independent, VonMises, kl_divergence
from torch.nn.functional import normalize

from hvae_ref.distributions import HypersphericalUniform, VonMisesFisher
from hvae_ref.distributions.sphere.bessel import bessel_ratio_derivative
from hvae_ref.distributions.sphere.hyperspherical_uniform import log_sphere_area

REFERENCE = runpy.run_path(str(Path(__file__).with_name("reference_von_mises_fisher.py")))
TABLE = json.loads(REFERENCE["TABLE"].read_text())
MONTE_CARLO = 40_000


def direction(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1).to(dtype)


def axis(dim: int, dtype=torch.float64) -> torch.Tensor:
    return torch.eye(1, dim, dtype=dtype)[0]


def assert_within_standard_errors(samples: torch.Tensor, expected: torch.Tensor, errors: float = 4.0) -> None:
    """The mean over the first dimension against `expected`."""
    tolerance = errors * samples.double().std(0) / len(samples) ** 0.5 + 1e-9
    assert ((samples.double().mean(0) - expected.double()).abs() <= tolerance).all()


def cosine_rule(dim: int, nodes: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes t in [−1, 1] and log-weights of the surface measure of the sphere, seen along one axis."""
    x, w = (torch.from_numpy(part) for part in leggauss(nodes))
    theta, w = (x + 1) * math.pi / 2, w * math.pi / 2
    slice_area = math.log(2.0) + (dim - 1) / 2 * math.log(math.pi) - math.lgamma((dim - 1) / 2)
    return theta.cos(), w.log() + (dim - 2) * theta.sin().log() + slice_area


@pytest.mark.parametrize("dim", REFERENCE["DIMS"])
@pytest.mark.parametrize(
    ("dtype", "log_tolerance", "tolerance"), [(torch.float64, 1e-12, 1e-9), (torch.float32, 1e-5, 1e-5)]
)
def test_normaliser_divergence_and_entropy_over_the_grid(dim, dtype, log_tolerance, tolerance, device) -> None:
    rows = [row for row in TABLE if row["dim"] == dim]
    expected = {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]}
    kappa = expected["kappa"].to(device, dtype).requires_grad_()
    p = VonMisesFisher(axis(dim, dtype).to(device), kappa)
    kl = kl_divergence(p, HypersphericalUniform(dim, dtype=dtype, device=device))
    log_c, entropy = p.log_normalizer, p.entropy()
    for values in (kl, log_c, entropy):
        assert values.dtype == dtype and torch.isfinite(values).all()

    def close(values: torch.Tensor, name: str, rtol: float, atol: float = 0.0) -> None:
        torch.testing.assert_close(values.detach().double().cpu(), expected[name], rtol=rtol, atol=atol)

    close(log_c, "log_normalizer", log_tolerance, log_tolerance)
    close(kl, "kl", tolerance)
    close(entropy, "entropy", tolerance)
    close(p.mean_resultant_length, "ratio", tolerance)
    close(grad(kl.sum(), kappa, retain_graph=True)[0], "kl_derivative", tolerance)
    close(-grad(entropy.sum(), kappa)[0], "kl_derivative", tolerance)
    close(-grad(log_c.sum(), kappa)[0], "ratio", tolerance)


@pytest.mark.parametrize("dim", [2, 3, 5, 50, 512])
@pytest.mark.parametrize("kappa", [0.0, 1.0, 12.0, 300.0])
def test_the_density_has_mass_one_and_the_moments_it_says(dim: int, kappa: float) -> None:
    cosine, log_weights = cosine_rule(dim)
    points = cosine.unsqueeze(-1) * axis(dim) + (1 - cosine**2).sqrt().unsqueeze(-1) * axis(dim).roll(1)
    p = VonMisesFisher(axis(dim), kappa)
    density = (p.log_prob(points) + log_weights).exp()
    assert float(density.sum()) == pytest.approx(1, rel=1e-11)
    mean = float((density * cosine).sum())
    assert float(p.mean[0]) == pytest.approx(mean, rel=1e-10, abs=1e-14)
    assert float(p.variance[0]) == pytest.approx(float((density * (cosine - mean) ** 2).sum()), rel=1e-9)
    across = float((density * (1 - cosine**2)).sum()) / (dim - 1)
    assert float(p.variance[1]) == pytest.approx(across, rel=1e-10)
    assert float(p.entropy()) == pytest.approx(float(-(density * p.log_prob(points)).sum()), rel=1e-10)


def test_on_the_circle_it_is_torchs_von_mises() -> None:
    angle = torch.linspace(-3, 3, 25, dtype=torch.float64)
    mu, kappa = torch.tensor(0.7, dtype=torch.float64), torch.tensor([[0.2], [2.0], [30.0]], dtype=torch.float64)
    p = VonMisesFisher(torch.stack([mu.cos(), mu.sin()]), kappa)
    values = p.log_prob(torch.stack([angle.cos(), angle.sin()], -1))
    # torch's Bessel polynomials hold seven digits.
    torch.testing.assert_close(values, VonMises(mu, kappa).log_prob(angle), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 0.3), (3, 10.0), (10, 12.0), (50, 100.0), (64, 12.0)])
def test_agrees_with_scipy(dim: int, kappa: float) -> None:
    mu, z = direction(dim, seed=1), direction(7, dim, seed=2)
    p, q = VonMisesFisher(mu, kappa), stats.vonmises_fisher(mu.numpy(), kappa)
    torch.testing.assert_close(p.log_prob(z), torch.from_numpy(q.logpdf(z.numpy())), rtol=1e-11, atol=1e-11)
    assert float(p.entropy()) == pytest.approx(float(q.entropy()), rel=1e-9)


def test_where_scipys_density_is_infinite_ours_is_right() -> None:
    mu = axis(512)
    with np.errstate(all="ignore"):
        assert not math.isfinite(stats.vonmises_fisher(mu.numpy(), 10.0).logpdf(mu.numpy()))
    (row,) = [row for row in TABLE if (row["dim"], row["kappa"]) == (512, 10.0)]
    assert float(VonMisesFisher(mu, 10.0).log_prob(mu)) == pytest.approx(row["log_normalizer"] + 10.0, rel=1e-13)


def test_no_concentration_is_the_uniform_distribution() -> None:
    kappa = torch.zeros((), dtype=torch.float64, requires_grad=True)
    mu, z = direction(6, seed=1), direction(5, 6, seed=2)
    p, u = VonMisesFisher(mu, kappa), HypersphericalUniform(6, dtype=torch.float64)
    torch.testing.assert_close(p.log_prob(z), u.log_prob(z))
    torch.testing.assert_close(p.entropy(), u.entropy())
    torch.testing.assert_close(p.mean, u.mean)
    torch.testing.assert_close(p.variance, u.variance)
    for i in range(5):
        # ∂ log p / ∂κ = μᵀz − A, and A = 0.
        torch.testing.assert_close(grad(p.log_prob(z)[i], kappa)[0], mu @ z[i])
    samples = p.rsample((MONTE_CARLO,))
    assert_within_standard_errors(samples, torch.zeros(6))
    assert torch.isfinite(grad(samples.square().sum() + samples.sum(), kappa)[0])


@pytest.mark.parametrize("dim", [3, 128])
@pytest.mark.parametrize("kappa", [10.0, 1e3, 1e5])
def test_float32_log_density_keeps_its_digits(dim: int, kappa: float) -> None:
    mu = direction(dim, seed=1, dtype=torch.float32)
    z = VonMisesFisher(mu, kappa).sample((200,))
    exact = VonMisesFisher(normalize(mu.double(), dim=-1), kappa).log_prob(normalize(z.double(), dim=-1))
    error = (VonMisesFisher(mu, kappa).log_prob(z).double() - exact).abs()
    assert float((error / exact.abs().clamp(min=1)).max()) < 2e-5
    if kappa == 1e5:
        # The formula as it is printed loses them to the difference of κ μᵀz and a normaliser of −κ.
        printed = kappa * (z @ mu) + VonMisesFisher(mu, kappa).log_normalizer
        assert float((printed.double() - exact).abs().max()) > 10 * float(error.max())


def test_log_prob_is_differentiable_in_everything() -> None:
    raw = direction(3, 4, seed=1).requires_grad_()
    kappa = torch.tensor([0.4, 3.0, 60.0], dtype=torch.float64, requires_grad=True)
    value = direction(3, 4, seed=2).requires_grad_()

    def f(mu, k, z):
        return VonMisesFisher(normalize(mu, dim=-1), k).log_prob(normalize(z, dim=-1))

    assert gradcheck(f, (raw, kappa, value))
    assert gradgradcheck(f, (raw, kappa, value))
    p = VonMisesFisher(normalize(raw, dim=-1), kappa)
    score = grad(p.log_prob(value).sum(), kappa)[0]
    torch.testing.assert_close(score, (normalize(raw, dim=-1) * value).sum(-1) - p.mean_resultant_length)
    # On the sphere the gradient is that of κ μᵀz.
    slope = grad(f(raw, kappa, value).sum(), value)[0]
    along = kappa.unsqueeze(-1) * raw
    torch.testing.assert_close(slope, along - (along * value).sum(-1, keepdim=True) * value)


def test_moments_are_those_of_the_samples() -> None:
    torch.manual_seed(0)
    p = VonMisesFisher(direction(4, 9, seed=1), torch.tensor([0.0, 2.0, 20.0, 2e3], dtype=torch.float64))
    z = p.sample((MONTE_CARLO,))
    assert_within_standard_errors(z, p.mean)
    assert_within_standard_errors((z - p.mean) ** 2, p.variance)
    assert_within_standard_errors((z * p.mode).sum(-1), p.mean_resultant_length)
    assert_within_standard_errors(-p.log_prob(z), p.entropy())
    # E‖z‖² = 1.
    torch.testing.assert_close((p.variance + p.mean**2).sum(-1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("dim", [2, 3, 20])
def test_divergences_are_those_of_the_samples(dim: int) -> None:
    torch.manual_seed(0)
    p = VonMisesFisher(direction(4, dim, seed=1), torch.tensor([0.0, 2.0, 30.0, 1e3], dtype=torch.float64))
    q = VonMisesFisher(
        normalize(p.loc + 0.1 * direction(4, dim, seed=2), dim=-1), torch.tensor([5.0, 2.1, 0.0, 4e2]).double()
    )
    u = HypersphericalUniform(dim, dtype=torch.float64)
    z, flat = p.sample((MONTE_CARLO,)), u.sample((MONTE_CARLO, 1))
    assert_within_standard_errors(p.log_prob(z) - q.log_prob(z), kl_divergence(p, q))
    assert_within_standard_errors(p.log_prob(z) - u.log_prob(z), kl_divergence(p, u))
    assert_within_standard_errors(u.log_prob(flat) - q.log_prob(flat), kl_divergence(u, q))


@pytest.mark.parametrize(("dim", "kappa"), [(2, 1e3), (3, 1e-3), (10, 0.0), (10, 12.0), (2048, 1e4)])
def test_divergence_in_concentration_keeps_its_digits(dim: int, kappa: float) -> None:
    with mpmath.workdps(60):
        log_p, ratio_p, slope_p = REFERENCE["moments"](dim, kappa, 45)
    for change in (1e-9, 0.02, -0.5, 4.0):
        other = kappa * (1 + change) if kappa else abs(change)
        with mpmath.workdps(60):
            delta = mpf(other) - mpf(kappa)
            log_q, ratio_q, _ = REFERENCE["moments"](dim, other, 45)
            expected = float(log_q - log_p - delta * ratio_p)
            slopes = [float(-delta * slope_p), float(ratio_q - ratio_p)]
        k, other_k = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (kappa, other))
        kl = kl_divergence(VonMisesFisher(axis(dim), k), VonMisesFisher(axis(dim), other_k))
        assert kl.item() == pytest.approx(expected, rel=1e-9)
        assert [g.item() for g in grad(kl, (k, other_k))] == pytest.approx(slopes, rel=1e-9)


def test_divergence_from_itself_is_zero_and_flat() -> None:
    for dtype in (torch.float32, torch.float64):
        mu = direction(5, 8, seed=1, dtype=dtype).requires_grad_()
        kappa = torch.tensor([0.0, 1e-3, 1.0, 300.0, 1e6], dtype=dtype, requires_grad=True)
        p = VonMisesFisher(mu, kappa)
        kl = kl_divergence(p, p)
        assert torch.equal(kl, torch.zeros(5, dtype=dtype))
        assert not any(g.any() for g in grad(kl.sum(), (mu, kappa)))


def test_divergences_are_differentiable_in_everything() -> None:
    mu, other = (direction(4, 3, seed=s).requires_grad_() for s in (1, 2))
    kappa = torch.tensor([0.3, 2.0, 30.0, 40.0], dtype=torch.float64, requires_grad=True)
    kappa_q = torch.tensor([9.0, 2.1, 29.0, 0.1], dtype=torch.float64, requires_grad=True)
    u = HypersphericalUniform(3, dtype=torch.float64)

    def between(a, k, b, other_k):
        return kl_divergence(VonMisesFisher(normalize(a, dim=-1), k), VonMisesFisher(normalize(b, dim=-1), other_k))

    assert gradcheck(between, (mu, kappa, other, kappa_q))
    assert gradgradcheck(between, (mu, kappa, other, kappa_q))
    assert gradcheck(lambda k: kl_divergence(VonMisesFisher(axis(3), k), u), kappa)
    assert gradgradcheck(lambda k: kl_divergence(VonMisesFisher(axis(3), k), u), kappa)
    assert gradcheck(lambda k: kl_divergence(u, VonMisesFisher(axis(3), k)), kappa)


def test_divergence_between_opposite_directions() -> None:
    p, q = (VonMisesFisher(s * axis(5), torch.tensor(4.0, dtype=torch.float64)) for s in (1, -1))
    # The normalisers are equal: κ A (1 − (−1)).
    assert float(kl_divergence(p, q)) == pytest.approx(8 * float(p.mean_resultant_length), rel=1e-14)


def test_spheres_of_different_dimension_have_no_divergence() -> None:
    p, u = VonMisesFisher(axis(3), 1.0), HypersphericalUniform(4)
    for pair in ((p, u), (u, p), (p, VonMisesFisher(axis(4), 1.0))):
        with pytest.raises(ValueError, match="kl_divergence: expected two spheres of the same dimension"):
            kl_divergence(*pair)


def test_shapes_are_torchs() -> None:
    p = VonMisesFisher(direction(4, 1, 6), torch.rand(3))
    assert p.batch_shape == (4, 3) and p.event_shape == (6,)
    assert p.rsample((2,)).shape == (2, 4, 3, 6) and p.sample().shape == (4, 3, 6)
    assert p.mean.shape == p.variance.shape == p.mode.shape == (4, 3, 6)
    for value in (p.entropy(), p.mean_resultant_length, p.log_normalizer):
        assert value.shape == (4, 3)
    assert p.log_prob(p.sample((2,))).shape == (2, 4, 3)
    assert kl_divergence(p, HypersphericalUniform(6, (5, 1, 1))).shape == (5, 4, 3)
    assert kl_divergence(HypersphericalUniform(6, (5, 1, 1)), p).shape == (5, 4, 3)
    assert kl_divergence(p.expand((5, 4, 3)), p).shape == (5, 4, 3)
    assert p.expand((5, 4, 3)).rsample().shape == (5, 4, 3, 6)
    assert Independent(p, 1).log_prob(p.sample()).shape == (4,)
    empty = VonMisesFisher(torch.zeros(0, 6), torch.zeros(0))
    assert empty.rsample((2,)).shape == (2, 0, 6)
    assert empty.entropy().shape == kl_divergence(empty, HypersphericalUniform(6)).shape == (0,)
    torch.testing.assert_close(copy.deepcopy(p).entropy(), p.entropy())


def test_expanding_keeps_values_and_checks() -> None:
    for checked in (True, False):
        p = VonMisesFisher(direction(2, 5), torch.tensor([1.0, 2.0]), validate_args=checked).expand((3, 2))
        u = HypersphericalUniform(5, validate_args=checked).expand((3, 2))
        assert p._validate_args == u._validate_args == checked
        for q in (p, u):
            off = 0.93 * q.sample()
            if checked:
                with pytest.raises(ValueError, match="UnitVector"):
                    q.log_prob(off)
            else:
                assert q.log_prob(off).shape == (3, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_unit_vectors_of_every_dtype_pass_the_check(dtype: torch.dtype) -> None:
    mu = normalize(direction(50, 128, seed=3), dim=-1).to(dtype)
    p = VonMisesFisher(mu, torch.full((50,), 3.0, dtype=dtype), validate_args=True)
    assert p.entropy().dtype == p.mean.dtype == p.variance.dtype == dtype
    with pytest.raises(ValueError, match="loc"):
        VonMisesFisher(0.93 * mu, 3.0, validate_args=True)


@pytest.mark.parametrize("kappa", [-1.0, math.nan, math.inf])
def test_concentrations_that_are_none(kappa: float) -> None:
    with pytest.raises(ValueError, match="concentration"):
        VonMisesFisher(axis(3), kappa, validate_args=True)


def test_directions_that_are_none(unchecked) -> None:
    for loc in (torch.zeros(3), torch.ones(3), torch.full((3,), math.nan), torch.ones(1), torch.tensor(1.0)):
        with pytest.raises(ValueError, match="loc"):
            VonMisesFisher(loc, 1.0, validate_args=True)
    for loc in (torch.tensor([0, 1]), [0.0, 1.0]):
        with pytest.raises(ValueError, match="^loc: expected a floating-point tensor"):
            VonMisesFisher(loc, 1.0)
    with pytest.raises(ValueError, match="^concentration: expected a shape that broadcasts"):
        VonMisesFisher(direction(4, 3), torch.ones(3))


def test_uniform_points_are_uniform() -> None:
    u = HypersphericalUniform(5, (2,), dtype=torch.float64)
    z = u.rsample((MONTE_CARLO,))
    assert z.shape == (MONTE_CARLO, 2, 5) and u.rsample().shape == (2, 5)
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(MONTE_CARLO, 2, dtype=torch.float64))
    assert_within_standard_errors(z, u.mean)
    assert_within_standard_errors(z**2, u.variance)
    # (1 + z₁)/2 has the law Beta((m − 1)/2, (m − 1)/2).
    assert stats.kstest((1 + z[:, 0, 0].numpy()) / 2, stats.beta(2, 2).cdf).pvalue > 1e-4
    torch.testing.assert_close(u.log_prob(z[:3]), torch.full((3, 2), -log_sphere_area(5), dtype=torch.float64))
    torch.testing.assert_close(u.entropy(), torch.full((2,), log_sphere_area(5), dtype=torch.float64))


def test_the_areas_of_spheres() -> None:
    assert math.exp(log_sphere_area(2)) == pytest.approx(2 * math.pi, rel=1e-15)
    assert math.exp(log_sphere_area(4)) == pytest.approx(2 * math.pi**2, rel=1e-15)


def test_a_vector_of_zeros_still_becomes_a_point(monkeypatch) -> None:
    monkeypatch.setattr(torch, "randn", lambda *shape, **kw: torch.zeros(*shape, **kw))
    assert torch.equal(HypersphericalUniform(3).rsample((2,)), torch.tensor([[1.0, 0.0, 0.0]] * 2))


@pytest.mark.parametrize("dim", [1, 0, -3, 2.0, True])
def test_spheres_that_are_none(dim, unchecked) -> None:
    with pytest.raises(ValueError, match="^dim: expected a whole number of at least 2"):
        HypersphericalUniform(dim)
    with pytest.raises(ValueError, match="dtype: expected a floating-point type, got torch.int64"):
        HypersphericalUniform(3, dtype=torch.int64)


def test_one_uniform_distribution_is_as_good_as_another() -> None:
    p = HypersphericalUniform(3, (4,), dtype=torch.float64)
    divergence = kl_divergence(p, HypersphericalUniform(3, (2, 1)))
    assert torch.equal(divergence, torch.zeros(2, 4, dtype=torch.float64))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("none", [None, "1"])
def test_a_concentration_that_is_no_number(none: object) -> None:
    with pytest.raises(ValueError, match="concentration: expected a tensor or a number"):
        VonMisesFisher(torch.eye(3)[0], none)


def test_torchs_functional_derivatives_know_the_divergence() -> None:
    """Jacobian and Hessian by `torch.func`, against κ A′ and A′ + κ A″ from differences."""
    kappa = torch.tensor([0.5, 3.0, 40.0], dtype=torch.float64)
    loc = torch.eye(5, dtype=torch.float64)[0]

    def nats(k: torch.Tensor) -> torch.Tensor:
        p = VonMisesFisher(loc, k, validate_args=False)
        return kl_divergence(p, HypersphericalUniform(5, dtype=torch.float64))

    slope = kappa * bessel_ratio_derivative(1.5, kappa)
    torch.testing.assert_close(torch.func.jacrev(nats)(kappa), torch.diag(slope))
    step = 1e-5
    up, down = ((kappa + s) * bessel_ratio_derivative(1.5, kappa + s) for s in (step, -step))
    second = torch.func.jacrev(torch.func.jacrev(lambda k: nats(k).sum()))(kappa)
    torch.testing.assert_close(second, torch.diag((up - down) / (2 * step)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("dim", "kappa", "draws"), [(2, 3.0, 5), (3, 50.0, 3), (10, 1.0, 8), (64, 1e4, 20), (5, 0.0, 100)]
)
def test_the_fit_is_that_of_scipy(dim: int, kappa: float, draws: int) -> None:
    z = VonMisesFisher(direction(dim), kappa).sample((draws,))
    p = VonMisesFisher.fit(z)
    loc, concentration = stats.vonmises_fisher.fit(z.numpy())
    torch.testing.assert_close(p.loc, torch.from_numpy(loc))
    assert float(p.concentration) == pytest.approx(float(concentration), rel=1e-9)


def test_the_fit_has_the_highest_likelihood_and_its_moments() -> None:
    z, w = VonMisesFisher(direction(4, 3), 7.0).sample((6,)), torch.rand(6, 4, dtype=torch.float64)
    p = VonMisesFisher.fit(z, w)
    assert p.batch_shape == (4,)
    torch.testing.assert_close(p.mean, (w.unsqueeze(-1) * z).sum(0) / w.sum(0).unsqueeze(-1))
    torch.testing.assert_close(VonMisesFisher.fit(z, w[:, 0]).concentration[0], p.concentration[0])
    repeated = VonMisesFisher.fit(torch.cat([z, z[:1]]))
    weighted = VonMisesFisher.fit(z, torch.tensor([2.0, 1, 1, 1, 1, 1]))
    torch.testing.assert_close(repeated.concentration, weighted.concentration)
    assert VonMisesFisher.fit(z.float()).concentration.dtype == torch.float32


def test_fits_at_the_ends() -> None:
    z = torch.eye(3, dtype=torch.float64)
    assert float(VonMisesFisher.fit(torch.cat([z, -z])).concentration) == 0
    near = normalize(torch.tensor([[1.0, 1e-6], [1.0, -1e-6]], dtype=torch.float64), dim=-1)
    # 1 − R̄ = ½ 10⁻¹², and on the circle A ≈ 1 − 1/2κ.
    assert float(VonMisesFisher.fit(near).concentration) == pytest.approx(1e12, rel=1e-6)
    for wrong, message in (
        ((z[:1],), "value: expected at least two different unit vectors"),
        ((2 * z,), "value: expected vectors of length 1"),
        ((z[0],), r"value: expected shape \(n, …, m\)"),
        ((z, torch.ones(2)), r"weights: expected a tensor of shape \(3,\)"),
        ((z, torch.tensor([1.0, -1.0, 1.0])), "weights: expected finite values of at least 0"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            VonMisesFisher.fit(*wrong)
