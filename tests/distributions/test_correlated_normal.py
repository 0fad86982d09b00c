"""The Gaussian of deviations that follow each other, against the dense one with the same covariance."""

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from hvae_ref.distributions import CorrelatedNormal

L, LAGS = 6, 2


def parts(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    loc, raw = torch.randn(2, batch, L, generator=generator, dtype=torch.float64)
    return loc, (0.3 * raw).exp(), 0.5 * torch.randn(L, LAGS, generator=generator, dtype=torch.float64)


def dense(loc: torch.Tensor, scale: torch.Tensor, coefficients: torch.Tensor) -> MultivariateNormal:
    """The same distribution by its covariance A⁻¹ S² A⁻ᵀ, A written out entry by entry."""
    a = torch.eye(L, dtype=torch.float64)
    for t in range(L):
        for k in range(1, LAGS + 1):
            if t - k >= 0:
                a[t, t - k] = -coefficients[t, k - 1]
    inverse = torch.linalg.inv(a)
    return MultivariateNormal(loc, inverse @ torch.diag_embed(scale**2) @ inverse.T)


def test_density_and_variance_are_those_of_the_dense_gaussian() -> None:
    ours, theirs = CorrelatedNormal(*parts()), dense(*parts())
    x = torch.randn(7, 3, L, dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.variance, theirs.variance)
    assert torch.equal(ours.mean, parts()[0])
    assert (ours.batch_shape, ours.event_shape) == ((3,), (L,))


def test_samples_have_its_mean_and_covariance() -> None:
    ours, theirs, n = CorrelatedNormal(*parts()), dense(*parts()), 40_000
    x = ours.sample((n,))
    assert x.shape == (n, 3, L)
    error = (theirs.variance / n).sqrt()
    assert ((x.mean(0) - theirs.mean).abs() < 4.5 * error).all()
    for row in range(3):
        covariance = theirs.covariance_matrix[row]
        spread = ((covariance.square() + torch.outer(covariance.diagonal(), covariance.diagonal())) / n).sqrt()
        assert ((torch.cov(x[:, row].T) - covariance).abs() < 4.5 * spread).all()


def test_the_mean_of_a_driven_one_follows_the_recursion() -> None:
    drive, scale, coefficients = parts()
    ours = CorrelatedNormal.driven(drive, scale, coefficients)
    x = torch.zeros_like(drive)
    for t in range(L):
        x[:, t] = drive[:, t] + sum(coefficients[t, k - 1] * x[:, t - k] for k in range(1, min(t, LAGS) + 1))
    torch.testing.assert_close(ours.mean, x)
    torch.testing.assert_close(ours.variance, CorrelatedNormal(drive, scale, coefficients).variance)


def test_without_coefficients_it_is_white() -> None:
    loc, scale, coefficients = parts()
    ours, white = CorrelatedNormal(loc, scale, torch.zeros_like(coefficients)), Independent(Normal(loc, scale), 1)
    x = torch.randn(3, L, dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(x), white.log_prob(x))
    torch.manual_seed(1)
    drawn = ours.sample()
    torch.manual_seed(1)
    torch.testing.assert_close(drawn, loc + scale * torch.randn(3, L, dtype=torch.float64))


def test_coefficients_that_reach_before_the_start_are_ignored() -> None:
    loc, scale, coefficients = parts()
    other = coefficients.clone()
    other[0], other[1, 1] = 100.0, -100.0
    x = torch.randn(3, L, dtype=torch.float64)
    torch.testing.assert_close(
        CorrelatedNormal(loc, scale, other).log_prob(x), CorrelatedNormal(loc, scale, coefficients).log_prob(x)
    )


def test_gradients_of_density_and_samples() -> None:
    arguments = tuple(part.requires_grad_() for part in parts(2))
    x = torch.randn(2, L, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *a: CorrelatedNormal(*a).log_prob(x), arguments)

    def drawn(*a: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return CorrelatedNormal(*a).rsample()

    assert torch.autograd.gradcheck(drawn, arguments)


def test_expanding_it_repeats_it() -> None:
    loc, scale, coefficients = parts(1)
    one = CorrelatedNormal(loc, scale, coefficients)
    many = one.expand((4,))
    x = torch.randn(4, L, dtype=torch.float64)
    assert many.batch_shape == (4,) and many.sample().shape == (4, L)
    torch.testing.assert_close(many.log_prob(x), one.log_prob(x))


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_belong_together_is_refused() -> None:
    loc, scale, coefficients = parts()
    for wrong in ((loc, scale[:, :-1], coefficients), (loc, scale, coefficients[1:]), (loc, scale, coefficients[:, 0])):
        with pytest.raises(ValueError, match="loc, scale, coefficients: expected"):
            CorrelatedNormal(*wrong)
    for lags in (0, L):
        with pytest.raises(ValueError, match=f"coefficients: expected 1 … {L - 1} lags, got {lags}"):
            CorrelatedNormal(loc, scale, torch.zeros(L, lags, dtype=torch.float64))
    with pytest.raises(ValueError, match="scale"):
        CorrelatedNormal(loc, -scale, coefficients)


@pytest.mark.parametrize("phi", [0.9, 1.0, 1.05, 1.2, 1.5])
def test_a_density_is_right_or_refused_where_deviations_grow(phi: float) -> None:
    """The innovations that a draw was made of are known, and with them its density."""
    steps = 200
    wide = CorrelatedNormal(*(torch.zeros(4, steps, dtype=torch.float64) + k for k in (0, 1)), torch.zeros(steps, 1))
    coefficients = torch.full((steps, 1), phi)
    narrow = CorrelatedNormal(wide.loc.float(), wide.scale.float(), coefficients)
    noise = torch.randn(4, steps, generator=torch.Generator().manual_seed(0))
    draws = narrow._accumulated(noise)
    truth = wide.log_prob(noise.double())
    if phi < 1.1:
        torch.testing.assert_close(narrow.log_prob(draws).double(), truth, atol=0.5, rtol=0)
    else:
        with pytest.raises(ValueError, match="value: expected deviations that torch.float32 holds to a fraction"):
            narrow.log_prob(draws)
    with pytest.raises(ValueError, match=r"value: expected a last dimension of 200, got \(4, 100\)"):
        narrow.log_prob(draws[:, :100])
    far = torch.full((1, steps), 1e9)  # far from the mean, and nothing cancels
    white = CorrelatedNormal(torch.zeros(1, steps), torch.ones(1, steps), torch.zeros(steps, 1))
    torch.testing.assert_close(white.log_prob(far), torch.tensor([-0.5e18 * steps]))
