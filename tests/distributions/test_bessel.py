"""Bessel functions in logarithms: against the density's own integrals, closed forms, scipy, bounds and autograd."""

import json
import math
import runpy
from fractions import Fraction
from pathlib import Path

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from scipy.special import ive
from torch.autograd import grad, gradcheck, gradgradcheck

from hvae_ref.distributions import bessel_ratio, log_bessel_i, log_bessel_ive
from hvae_ref.distributions.sphere.bessel import (
    bessel_kl,
    bessel_ratio_complement,
    bessel_ratio_derivative,
    log_bessel_normalized,
    log_bessel_scaled,
)
from hvae_ref.distributions.sphere.debye import debye_polynomials

REFERENCE = runpy.run_path(str(Path(__file__).with_name("reference_von_mises_fisher.py")))
TABLE = json.loads(REFERENCE["TABLE"].read_text())
FUNCTIONS = {
    "log_normalized": log_bessel_normalized,
    "log_scaled": log_bessel_scaled,
    "ratio": bessel_ratio,
    "complement": bessel_ratio_complement,
    "ratio_derivative": bessel_ratio_derivative,
    "kl": bessel_kl,
}
ORDERS = torch.tensor([row["dim"] / 2 - 1 for row in TABLE], dtype=torch.float64)
KAPPAS = torch.tensor([row["kappa"] for row in TABLE], dtype=torch.float64)


def column(name: str) -> torch.Tensor:
    return torch.tensor([row[name] for row in TABLE], dtype=torch.float64)


