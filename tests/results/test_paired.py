"""Differences of two kinds of runs, paired by seed."""

import math

import pytest
from scipy import stats

from hvae_ref.results import load, paired_difference

A, B = {"model": "a"}, {"model": "b"}


def rows(a, b):
    return [
        {"model": model, "seed": seed, "nll": value, "kl": {"z1": 2 * value}}
        for model, values in (("a", a), ("b", b))
        for seed, value in values.items()
    ]


def test_is_the_t_interval_of_the_differences_whatever_the_order():
    a, b = {0: 3.0, 1: 4.5, 2: 2.0, 3: 9.0}, {3: 8.0, 1: 4.0, 0: 1.0, 2: 2.5}
    found = paired_difference(rows(a, b), "nll", A, B)
    differences = [a[seed] - b[seed] for seed in a]
    low, high = stats.ttest_rel(list(a.values()), [b[seed] for seed in a]).confidence_interval(0.95)
    assert found.mean == pytest.approx(sum(differences) / 4) and found.seeds == 4
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert not found.decided
    other = paired_difference(rows(a, b), "nll", B, A)
    assert (other.low, other.high) == (pytest.approx(-high), pytest.approx(-low))


def test_only_shared_seeds_count():
    found = paired_difference(rows({0: 1.0, 1: 2.0, 7: 100.0}, {0: 0.0, 1: 1.0, 5: -100.0}), "nll", A, B)
    assert found.seeds == 2 and found.mean == found.low == found.high == 1 and found.decided


def test_a_measure_may_be_computed_and_the_level_chosen():
    data = rows({0: 1.0, 1: 2.0, 2: 4.0}, {0: 0.0, 1: 2.0, 2: 2.0})
    plain, doubled = (paired_difference(data, m, A, B) for m in ("nll", lambda run: run["kl"]["z1"]))
    assert doubled.high == pytest.approx(2 * plain.high)
    assert paired_difference(data, "nll", A, B, level=0.5).high < plain.high


def test_says_what_cannot_be_paired():
    with pytest.raises(ValueError, match="at least 2 seeds"):
        paired_difference(rows({0: 1.0}, {0: 2.0}), "nll", A, B)
    with pytest.raises(ValueError, match="two of seed 0"):
        paired_difference([*rows({0: 1.0, 1: 1.0}, {0: 2.0, 1: 1.0}), *rows({0: 3.0}, {})], "nll", A, B)


def test_reads_a_shipped_table():
    found = paired_difference(load("sphere_hierarchy")["runs"], "neg_elbo", {"top": "sphere"}, {"top": "gaussian"})
    assert math.isfinite(found.mean) and str(found).count(",") == 1 and found.low < found.mean < found.high
