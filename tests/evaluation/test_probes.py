"""Probes on codes of which it is known what they hold."""

import numpy as np
import pytest
import torch

from hvae_ref.evaluation import probe


def data(n=400, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)), rng


def by_factor(scores, kind):
    return {score.factor: score for score in scores if score.kind == kind}


@pytest.mark.parametrize("noise", [0.1, 0.7])
def test_a_linear_code_with_noise_gives_one_minus_the_noise(noise):
    code, rng = data(800)
    clean = code @ rng.normal(size=6)
    factor = np.sqrt(1 - noise) * clean / clean.std() + np.sqrt(noise) * rng.normal(size=800)
    for score in probe({"z": code}, {"factor": 40 + 3 * factor}):
        assert score.r2 == pytest.approx(1 - noise, abs=4 * score.r2_se + 0.02)
        assert score.r2_se < 0.05


def test_a_square_is_read_by_the_nonlinear_probe_alone():
    code, _ = data(800, 3)
    scores = probe({"z": code}, {"square": code[:, 0] ** 2, "plain": code[:, 1]})
    linear, nonlinear = by_factor(scores, "linear"), by_factor(scores, "nonlinear")
    assert linear["square"].r2 < 0.05 < 0.8 < nonlinear["square"].r2
    assert linear["plain"].r2 > 0.999 and nonlinear["plain"].r2 > 0.98


def test_an_unrelated_factor_stays_at_the_floor():
    code, rng = data(300, 8)
    scores = [
        s for seed in range(4) for s in probe({"z": code}, {"other": rng.normal(size=300)}, shuffles=8, seed=seed)
    ]
    assert all(score.r2 < 0.05 and score.floor < 0.08 for score in scores)
    # One more draw of the same kind exceeds the highest of eight in one case of nine.
    assert sum(score.r2 > score.floor for score in scores) <= 4


def test_more_coordinates_than_rows_do_not_pass_for_knowledge():
    code, rng = data(60, 200)
    for score in probe({"z": code}, {"other": rng.normal(size=60)}):
        assert score.r2 < 0.2


def test_scores_stand_for_every_code_factor_and_kind():
    code, _ = data(100)
    codes = {"a": torch.from_numpy(code), "b": torch.zeros(100, 2)}
    scores = probe(codes, {"f": torch.from_numpy(code[:, 0]).float(), "g": code[:, 1]})
    assert [(s.code, s.factor, s.kind) for s in scores] == [
        (c, f, k) for c in "ab" for k in ("linear", "nonlinear") for f in "fg"
    ]
    assert all(-0.2 < score.r2 < 0.01 for score in scores if score.code == "b")


def test_a_factors_score_does_not_depend_on_those_beside_it():
    code, rng = data(200)
    f, g = code[:, 0] + rng.normal(size=200), rng.normal(size=200)
    alone, beside = probe({"z": code}, {"f": f}), probe({"z": code}, {"g": 1e6 * g, "f": f})
    for kind in ("linear", "nonlinear"):
        assert by_factor(alone, kind)["f"].r2 == pytest.approx(by_factor(beside, kind)["f"].r2, abs=1e-9)


def test_units_of_code_and_factor_do_not_matter():
    code, rng = data(200)
    f = code[:, 0] + rng.normal(size=200)
    one, other = probe({"z": code}, {"f": f}), probe({"z": code * 1e4 + 7}, {"f": 1e-3 * f - 5})
    for a, b in zip(one, other, strict=True):
        assert a.r2 == pytest.approx(b.r2, abs=1e-6)


def test_no_row_predicts_itself():
    # Rows that come twice would be read perfectly; single ones of pure noise must not.
    code, rng = data(120, 100)
    score = probe({"z": code}, {"f": rng.normal(size=120)}, kinds=("nonlinear",), folds=10)[0]
    assert score.r2 < 0.15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ("forest",)}, "kinds: expected some of linear, nonlinear, got 'forest'"),
        ({"codes": {}}, "expected at least one of each"),
        ({"folds": 1}, "folds: expected a whole number of at least 2, got 1"),
        ({"folds": 2.5}, "folds: expected a whole number of at least 2, got 2.5"),
        ({"shuffles": 0}, "shuffles: expected a whole number of at least 1, got 0"),
        ({"seed": None}, "seed: expected a whole number of at least 0, got None"),
        ({"kinds": "linear"}, "kinds: expected"),
        ({"factors": {"f": np.zeros(40)}}, r"factors\['f'\]: expected values that differ, all are 0"),
        ({"factors": {"f": np.arange(39.0)}}, r"the same number of rows, at least 20, got \[39, 40\]"),
        ({"factors": {"f": np.full(40, np.nan)}}, r"factors\['f'\]: expected finite values"),
        ({"codes": {"z": np.zeros(40)}}, r"codes\['z'\]: expected finite values of shape \(N, d\)"),
    ],
)
def test_bad_arguments(change, message, unchecked):
    arguments = {"codes": {"z": np.zeros((40, 2))}, "factors": {"f": np.arange(40.0)}} | change
    with pytest.raises(ValueError, match=message):
        probe(**arguments)


def test_a_code_without_columns():
    with pytest.raises(
        ValueError, match=r"codes\['z'\]: expected finite values of shape \(N, d\), got shape \(50, 0\)"
    ):
        probe({"z": np.zeros((50, 0))}, {"a": np.arange(50.0)})


def test_codes_that_are_maps_are_read_as_vectors():
    code, _ = data(100, 8)
    maps, flat = (probe({"z": c}, {"f": code[:, 0]}, kinds=("linear",)) for c in (code.reshape(100, 2, 2, 2), code))
    assert maps == flat


@pytest.mark.usefixtures("unchecked")
def test_arrays_without_names_are_told():
    for arguments in (([np.ones(40)], {"a": np.ones(40)}), ({"z": np.ones((40, 2))}, [np.ones(40)])):
        with pytest.raises(ValueError, match="s: expected arrays by name, got list"):
            probe(*arguments)


def test_the_unit_of_a_factor_or_a_code_does_not_matter():
    z = np.random.default_rng(0).standard_normal((60, 2))
    scores = [probe({"z": unit * z}, {"a": unit * z[:, 0]}, ("linear",), shuffles=1)[0].r2 for unit in (1.0, 1e-15)]
    assert scores[0] > 0.99 and scores[1] == pytest.approx(scores[0], abs=1e-6)
    with pytest.raises(ValueError, match="expected values that differ"):
        probe({"z": z}, {"a": np.full(60, 1e-15)})