def at(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


def each_number(function) -> torch.Tensor:
    """The table's grid, cell by cell, each order a Python number."""
    return torch.stack([function(float(order), x) for order, x in zip(ORDERS, KAPPAS, strict=True)])


def test_the_table_holds_the_whole_grid_as_its_script_makes_it() -> None:
    assert [(row["dim"], row["kappa"]) for row in TABLE] == [
        (m, k) for m in REFERENCE["DIMS"] for k in REFERENCE["KAPPAS"]
    ]
    for row in (TABLE[2], TABLE[40], TABLE[-11]):
        assert row == {"dim": row["dim"], "kappa": row["kappa"], **REFERENCE["reference"](row["dim"], row["kappa"])}


@pytest.mark.parametrize(("dim", "kappa"), [(2, 1e-3), (3, 100.0), (10, 12.0), (128, 1e3), (2048, 10.0)])
def test_the_table_agrees_with_mpmaths_bessel_functions(dim: int, kappa: float) -> None:
    (row,) = [row for row in TABLE if (row["dim"], row["kappa"]) == (dim, kappa)]
    with mpmath.workdps(60):
        n, k = mpf(dim) / 2, mpf(kappa)
        log_i, log_next = mpmath.log(mpmath.besseli(n - 1, k)), mpmath.log(mpmath.besseli(n, k))
        log_c = (n - 1) * mpmath.log(k) - n * mpmath.log(2 * mpmath.pi) - log_i
        ratio = mpmath.exp(log_next - log_i)
        area = mpmath.log(2) + n * mpmath.log(mpmath.pi) - mpmath.loggamma(n)
        expected = {
            "log_normalizer": log_c,
            "ratio": ratio,
            "complement": 1 - ratio,
            "ratio_derivative": 1 - ratio**2 - (dim - 1) * ratio / k,
            "kl": k * ratio + log_c + area,
        }
    for name, value in expected.items():
        assert row[name] == pytest.approx(float(value), rel=1e-15), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_over_the_grid(name: str, device: torch.device) -> None:
    numbers = each_number(FUNCTIONS[name])
    tensors = FUNCTIONS[name](ORDERS.to(device), KAPPAS.to(device)).cpu()
    for values in (numbers, tensors):
        torch.testing.assert_close(values, column(name), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_over_the_grid(name: str) -> None:
    values = FUNCTIONS[name](ORDERS, KAPPAS.float())
    assert values.dtype == torch.float32
    torch.testing.assert_close(values.double(), column(name), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_over_the_grid(dtype: torch.dtype) -> None:
    x = KAPPAS.to(dtype, copy=True).requires_grad_()
    rtol = 1e-12 if dtype == torch.float64 else 1e-6
    for function, slope in [
        (log_bessel_normalized, column("ratio")),
        (log_bessel_scaled, -column("complement")),
        (bessel_ratio, column("ratio_derivative")),
        (bessel_ratio_complement, -column("ratio_derivative")),
        (bessel_kl, column("kl_derivative")),
    ]:
        torch.testing.assert_close(grad(function(ORDERS, x).sum(), x)[0].double(), slope, rtol=rtol, atol=0)


def test_the_textbooks_formulas_fail_the_same_grid() -> None:
    i, following = (torch.from_numpy(ive((ORDERS + n).numpy(), KAPPAS.numpy())) for n in (0, 1))
    log = i.log() + KAPPAS - ORDERS * (KAPPAS / 2).log() + torch.lgamma(ORDERS + 1)
    wrong = {
        "ratio": following / i,
        "kl": KAPPAS * following / i - log,
        "ratio_derivative": 1 - (following / i) ** 2 - (2 * ORDERS + 1) * (following / i) / KAPPAS,
    }
    for name, values in wrong.items():
        error = ((values - column(name)) / column(name)).abs()
        assert int((~(error < 1e-9)).sum()) >= 20, name


def test_second_derivative_of_the_ratio() -> None:
    for order, x in [(0.0, 1e-5), (0.0, 0.3), (1.7, 40.0), (9.0, 2e3), (63.0, 1e-3), (63.0, 5.0), (500.0, 700.0)]:
        with mpmath.workdps(50):
            k, n = mpf(x), mpf(order)

            def ratio(y, n=n):
                return y / (2 * (n + 1)) * mpmath.hyp0f1(n + 2, y * y / 4) / mpmath.hyp0f1(n + 1, y * y / 4)

            a = ratio(k)
            a1 = 1 - a * a - (2 * n + 1) * a / k
            expected = float(-2 * a * a1 - (2 * n + 1) * (a1 / k - a / k**2))
        y = at(x)
        (second,) = grad(bessel_ratio_derivative(order, y), y)
        assert float(second) == pytest.approx(expected, rel=1e-11)


def test_at_zero_values_and_derivatives_are_the_limits() -> None:
    for order in (0.0, 0.5, 7.0, 49_999.0):
        x = at(0.0)
        log, kl, ratio = log_bessel_normalized(order, x), bessel_kl(order, x), bessel_ratio(order, x)
        assert log.item() == kl.item() == ratio.item() == 0
        (slope,) = grad(ratio, x, create_graph=True)
        assert slope.item() == pytest.approx(0.5 / (order + 1), rel=1e-14)
        assert float(grad(slope, x)[0]) == 0
        (slope,) = grad(kl, x, create_graph=True)
        assert slope.item() == 0
        # KL″ = A′ + κA″.
        assert float(grad(slope, x)[0]) == pytest.approx(0.5 / (order + 1), rel=1e-14)


def test_log_bessel_i_at_zero() -> None:
    x = torch.zeros(3, dtype=torch.float64)
    assert torch.equal(
        log_bessel_i(torch.tensor([0.0, 0.5, 9.0]), x), torch.tensor([0.0, -math.inf, -math.inf]).double()
    )
    assert float(log_bessel_i(0, x[0])) == 0 and float(log_bessel_i(2, x[0])) == -math.inf
    y = at(0.0)
    assert float(grad(log_bessel_i(0, y), y)[0]) == 0
    y = at(0.0)
    assert float(grad(log_bessel_i(torch.tensor(0.0), y), y)[0]) == 0


def test_half_integer_orders_have_closed_forms() -> None:
    x = torch.logspace(-3, 2.5, 200, dtype=torch.float64)
    torch.testing.assert_close(log_bessel_normalized(0.5, x), (x.sinh() / x).log(), rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(bessel_ratio(0.5, x), 1 / x.tanh() - 1 / x, rtol=1e-9, atol=1e-13)
    far = torch.tensor([1e3, 1e7, 1e12], dtype=torch.float64)
    torch.testing.assert_close(bessel_ratio_complement(0.5, far), 1 / far, rtol=1e-12, atol=0)


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 3.7, 17.25, 29.99, 30.0, 61.5])
def test_agrees_with_scipy_where_scipy_works(order: float) -> None:
    x = torch.logspace(-1, 5, 100, dtype=torch.float64)
    expected = torch.from_numpy(ive(order, x.numpy()))
    works = expected > 1e-290
    assert works.sum() > 50
    torch.testing.assert_close((log_bessel_i(order, x) - x)[works].exp(), expected[works], rtol=1e-10, atol=0)


@given(order=st.floats(0, 400), exponent=st.floats(-6, 3))
@settings(max_examples=60, deadline=None)
def test_fractional_orders_agree_with_mpmath(order: float, exponent: float) -> None:
    x = 10**exponent
    with mpmath.workdps(50):
        n, k = mpf(order), mpf(x)
        below, above = mpmath.hyp0f1(n + 1, k * k / 4), mpmath.hyp0f1(n + 2, k * k / 4)
        log, ratio = mpmath.log(below), k / (2 * (n + 1)) * above / below
        log_i = log + n * mpmath.log(k / 2) - mpmath.loggamma(n + 1)
        expected = {
            "log_normalized": log,
            "log_scaled": log - k,
            "ratio": ratio,
            "complement": 1 - ratio,
            "ratio_derivative": 1 - ratio**2 - (2 * n + 1) * ratio / k,
            "kl": k * ratio - log,
        }
        expected = {name: float(value) for name, value in expected.items()}
        log_i = float(log_i)
    for name, value in expected.items():
        for kind in (order, torch.tensor(order, dtype=torch.float64)):
            assert float(FUNCTIONS[name](kind, torch.tensor(x, dtype=torch.float64))) == pytest.approx(value, rel=2e-12)
    assert float(log_bessel_i(order, torch.tensor(x, dtype=torch.float64))) == pytest.approx(
        log_i, rel=1e-12, abs=1e-11
    )


@given(order=st.floats(0, 1e8), exponent=st.floats(-12, 15))
@settings(max_examples=200, deadline=None)
def test_the_ratio_keeps_between_amoss_bounds(order: float, exponent: float) -> None:
    x = torch.tensor(10**exponent, dtype=torch.float64)
    ratio = float(bessel_ratio(order, x))
    low = float(x / (order + 0.5 + torch.hypot(x, torch.tensor(order + 1.5, dtype=torch.float64))))
    high = float(x / (order + 0.5 + torch.hypot(x, torch.tensor(order + 0.5, dtype=torch.float64))))
    assert low * (1 - 1e-14) <= ratio <= high * (1 + 1e-14)
    assert 0 <= float(bessel_kl(order, x)) < math.inf


@pytest.mark.parametrize("order", [0.0, 4.5, 31.25, torch.tensor([0.0, 4.5, 31.25])], ids=str)
def test_gradients_of_gradients(order: float | torch.Tensor) -> None:
    x = torch.tensor([0.2, 3.0, 25.0], dtype=torch.float64, requires_grad=True)
    functions = [
        log_bessel_i,
        log_bessel_ive,
        log_bessel_normalized,
        log_bessel_scaled,
        bessel_ratio,
        bessel_ratio_complement,
    ]
    for function in [*functions, bessel_kl]:
        assert gradcheck(lambda y, f=function: f(order, y), x)
        assert gradgradcheck(lambda y, f=function: f(order, y), x)
    assert gradcheck(lambda y: bessel_ratio_derivative(order, y), x)


def test_orders_broadcast_and_gradients_sum_back() -> None:
    order = torch.tensor([[0.0], [1.5], [40.0]])
    x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    values = bessel_kl(order, x)
    assert values.shape == (3, 2)
    rows = torch.stack([bessel_kl(float(v), x) for v in order])
    torch.testing.assert_close(values, rows, rtol=1e-13, atol=0)
    torch.testing.assert_close(grad(values.sum(), x)[0], grad(rows.sum(), x)[0], rtol=1e-13, atol=0)


@pytest.mark.parametrize("order", [2.0, torch.tensor(2.0)])
def test_empty_and_huge_batches(order: float | torch.Tensor) -> None:
    for function in (log_bessel_i, *FUNCTIONS.values()):
        assert function(order, torch.zeros(0, 3)).shape == (0, 3)
    x = torch.logspace(-8, 8, 300_000)
    values = bessel_kl(order, x)
    assert torch.isfinite(values).all()
    torch.testing.assert_close(values[::50_000], bessel_kl(2.0, x[::50_000]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_answer_has_the_dtype_of_x(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, 0.5, 7.0], dtype=dtype, requires_grad=True)
    for function in FUNCTIONS.values():
        values = function(torch.tensor([1.0, 2.0, 63.0], dtype=torch.float64), x)
        assert values.dtype == dtype and torch.isfinite(values).all()
    assert grad(values.sum(), x)[0].dtype == dtype


def test_the_largest_numbers_of_float32_stay_finite() -> None:
    x = torch.tensor([torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max], requires_grad=True)
    for order in (0.0, 255.0):
        for name, function in FUNCTIONS.items():
            assert torch.isfinite(function(order, x)).all(), name
            if name != "ratio_derivative":
                assert torch.isfinite(grad(function(order, x).sum(), x)[0]).all(), name


def test_debye_polynomials_at_one_are_stirlings_coefficients() -> None:
    for k, d in enumerate(debye_polynomials(), start=1):
        numerator, denominator = mpmath.bernfrac(k + 1)
        assert sum(d) == -Fraction(int(numerator), int(denominator)) / (k * (k + 1))


@pytest.mark.parametrize("function", [log_bessel_i, log_bessel_ive, *FUNCTIONS.values()])
def test_bad_arguments_are_named(function, unchecked) -> None:
    x = torch.ones(2)
    for order in (-0.5, math.nan, math.inf, True, torch.tensor([1.0, -1.0]), torch.tensor(math.nan), torch.tensor(1)):
        with pytest.raises(ValueError, match="^order: expected"):
            function(order, x)
    with pytest.raises(ValueError, match="^order: expected no gradient"):
        function(torch.ones(2, requires_grad=True), x)
    with pytest.raises(ValueError, match=r"^order: expected a shape that broadcasts with \(2,\), got \(3,\)"):
        function(torch.ones(3), x)
    for wrong in (-x, x * math.nan, x * math.inf, x.long(), 3.0):
        with pytest.raises(ValueError, match="^x: expected"):
            function(1.0, wrong)


@pytest.mark.parametrize(("order", "x"), [(0.0, 0.0), (0.5, 1e-3), (1.0, 2.0), (7.0, 30.0), (31.0, 5.0), (0.0, 200.0)])
def test_the_third_derivative_of_the_ratio(order: float, x: float) -> None:
    y = at(x)
    value = bessel_ratio(order, y)
    for _ in range(3):
        (value,) = grad(value, y, create_graph=True)
    with mpmath.workdps(60):
        series = mpmath.taylor(
            lambda t: t / (2 * (order + 1)) * mpmath.hyp0f1(order + 2, t * t / 4) / mpmath.hyp0f1(order + 1, t * t / 4),
            mpf(x),
            3,
        )
        expected = float(6 * series[3])
    assert value.item() == pytest.approx(expected, rel=1e-8, abs=1e-13)


@pytest.mark.parametrize("order", [0.0, 0.3, 12.0, 31.25, 5000.0])
def test_the_scaled_logarithm_keeps_its_digits_far_out(order: float) -> None:
    for exponent in (-3, 0, 1.5, 3, 4, 6, 12):
        x = torch.tensor(10.0**exponent, dtype=torch.float64)
        with mpmath.workdps(60):
            k, n = mpf(float(x)), mpf(order)
            if exponent < 4:
                log_i = mpmath.log(mpmath.besseli(n, k)) - k
            else:
                # Hankel's expansion (DLMF 10.40.1), as far as its terms fall; wrong where the order is larger than √x.
                if order**2 > 10**exponent / 4:
                    continue
                term, total = mpf(1), mpf(1)
                for j in range(1, 40):
                    term *= -(4 * n * n - (2 * j - 1) ** 2) / (8 * j * k)
                    total += term
                log_i = mpmath.log(total) - mpmath.log(2 * mpmath.pi * k) / 2
            expected = float(log_i)
        assert float(log_bessel_ive(order, x)) == pytest.approx(expected, rel=1e-13, abs=1e-13)
        single = torch.tensor(float(x), dtype=torch.float32)
        assert float(log_bessel_ive(order, single)) == pytest.approx(expected, rel=3e-6, abs=1e-7 * max(float(x), 1))
    zero = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    assert log_bessel_ive(order, zero).item() == (0 if order == 0 else -math.inf)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_nothing_waits_for_the_device() -> None:
    x = torch.tensor([0.0, 2.0, -1.0], device="cuda", requires_grad=True)
    order = torch.tensor([1.0, 2.0, 3.0], device="cuda")
    for function in FUNCTIONS.values():
        function(order, x), function(1.0, x)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        values = [(function(order, x), function(1.0, x)) for function in FUNCTIONS.values()]
        grad(bessel_kl(order, x).sum(), x)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isnan(pair[i][2]) and torch.isfinite(pair[i][:2]).all() for pair in values for i in range(2))
