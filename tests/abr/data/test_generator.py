"""The generator as a program: seeds, streams, hidden factors, masks, and calls at the edges."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from hvae_ref.abr.data import (
    FACTOR_NAMES,
    FACTORS,
    SIGNAL_LENGTH,
    STATIC_NAMES,
    STATICS,
    AbrDataset,
    check_condition,
    generate,
    normal_response,
    sample_conditions,
    time_axis,
)
from hvae_ref.data import SPLITS, load, names


@pytest.fixture(scope="module")
def train() -> AbrDataset:
    return load("abr")


def corners() -> torch.Tensor:
    """All 128 conditions with each parameter at one of its ends."""
    ends = [(static.low, static.high) for static in STATICS]
    return torch.tensor(np.array(np.meshgrid(*ends)).reshape(len(ends), -1).T, dtype=torch.float32)


def test_shapes_types_and_names(train: AbrDataset) -> None:
    n = len(train)
    assert (n, train.data_dim, train.num_values, train.name, train.split) == (12_000, 200, None, "abr", "train")
    assert train.x.shape == (n, SIGNAL_LENGTH) and train.condition.shape == (n, len(STATIC_NAMES))
    assert train.targets["peaks"].shape == (n, 5, 2) and train.targets["present"].shape == (n, 5)
    assert train.targets["present"].dtype == torch.bool
    for tensor in (train.x, train.condition, train.targets["peaks"], train.truth.clean, train.truth.latency):
        assert tensor.dtype == torch.float32 and torch.isfinite(tensor).all()
    assert set(train.truth.factors) == set(FACTOR_NAMES)
    assert repr(train) == "AbrDataset(abr train: 12000 generated responses of 200 samples)"
    assert torch.equal(time_axis()[[0, 1, -1]], torch.tensor([0.0, 0.05, 9.95]))


def test_absent_peaks_are_zeros_and_present_ones_lie_in_the_window(train: AbrDataset) -> None:
    peaks, present = train.targets["peaks"], train.targets["present"]
    assert (peaks[~present] == 0).all()
    assert (peaks[present][:, 0] > 1).all() and (peaks[present][:, 0] < 9.5).all()
    assert (peaks[present][:, 1] >= 0.04).all()
    share = present.float().mean(0)
    assert (share > 0.08).all() and 0.7 < share[4] < 0.95 and (~present.any(1)).any() and present.all(1).any()
    assert not (present & ~train.truth.present)[:, [0, 2, 4]].any()


def test_waves_are_marked_in_their_order(train: AbrDataset) -> None:
    latency = train.targets["peaks"][..., 0].where(train.targets["present"], torch.tensor(torch.nan)).numpy()
    for first in range(5):
        for second in range(first + 1, 5):
            both = np.isfinite(latency[:, first]) & np.isfinite(latency[:, second])
            assert (latency[both, first] < latency[both, second]).all()


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    first, again, other = generate(50, seed=3), generate(50, seed=3), generate(50, seed=4)
    assert torch.equal(first.x, again.x) and torch.equal(first.targets["peaks"], again.targets["peaks"])
    assert not torch.equal(first.condition, other.condition)
    conditions = sample_conditions(50, seed=3)
    assert torch.equal(first.condition, conditions)
    residual = [(data.x - data.truth.clean).numpy() for data in (generate(conditions, 3), generate(conditions, 4))]
    assert np.abs(np.corrcoef(residual[0].ravel(), residual[1].ravel())[0, 1]) < 0.05


def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.get_rng_state(), np.random.get_state()[1]
    generate(5)
    assert torch.equal(torch.get_rng_state(), expected[0]) and (np.random.get_state()[1] == expected[1]).all()


def test_splits_share_no_listener_and_no_noise(train: AbrDataset) -> None:
    sets = [load("abr", split) for split in SPLITS]
    assert [len(data) for data in sets] == [12_000, 500, 500] and [data.split for data in sets] == list(SPLITS)
    assert torch.equal(sets[0].x, train.x)
    for factor in FACTOR_NAMES:
        values = torch.cat([data.truth.factors[factor] for data in sets])
        assert len(values.unique()) > 0.99 * len(values)
    assert len(torch.cat([data.x for data in sets]).unique(dim=0)) == 13_000


def test_hidden_factors_have_their_spread_and_do_not_follow_the_condition(train: AbrDataset) -> None:
    for factor in FACTORS:
        values = train.truth.factors[factor.name].numpy()
        assert values.std() == pytest.approx(factor.sd, rel=0.06)
        assert abs(values.mean()) < 4 * factor.sd / np.sqrt(len(values))
        for column in range(len(STATIC_NAMES)):
            assert abs(np.corrcoef(values, train.condition[:, column])[0, 1]) < 0.075  # four standard errors


def test_what_each_hidden_factor_does() -> None:
    condition = torch.tensor([[85.0, 10, 25, 0, 0, 0, 8000]])
    still = dict.fromkeys(FACTOR_NAMES, 0.0)
    base = generate(condition, factors=still)

    def change(**factors):
        return generate(condition, factors={**still, **factors})

    later = change(delay=0.3).truth.latency - base.truth.latency
    assert (later.diff() > 0).all() and later[0, 4] == pytest.approx(0.3, abs=1e-5)
    assert torch.allclose(change(gain=0.5).truth.amplitude, base.truth.amplitude * np.exp(0.5))
    assert torch.allclose(change(sharpness=0.2).truth.width, base.truth.width * np.exp(0.2))
    ratio = change(wave_i_gain=0.5).truth.amplitude / base.truth.amplitude
    assert torch.allclose(ratio, torch.tensor([[np.exp(0.5), 1, 1, 1, 1]], dtype=torch.float32))
    split = change(iv_v_split=0.2).truth.latency - base.truth.latency
    assert torch.allclose(split, torch.tensor([[0, 0, 0, -0.1, 0.1]]), atol=1e-6)
    slow = (change(drift=0.2).x - base.x)[0]
    assert slow[0] == pytest.approx(0.2, abs=1e-5) and slow[-1] == pytest.approx(-0.2, abs=1e-3)
    assert torch.equal(change(drift=0.2).truth.clean, base.truth.clean)


def test_the_same_listeners_under_changed_conditions() -> None:
    condition = sample_conditions(20, seed=5)
    louder = condition.clone()
    louder[:, 0] = 90.0
    first, second = generate(condition, seed=5), generate(louder, seed=5)
    for name in FACTOR_NAMES:
        assert torch.equal(first.truth.factors[name], second.truth.factors[name])
    assert torch.allclose(first.x - first.truth.clean, second.x - second.truth.clean, atol=1e-6)


def test_normal_response_is_the_generator_without_differences() -> None:
    condition = sample_conditions(20, seed=6)
    normal = normal_response(condition)
    drawn = generate(condition, factors=dict.fromkeys(FACTOR_NAMES, 0.0)).truth
    assert torch.equal(normal.clean, drawn.clean) and torch.equal(normal.latency, drawn.latency)
    assert all((value == 0).all() for value in normal.factors.values())


def test_conditions_cover_their_ranges_and_thresholds_grow_with_age() -> None:
    condition = sample_conditions(4000, seed=7)
    check_condition(condition)
    for column, static in enumerate(STATICS):
        reach = condition[:, column].max() - condition[:, column].min()
        assert reach > 0.93 * (static.high - static.low), static.name
    young, old = condition[condition[:, 2] < 30, 4], condition[condition[:, 2] > 70, 4]
    assert old.mean() > young.mean() + 15
    assert torch.equal(condition[:, 6], condition[:, 6].round())
    sensation = condition[:, 0] - condition[:, 4]
    assert sensation.min() > -10.01 and 0.03 < (sensation < 0).float().mean() < 0.15
    assert 0.3 < (condition[:, 0] > 70).float().mean() < 0.7


@pytest.mark.parametrize("seed", [0, 1])
def test_corners_of_the_ranges_give_finite_responses(seed: int) -> None:
    condition = corners()
    data = generate(condition, seed=seed)
    assert len(data) == 128
    assert torch.isfinite(data.x).all() and torch.isfinite(data.targets["peaks"]).all()
    assert data.x.abs().max() < 3
    silent = condition[:, 0] < condition[:, 4]  # below threshold
    assert silent.any() and not data.targets["present"][silent].any() and (data.truth.clean[silent] == 0).all()


def test_no_present_peak_leaves_the_window() -> None:
    truth = generate(20_000, seed=8).truth
    assert truth.latency[truth.present].max() < 9.5


def test_none_and_one_response() -> None:
    none, one = generate(0), generate(1, seed=2)
    assert none.x.shape == (0, 200) and none.targets["peaks"].shape == (0, 5, 2) and len(none) == 0
    assert one.x.shape == (1, 200) and torch.isfinite(one.x).all()
    assert normal_response(torch.empty(0, 7)).clean.shape == (0, 200)


CALLS = """
import sys
from hvae_ref.abr.data import generate

