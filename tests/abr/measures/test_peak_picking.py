"""The peak picker on peaks whose place and height are known."""

import inspect
import math

import pytest
import torch

from hvae_ref.abr.measures.peak_picking import pick_wave, smoothed

TIME = torch.arange(200) * 0.05


def wave(latency, amplitude=0.5, width=0.25):
    latency = torch.as_tensor(latency).reshape(-1, 1)
    return amplitude * torch.exp(-0.5 * ((TIME - latency) / width) ** 2)


def test_latency_between_the_samples():
    latencies = 5.0 + torch.rand(50, generator=torch.Generator().manual_seed(0))
    peaks = pick_wave(wave(latencies), 5.5, TIME, smoothing=0.0)
    assert peaks.found.all()
    assert (peaks.latency - latencies).abs().max() < 0.002  # a 25th of a sample
    torch.testing.assert_close(peaks.amplitude, torch.full((50,), 0.5), atol=2e-3, rtol=0)


def test_amplitude_is_measured_to_the_trough_that_follows():
    signals = wave([5.6]) - wave([6.6], 0.3) - wave([4.5], 5.0)
    peaks = pick_wave(signals, 5.6, TIME, smoothing=0.0)
    assert peaks.amplitude.item() == pytest.approx(0.8, abs=0.01)
    drifted = pick_wave(signals + 0.7, 5.6, TIME, smoothing=0.0)
    assert drifted.amplitude.item() == pytest.approx(peaks.amplitude.item(), abs=1e-5)


def test_smoothing_lowers_a_peak_as_two_gaussians_do():
    amplitude = pick_wave(wave([5.6]), 5.6, TIME, smoothing=0.1).amplitude.item()
    assert amplitude == pytest.approx(0.5 * 0.25 / math.hypot(0.25, 0.1), rel=0.01)


def test_the_window_decides_which_of_two_waves():
    signals = wave([3.7, 3.7]) + wave([5.6, 5.6], 0.2)
    peaks = pick_wave(signals, torch.tensor([3.8, 5.5]), TIME)
    torch.testing.assert_close(peaks.latency, torch.tensor([3.7, 5.6]), atol=0.01, rtol=0)


def test_the_highest_of_several_peaks():
    peaks = pick_wave(wave([5.2], 0.3, 0.1) + wave([5.9], 0.4, 0.1), 5.5, TIME)
    assert peaks.latency.item() == pytest.approx(5.9, abs=0.01)


def test_by_its_fall_a_peak_on_a_high_baseline_loses():
    slope = 1.5 * torch.exp(-TIME / 3)
    signal = slope + wave([3.0], 0.15, 0.2) + wave([6.0], 0.4)
    within = {"expected": 4.5, "half_width": 2.5}
    assert pick_wave(signal, **within, time=TIME).latency.item() < 4
    by_fall = pick_wave(signal, **within, time=TIME, by="fall")
    assert by_fall.latency.item() == pytest.approx(6.0, abs=0.05)
    curve = smoothed(signal, 2.0)[0]
    assert by_fall.amplitude.item() == pytest.approx((curve[120] - curve[121:161].min()).item(), abs=2e-3)


@pytest.mark.parametrize("signal", [torch.zeros(1, 200), TIME[None] * 2.0, -TIME[None], wave([9.0])])
def test_no_peak_in_the_window_is_not_found_and_never_its_edge(signal):
    peaks = pick_wave(signal, 5.6, TIME)
    assert not peaks.found.item()
    assert peaks.latency.isnan().all() and peaks.amplitude.isnan().all()


def test_a_plateau_is_one_peak():
    signal = torch.zeros(1, 200)
    signal[0, 110:114] = 1.0
    assert pick_wave(signal, 5.6, TIME, smoothing=0.0).found.item()


def test_noise_moves_latencies_but_little():
    noise = 0.02 * torch.randn(400, 200, generator=torch.Generator().manual_seed(1))
    latency = pick_wave(wave([5.6]) + noise, 5.6, TIME).latency
    assert latency.mean().item() == pytest.approx(5.6, abs=0.01) and latency.std() < 0.06


def test_smoothed_keeps_constants_and_single_precision():
    constant = torch.full((2, 20), 3.0)
    torch.testing.assert_close(smoothed(constant, 2.0), constant)
    assert smoothed(constant, 0.0) is constant


def test_empty_batch():
    assert pick_wave(torch.zeros(0, 200), 5.6, TIME).latency.shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "depth"}, 'by: expected "height" or "fall", got \'depth\''),
        ({"signals": torch.zeros(2, 100)}, r"expected shapes \(N, T\) and \(T,\)"),
        ({"signals": torch.full((2, 200), math.nan)}, "signals: expected finite values"),
        ({"time": TIME**2}, "time: expected evenly spaced"),
        ({"time": TIME.flip(0)}, "time: expected evenly spaced, rising"),
        ({"half_width": 0.0}, "half_width: expected at least one sample, 0.05 ms, got 0.0"),
        ({"trough_within": math.nan}, "trough_within: expected at least one sample"),
        ({"smoothing": -1.0}, "smoothing: expected a finite number ≥ 0"),
        ({"expected": torch.zeros(3)}, r"expected: one latency, or one for each of 2 responses, got \(3,\)"),
    ],
)
def test_bad_arguments(change, message, unchecked):
    arguments = {"signals": torch.zeros(2, 200), "expected": 5.6, "time": TIME} | change
    with pytest.raises(ValueError, match=message):
        pick_wave(**arguments)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_step_is_no_peak_and_a_flat_top_is_one(smoothing):
    step = (TIME >= 5.0).float()
    shelf = step + (TIME - 5.1).clamp(min=0)
    top = step - (TIME >= 5.4).float()
    assert pick_wave(torch.stack([step, shelf, -step, top]), 5.0, TIME, smoothing=smoothing).found.tolist() == [
        False, False, False, True,
    ]  # fmt: skip


def test_whole_numbers_and_infinite_widths():
    with pytest.raises(ValueError, match="signals: expected floating-point numbers"):
        inspect.unwrap(pick_wave)(torch.zeros(1, 200, dtype=torch.int64), 5.0, TIME)
    with pytest.raises(ValueError, match="smoothing: expected"):
        pick_wave(wave(5.0), 5.0, TIME, smoothing=math.inf)
    assert pick_wave(wave(5.0), 5.0, TIME, trough_within=math.inf).found.all()


def test_what_is_no_tensor_or_number_is_named(unchecked):
    signals, time = torch.randn(2, 200), torch.arange(200) * 0.05
    for arguments, message in (
        ({"signals": signals.numpy()}, "signals: expected a tensor, got ndarray"),
        ({"time": time.tolist()}, "time: expected a tensor, got list"),
        ({"expected": "5.8"}, "expected: expected a finite number, got '5.8'"),
        ({"smoothing": 1e6}, "smoothing: expected at most the 10 ms of the signals, got 1e\\+06"),
        ({"smoothing": True}, "smoothing: expected a finite number ≥ 0, got True"),
        ({"half_width": True}, "half_width: expected at least one sample"),
    ):
        with pytest.raises(ValueError, match=message):
            pick_wave(**({"signals": signals, "expected": 5.8, "time": time} | arguments))
