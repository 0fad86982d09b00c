"""The soft lag: it finds a shift, has a gradient, and says nothing where there is nothing to compare."""

import numpy as np
import pytest
import torch

from hvae_ref.objectives.alignment import cross_correlation, misalignment, soft_lag

T = torch.arange(200, dtype=torch.float64)


def response(shift: float | torch.Tensor = 0.0) -> torch.Tensor:
    """Waves of different sizes, all later by `shift` samples: (1, 200)."""
    waves = ((30, 0.3), (58, 0.15), (76, 0.25), (110, 0.5))
    return sum(a * torch.exp(-0.5 * ((T - at - shift) / 5) ** 2) for at, a in waves)[None]


@pytest.mark.parametrize("shift", [-9.0, -2.5, 0.0, 0.4, 6.0, 12.0])
def test_it_finds_a_shift_also_between_samples(shift: float) -> None:
    lag = soft_lag(response(), response(shift), 20)
    assert abs(float(lag) - shift) < 0.05 * abs(shift) + 0.05
    assert abs(float(soft_lag(response(shift), response(), 20)) + shift) < 0.05 * abs(shift) + 0.05


def test_it_tends_to_the_best_lag_as_it_gets_sharp() -> None:
    a, b = response() + 0.05 * torch.randn(1, 200).double(), response(7.0) + 0.05 * torch.randn(1, 200).double()
    best = cross_correlation(a, b, 20).argmax(1) - 20
    assert abs(float(soft_lag(a, b, 20, temperature=1e-5)) - float(best)) < 1e-3


def test_the_correlation_is_numpys() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 30, dtype=torch.float64)
    a0, b0 = ((v - v.mean()) / (v - v.mean()).norm() for v in (a, b))
    full = np.correlate(b0.numpy(), a0.numpy(), mode="full")  # lags −29 … 29
    ours = cross_correlation(a[None], b[None], 29)[0]
    np.testing.assert_allclose(ours.numpy(), full, atol=1e-12)
    assert ours.abs().max() <= 1


def test_amplitude_and_offset_make_no_difference() -> None:
    lag = soft_lag(response(), response(5.0), 20)
    torch.testing.assert_close(soft_lag(3.0 * response() - 7.0, 0.01 * response(5.0) + 100.0, 20), lag)


def test_a_reversed_signal_is_as_early_as_it_was_late() -> None:
    a, b = response(), response(4.0)
    torch.testing.assert_close(soft_lag(a, b, 20), -soft_lag(a.flip(1), b.flip(1), 20))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e4, 1e-30])
def test_constant_signals_have_no_lag_and_no_gradient(dtype: torch.dtype, value: float) -> None:
    for constant_first in (True, False):
        constant = torch.full((1, 200), value, dtype=dtype).requires_grad_()
        other = response(3.0).to(dtype).requires_grad_()
        lag = misalignment(*((constant, other) if constant_first else (other, constant)), 20, unit=2.0)
        lag.sum().backward()
        assert (lag == 0).all() and (constant.grad == 0).all() and (other.grad == 0).all()


def test_a_constant_row_leaves_the_others_alone() -> None:
    a, b = response().repeat(3, 1), response(5.0).repeat(3, 1)
    a[1] = 0.2
    lag = soft_lag(a, b, 20)
    assert lag[1] == 0
    torch.testing.assert_close(lag[[0, 2]], soft_lag(response(), response(5.0), 20).expand(2))


def test_its_gradient_is_the_numerical_one_and_moves_the_signal_the_right_way() -> None:
    torch.manual_seed(0)
    a, b = (part.requires_grad_() for part in torch.randn(2, 2, 12, dtype=torch.float64).unbind())
    assert torch.autograd.gradcheck(lambda a, b: soft_lag(a, b, 5, 0.3), (a, b))
    shift = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.2)
    target = response(6.0)
    for _ in range(120):
        optimizer.zero_grad()
        misalignment(response(shift), target, 20, unit=2.0).sum().backward()
        optimizer.step()
    assert abs(shift.item() - 6.0) < 0.2


def test_the_unit_counts_as_one() -> None:
    lag = soft_lag(response(), response(4.0), 20)
    torch.testing.assert_close(misalignment(response(), response(4.0), 20, unit=2.0), (lag / 2).square())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: soft_lag(a, a[:, :50], 20), r"a, b: expected the same shape \(batch, time\), got \(1, 200\) and"),
        (lambda a: soft_lag(a[0], a[0], 20), "a, b: expected the same shape"),
        (lambda a: soft_lag(a, a, 200), "max_lag: expected 1 … 199 for signals of 200 samples, got 200"),
        (lambda a: soft_lag(a, a, 0), "max_lag: expected 1"),
        (lambda a: soft_lag(a, a, 20, temperature=0.0), "temperature: expected a number above 0, got 0"),
        (lambda a: misalignment(a, a, 20, unit=0.0), "unit: expected a number of samples above 0, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(response())


def test_signals_next_to_nothing_have_finite_gradients() -> None:
    other = torch.randn(4, 200, generator=torch.Generator().manual_seed(0))
    for size in torch.logspace(-24, -17, 100):
        signal = (size * torch.sin(torch.arange(200.0) + other)).requires_grad_()
        soft_lag(signal, other, 20).square().sum().backward()
        assert signal.grad.isfinite().all(), size
