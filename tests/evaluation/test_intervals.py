"""Intervals by resampling, and paired comparisons, on cases of which the answer is known."""

import math

import numpy as np
import pytest

from hvae_ref.evaluation import bootstrap_interval, paired_test


def test_the_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = [
        low <= 3.0 <= high
        for low, high in (bootstrap_interval(rng.normal(3, 2, 60), resamples=400, seed=k) for k in range(400))
    ]
    assert 0.91 <= np.mean(inside) <= 0.98


def test_the_interval_is_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    narrow = bootstrap_interval(values, level=0.5)
    assert narrow[1] - narrow[0] == pytest.approx((high - low) * 0.6745 / 1.96, rel=0.12)


def test_another_statistic():
    values = np.r_[np.zeros(50), 100.0]
    assert bootstrap_interval(values, statistic=np.median) == (0.0, 0.0)


def test_a_pair_that_differs_and_one_that_does_not():
    rng = np.random.default_rng(2)
    base = 10 * rng.normal(size=80)  # the cases differ far more than the measures do
    result = paired_test(base + 0.3 + 0.5 * rng.normal(size=80), base)
    assert result.low > 0 and result.p_value < 1e-3 and result.difference == pytest.approx(0.3, abs=0.17)
    swapped = paired_test(base, base + 0.3)
    assert swapped.difference == pytest.approx(-0.3) and swapped.high < 0
    same = paired_test(base, base)
    assert (same.difference, same.low, same.high, same.p_value, same.cases) == (0, 0, 0, 1, 80)


def test_p_values_of_equal_measures_are_uniform_enough():
    rng = np.random.default_rng(3)
    p = [paired_test(rng.normal(size=30), rng.normal(size=30)).p_value for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval([]), "expected one finite number a case"),
        (lambda: bootstrap_interval([1.0, math.nan]), "expected one finite number a case"),
        (lambda: bootstrap_interval([1.0], level=1.0), r"expected a number in \(0, 1\)"),
        (lambda: paired_test([1.0], [1.0, 2.0]), "two lists of one length"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"level": "0.9"}, "level: expected a finite number, got '0.9'"),
        ({"level": 1.0}, r"level: expected a number in \(0, 1\), got 1.0"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"resamples": 2.5}, "resamples: expected a whole number"),
        (
            {"statistic": lambda values, axis: values.mean()},
            r"statistic: expected a finite number for each .*shape \(\)",
        ),
        ({"statistic": lambda values, axis: values.mean(0)}, r"statistic: .*got shape \(3,\)"),
        ({"statistic": lambda values, axis: values.mean(axis) * math.nan}, "statistic: .*got NaN or infinity"),
    ],
)
def test_what_gives_no_interval_is_told(settings, told):
    with pytest.raises(ValueError, match=told):
        bootstrap_interval([1.0, 2.0, 4.0], **settings)


def test_masked_values_are_no_values():
    cases = np.ma.masked_array([1.0, 2.0, 1000.0, 4.0], mask=[0, 0, 1, 0])
    for refused in (
        lambda: bootstrap_interval(cases),
        lambda: paired_test(cases, [1.0, 2.0, 3.0, 4.5]),
        lambda: paired_test([1.0, 2.0, 3.0, 4.5], cases),
    ):
        with pytest.raises(ValueError, match="1 masked values of 4"):
            refused()
    assert bootstrap_interval(np.ma.masked_array([2.0, 2.0], mask=False)) == (2.0, 2.0)
