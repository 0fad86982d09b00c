"""What is measured on a response against what the generator knows of it."""

import pytest
import torch

from hvae_ref.abr import baseline, measure_wave, pick_wave, response_features, visible, without_noise
from hvae_ref.abr.data import WAVES, generate, normal_response, time_axis


@pytest.fixture(scope="module")
def data():
    return generate(600, seed=11)


@pytest.mark.parametrize("wave", ["I", "V"])
def test_the_picker_agrees_with_the_marks(data, wave):
    number = WAVES.index(wave)
    peaks = measure_wave(without_noise(data), wave)
    present = data.targets["present"][:, number]
    assert peaks.found[present].float().mean() > 0.99
    marked = data.targets["peaks"][present, number]
    off = (peaks.latency[present] - marked[:, 0]).abs()
    assert off.nanmedian() < 0.02 and (off > 0.15).float().mean() < 0.01
    # Smoothing takes a little off the top, the drift moves peak and trough alike.
    amplitude = peaks.amplitude[present] - marked[:, 1]
    assert -0.03 < amplitude.nanmean() < 0.0 and amplitude[~amplitude.isnan()].std() < 0.03


def test_absent_waves_are_rarely_found_without_noise_and_nearly_always_in_it(data):
    absent = ~data.targets["present"][:, 4]
    quiet, noisy = (measure_wave(x, "V").found[absent] for x in (without_noise(data), data.x))
    assert quiet.float().mean() < 0.3 and noisy.float().mean() > 0.9


def test_baseline_is_the_drift(data):
    drift = data.truth.factors["drift"]
    clean = baseline(without_noise(data))
    assert (clean - drift).abs().median() < 2e-3 and torch.corrcoef(torch.stack([clean, drift]))[0, 1] > 0.98
    assert torch.corrcoef(torch.stack([baseline(data.x), drift]))[0, 1] > 0.5


def test_features_are_named_with_their_units_and_measure_what_they_say(data):
    features = response_features()
    assert all(name.endswith(("(ms)", "(µV)")) for name in features)
    measured = {name: feature(data.x, data.condition) for name, feature in features.items()}
    assert all(values.shape == (600,) for values in measured.values())
    five = measure_wave(data.x, "V")
    torch.testing.assert_close(measured["wave V latency (ms)"], five.latency, equal_nan=True)
    torch.testing.assert_close(measured["wave V amplitude (µV)"], five.amplitude, equal_nan=True)
    assert torch.equal(measured["baseline (µV)"], baseline(data.x))


def test_visible_follows_the_level(loud):
    quiet = loud.clone()
    quiet[:, 0], quiet[:, 4] = 20.0, 15.0
    assert visible(loud).all() and not visible(quiet).any()
    assert visible(loud, least=0.4).sum() < len(loud)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: measure_wave(data.x, "III"), "wave: expected one of I, V, got 'III'"),
        (lambda data: visible(data.condition, "v"), "wave: expected one of"),
    ],
)
def test_bad_arguments(call, message, data):
    with pytest.raises(ValueError, match=message):
        call(data)


def test_noise_alone_follows_a_window_that_knows_the_condition_and_no_other():
    levels = torch.tensor([30.0, 40.0, 60.0, 80.0])
    condition = torch.tensor([[80.0, 21.0, 30.0, 0.0, 0.0, 0.0, 2000.0]]).repeat(len(levels), 1)
    condition[:, 0] = levels
    many = generate(condition.repeat(1500, 1), seed=2)
    noise = many.x - without_noise(many)
    normal = normal_response(many.condition).latency[:, 4]
    found = pick_wave(noise, normal, time_axis(), half_width=0.75).latency.view(1500, -1).nanmean(0)
    assert (found - normal_response(condition).latency[:, 4]).abs().max() < 0.1  # the whole curve, without an ear
    told_nothing = measure_wave(noise, "V").latency.view(1500, -1).nanmean(0)
    assert told_nothing.max() - told_nothing.min() < 0.25 < found[0] - found[-1]
