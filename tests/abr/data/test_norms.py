"""The generator keeps the published norms: each effect is measured again on generated responses."""

import numpy as np
import pytest
import torch

from hvae_ref.abr.data import FACTOR_NAMES, STATIC_NAMES, WAVES, all_norms, generate, normal_response
from hvae_ref.abr.data.physiology import latency_level

REFERENCE = {"level": 80.0, "rate": 10.0, "age": 25.0, "sex": 0.0, "threshold": 0.0, "polarity": 0.0, "sweeps": 2000.0}
WAVE_I, WAVE_III, WAVE_IV, WAVE_V = 0, 2, 3, 4


def conditions(n: int, **changed) -> torch.Tensor:
    """n reference conditions, women and men in turn; a changed parameter may be a number or n of them."""
    columns = {name: np.full(n, value) for name, value in REFERENCE.items()}
    columns["sex"] = np.arange(n) % 2
    columns.update({name: np.broadcast_to(value, n) for name, value in changed.items()})
    return torch.tensor(np.stack([columns[name] for name in STATIC_NAMES], axis=1), dtype=torch.float32)


def marked(data, wave: int, what: int) -> np.ndarray:
    """Latency (0) or amplitude (1) of a wave, NaN where it is absent."""
    values = data.targets["peaks"][:, wave, what].numpy().copy()
    values[~data.targets["present"][:, wave].numpy()] = np.nan
    return values


def mean_listener(n: int, **changed):
    return generate(conditions(n, **changed), factors=dict.fromkeys(FACTOR_NAMES, 0.0))


def slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of a regression line through the waves that are present, and its standard error."""
    there = np.isfinite(y)
    (a, _), covariance = np.polyfit(x[there], y[there], 1, cov=True)
    return float(a), float(np.sqrt(covariance[0, 0]))


def test_every_norm_has_a_unit_a_kind_and_a_source() -> None:
    table = all_norms()
    assert len(table) > 30
    for name, norm in table.items():
        assert norm.kind in ("published", "interpolated", "chosen"), name
        assert norm.unit, name
        assert norm.kind == "chosen" or norm.source, name
        assert not isinstance(norm.value, tuple) or len(norm.value) in (2, len(WAVES)), name


@pytest.mark.parametrize(
    ("wave", "latency", "amplitude"),
    [
        (0, (1.55, 1.75), (0.23, 0.36)),
        (1, (2.7, 2.9), (0.08, 0.18)),
        (2, (3.7, 3.9), (0.18, 0.30)),
        (3, (4.9, 5.15), (0.04, 0.2)),
        (4, (5.5, 5.75), (0.4, 0.55)),
    ],
)
def test_clicks_at_80_db(wave: int, latency: tuple, amplitude: tuple) -> None:
    data = generate(conditions(2000), seed=1)
    assert latency[0] < np.nanmean(marked(data, wave, 0)) < latency[1]
    assert amplitude[0] < np.nanmean(marked(data, wave, 1)) < amplitude[1]


def test_interval_between_waves_i_and_v_and_its_spread() -> None:
    data = generate(conditions(2000), seed=2)
    interval = marked(data, WAVE_V, 0) - marked(data, WAVE_I, 0)
    assert 3.9 < np.nanmean(interval) < 4.1
    assert 0.15 < np.nanstd(interval) < 0.25
    assert 0.2 < np.nanstd(marked(data, WAVE_V, 0)) < 0.3
    assert 0.3 < np.nanstd(marked(data, WAVE_V, 1)) / np.nanmean(marked(data, WAVE_V, 1)) < 0.4


def test_wave_v_is_later_at_low_levels_and_the_steeper_the_lower() -> None:
    levels = np.array([20.0, 30, 40, 50, 60, 70, 80, 90]).repeat(200)
    data = generate(conditions(1600, level=levels), seed=3)
    latency = marked(data, WAVE_V, 0)
    means = np.array([np.nanmean(latency[levels == level]) for level in np.unique(levels)])
    assert (np.diff(means) < 0).all()
    low, _ = slope(levels[levels <= 40], latency[levels <= 40])
    high, _ = slope(levels[levels >= 60], latency[levels >= 60])
    assert -0.06 < low < -0.035 and -0.03 < high < -0.01
    assert 7.2 < means[0] < 7.8


def test_interval_does_not_depend_on_level() -> None:
    levels = np.random.default_rng(0).uniform(60, 90, 2000)
    data = generate(conditions(2000, level=levels), seed=4)
    interval = marked(data, WAVE_V, 0) - marked(data, WAVE_I, 0)
    a, error = slope(levels, interval)
    assert abs(a) < 4 * error + 1e-3


def test_fast_clicks_delay_wave_v_by_half_a_millisecond_and_shrink_the_early_waves() -> None:
    rates = np.random.default_rng(0).uniform(10, 90, 3000)
    data = generate(conditions(3000, rate=rates), seed=5)
    a, error = slope(rates, marked(data, WAVE_V, 0))
    assert abs(90 * a - 0.5) < 90 * 4 * error
    first, _ = slope(rates, marked(data, WAVE_I, 0))
    assert 0.25 < first / a < 0.42
    slow, fast = mean_listener(2, rate=10.0), mean_listener(2, rate=90.0)
    ratio = fast.truth.amplitude / slow.truth.amplitude
    assert torch.allclose(ratio[:, WAVE_I], torch.tensor(0.5), atol=1e-3) and (ratio[:, WAVE_V] > 0.85).all()


def test_age_delays_wave_v_and_takes_most_from_wave_i() -> None:
    ages = np.random.default_rng(1).uniform(18, 85, 3000)
    data = generate(conditions(3000, age=ages), seed=6)
    a, error = slope(ages, marked(data, WAVE_V, 0))
    assert abs(30 * a - 0.2) < 30 * 4 * error
    fall = [slope(ages, np.log(marked(data, wave, 1)))[0] for wave in (WAVE_I, WAVE_III, WAVE_V)]
    assert fall[0] < fall[1] < fall[2] < 0
    young, old = mean_listener(2, age=25.0), mean_listener(2, age=55.0)
    assert torch.allclose(
        old.truth.amplitude[:, WAVE_V] / young.truth.amplitude[:, WAVE_V], torch.tensor(0.9), atol=1e-3
    )


def test_women_are_earlier_and_larger_with_a_shorter_interval() -> None:
    data = generate(conditions(4000), seed=7)
    men = data.condition[:, 3].numpy() == 1
    v, i, size = marked(data, WAVE_V, 0), marked(data, WAVE_I, 0), marked(data, WAVE_V, 1)
    error = np.sqrt(2 * np.nanvar(v[men]) / men.sum())
    assert abs(np.nanmean(v[men]) - np.nanmean(v[~men]) - 0.2) < 4 * error
    assert 0.1 < np.nanmean((v - i)[men]) - np.nanmean((v - i)[~men]) < 0.2
    assert 1.18 < np.nanmean(size[~men]) / np.nanmean(size[men]) < 1.32


def test_hearing_loss_delays_little_at_high_level_and_is_steep_near_threshold() -> None:
    def latency(level: float, threshold: float) -> float:
        return float(normal_response(conditions(2, level=level, threshold=threshold)).latency[:, WAVE_V].mean())

    assert 0.0 < latency(90, 40) - latency(90, 0) < 0.1
    assert 0.2 < latency(80, 60) - latency(80, 0) < 0.7
    normal = latency(40, 0) - latency(80, 0)
    assert latency(50, 30) - latency(80, 30) > (latency(50, 0) - latency(80, 0)) * 1.3
    assert latency(40, 30) - latency(80, 30) > normal
    far_above = latency(90, 60) - latency(90, 50)
    recruited = latency_level(np.array([90.0, 90.0]), np.array([60.0, 50.0]))
    without = 4.0 * np.exp(-recruited / 50.0)
    assert far_above - (without[0] - without[1]) == pytest.approx(0.1, abs=1e-5)  # 0.1 ms per 10 dB above 50 dB HL
    quiet = mean_listener(2, level=50.0, threshold=30.0).truth.amplitude
    assert torch.allclose(quiet, mean_listener(2, level=20.0).truth.amplitude)


def test_rarefaction_clicks_are_earlier_with_a_larger_wave_i() -> None:
    rarefaction, condensation = mean_listener(2, polarity=-1.0).truth, mean_listener(2, polarity=1.0).truth
    shift = condensation.latency - rarefaction.latency
    assert (shift > 0).all() and (shift[:, WAVE_I] > shift[:, WAVE_V]).all() and shift.max() < 0.15
    assert (rarefaction.amplitude[:, WAVE_I] > 1.1 * condensation.amplitude[:, WAVE_I]).all()
    assert torch.allclose(rarefaction.amplitude[:, WAVE_V], condensation.amplitude[:, WAVE_V])


def test_waves_vanish_in_the_order_of_the_clinic_and_wave_v_stays_to_the_threshold() -> None:
    levels = np.arange(10.0, 90.5, 0.5)
    present = mean_listener(len(levels), level=levels, sex=0.0).targets["present"].numpy()
    assert present[-1].all()
    faintest = np.array([levels[present[:, wave]].min() for wave in range(5)])
    assert faintest[WAVE_V] < faintest[WAVE_III] < faintest[WAVE_I] < min(faintest[1], faintest[WAVE_IV])
    assert 10 <= faintest[WAVE_V] <= 20
    for wave in range(5):
        assert present[levels >= faintest[wave], wave].all()
    impaired = mean_listener(len(levels), level=levels, threshold=40.0, sex=0.0).targets["present"].numpy()
    assert 10 <= levels[impaired[:, WAVE_V]].min() - 40 <= 20


def test_residual_noise_falls_with_the_root_of_the_sweeps() -> None:
    sweeps = np.array([500.0, 2000.0, 8000.0]).repeat(400)
    data = generate(conditions(1200, sweeps=sweeps), seed=8, factors={"drift": 0.0})
    noise = (data.x - data.truth.clean).numpy()
    for count in (500, 2000, 8000):
        sd = np.sqrt((noise[sweeps == count] ** 2).mean())
        assert sd * np.sqrt(count) == pytest.approx(2.0, rel=0.05)  # r.m.s. of one sweep, µV


def test_noise_has_a_1_over_f_spectrum_in_its_band() -> None:
    def octaves(**colour: float) -> np.ndarray:
        data = generate(conditions(3000), seed=9, factors={"drift": 0.0}, **colour)
        power = np.abs(np.fft.rfft((data.x - data.truth.clean).numpy() * np.hanning(200))) ** 2
        frequency = np.fft.rfftfreq(200, 0.05e-3)
        edges = [(400, 600), (800, 1200), (1600, 2400), (6000, 9000)]
        return np.array([power[:, (frequency >= low) & (frequency <= high)].mean() for low, high in edges])

    pink, white = octaves(), octaves(noise_colour=0.0)
    assert pink[0] / pink[1] == pytest.approx(2.0, rel=0.12)
    assert pink[1] / pink[2] == pytest.approx(2.0 * 1.15, rel=0.15)  # the low-pass begins to take its part
    assert white[0] / white[1] == pytest.approx(1.0, rel=0.08)
    assert white[3] < 0.1 * white[1]