found = {}

def count(*_):
    found[n] += 1

generate(10)
for n in (30, 3000):
    found[n] = 0
    sys.setprofile(count)
    generate(n)
    sys.setprofile(None)
print(*found.values())
"""


def test_no_loop_runs_over_responses() -> None:
    """Python calls as many functions for 3,000 responses as for 30; in a process that only does this."""
    done = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, timeout=120, check=True)
    few, many = map(int, done.stdout.split())
    assert 50 < many < 1.2 * few


def test_subset_cuts_everything() -> None:
    data = generate(10, seed=1)
    part = data.subset(4)
    assert len(part) == len(part.condition) == len(part.targets["present"]) == len(part.truth.clean) == 4
    assert torch.equal(part.truth.factors["gain"], data.truth.factors["gain"][:4])
    assert part.batch_transform(part.x) is part.x
    for n in (0, 11):
        with pytest.raises(ValueError, match=f"n: expected 1 to 10 responses, got {n}"):
            data.subset(n)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"condition": -1}, "n: expected a count >= 0, got -1"),
        ({"condition": 3, "seed": -2}, "seed: expected a whole number >= 0, got -2"),
        ({"condition": 3, "factors": {"drft": 0.0}}, "got 'drft'; did you mean 'drift'"),
        ({"condition": 3, "factors": {"drift": np.zeros(2)}}, r"factors: drift: .* \(3,\)"),
        ({"condition": 3, "factors": {"gain": float("nan")}}, "factors: gain: expected a finite number"),
        ({"condition": torch.zeros(2, 6)}, r"condition: expected \(N, 7\) .*got shape \(2, 6\)"),
    ],
)
def test_refused_calls(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(**arguments)


def test_load_knows_abr_and_refuses_what_belongs_to_images() -> None:
    assert "abr" in names()
    with pytest.raises(ValueError, match="binarize: abr holds no grey-level images"):
        load("abr", binarize="static")
    with pytest.raises(ValueError, match="deformed_copies: abr holds no grey-level images"):
        load("abr", deformed_copies=2)
    with pytest.raises(ValueError, match="did you mean 'train'"):
        load("abr", "trian")


@pytest.mark.parametrize("colour", [float("nan"), float("inf"), 100.0, -3.5])
def test_colours_that_no_noise_has(colour):
    with pytest.raises(ValueError, match=r"noise_colour: expected an exponent from -3 to 3, got"):
        generate(2, noise_colour=colour)


def test_conditions_that_are_no_numbers():
    for array in (np.array([["a"] * 7]), np.full((1, 7), 20 + 0j), np.ones((1, 7), bool)):
        with pytest.raises(ValueError, match="condition: expected real numbers"):
            check_condition(array)


@pytest.mark.usefixtures("unchecked")
def test_what_annotations_rule_out_is_refused_without_them_too():
    for value in ([[80, 10, 25, 0, 0, 0, 2000]], 2.5):
        with pytest.raises(ValueError, match="condition: expected a tensor or an array"):
            check_condition(value)
    for seed in (1.5, "a", True, -1):
        with pytest.raises(ValueError, match="seed: expected a whole number"):
            sample_conditions(3, seed)
    for count in (2.5, True, -1):
        with pytest.raises(ValueError, match="n: expected a count"):
            sample_conditions(count)
