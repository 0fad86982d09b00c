"""The shape of a wave, and marks: what a peak is where waves overlap."""

import numpy as np
import pytest

from hvae_ref.abr.data import marks
from hvae_ref.abr.data.waveform import wave_shape, waves

TIMES = np.arange(200) * 0.05


def single(wave: int, latency: float, amplitude: float, width: float = 0.2) -> tuple[np.ndarray, ...]:
    taus, heights = np.arange(5)[None] * 1.0 + 1.6, np.zeros((1, 5))
    taus[0, wave], heights[0, wave] = latency, amplitude
    return taus, heights, np.full((1, 5), width)


@pytest.mark.parametrize("wave", range(5))
def test_a_wave_has_its_maximum_at_zero_and_height_one_over_its_later_trough(wave: int) -> None:
    u = np.linspace(-6, 15, 21_001)
    g = wave_shape(u, wave)
    assert abs(u[g.argmax()]) < 2e-3
    assert g.max() - g.min() == pytest.approx(1.0, abs=1e-4)
    assert u[g.argmin()] > 1.0
    assert abs(g[0]) < 1e-5 and abs(g[-1]) < 1e-3


@pytest.mark.parametrize("wave", range(5))
@pytest.mark.parametrize("latency", [3.0, 3.013, 3.0249])
def test_the_mark_of_a_wave_alone_is_the_wave(wave: int, latency: float) -> None:
    taus, heights, widths = single(wave, latency, 0.3)
    peaks, present = marks(waves(taus, heights, widths), taus, heights)
    assert present[0, wave]
    assert peaks[0, wave, 0] == pytest.approx(latency, abs=0.003)
    assert peaks[0, wave, 1] == pytest.approx(0.3, abs=0.004)


def test_marks_are_maxima_of_the_sum() -> None:
    taus = np.array([[1.6, 2.8, 3.8, 5.0, 5.7]])
    heights = np.array([[0.3, 0.15, 0.25, 0.25, 0.5]])
    clean = waves(taus, heights, np.full((1, 5), 0.2))
    peaks, present = marks(clean, taus, heights)
    assert present.all()
    fine = np.arange(0, 9.95, 0.001)
    dense = sum(heights[0, w] * wave_shape((fine - taus[0, w]) / 0.2, w) for w in range(5))
    maxima = fine[1:-1][(dense[1:-1] > dense[:-2]) & (dense[1:-1] >= dense[2:])]
    for wave in range(5):
        assert np.abs(maxima - peaks[0, wave, 0]).min() < 0.005
    assert abs(peaks[0, 3, 0] - 5.0) > 0.004  # wave V pulls the peak of IV: the mark is not the component


def test_fused_waves_leave_one_mark_to_the_larger() -> None:
    heights = np.array([[0.0, 0.0, 0.0, 0.2, 0.5]])
    taus = np.array([[1.6, 2.8, 3.8, 5.35, 5.6]])
    peaks, present = marks(waves(taus, heights, np.full((1, 5), 0.25)), taus, heights)
    assert present[0].tolist() == [False, False, False, False, True]
    assert (peaks[0, 3] == 0).all() and 5.35 < peaks[0, 4, 0] < 5.65
    swapped = heights[:, [0, 1, 2, 4, 3]]
    assert marks(waves(taus, swapped, np.full((1, 5), 0.25)), taus, swapped)[1][0, 3:].tolist() == [True, False]


@pytest.mark.parametrize(("amplitude", "seen"), [(0.05, True), (0.035, False), (0.0, False)])
def test_a_wave_below_40_nanovolts_is_absent(amplitude: float, seen: bool) -> None:
    taus, heights, widths = single(4, 7.0, amplitude)
    peaks, present = marks(waves(taus, heights, widths), taus, heights)
    assert present[0, 4] == seen
    assert (peaks[0, 4] != 0).all() == seen


def test_constant_and_no_responses() -> None:
    taus, heights, _ = single(4, 6.0, 0.5)
    for level in (0.0, 1.0):
        peaks, present = marks(np.full((1, 200), level), taus, heights)
        assert not present.any() and (peaks == 0).all()
    peaks, present = marks(np.zeros((0, 200)), np.zeros((0, 5)), np.zeros((0, 5)))
    assert peaks.shape == (0, 5, 2) and present.shape == (0, 5)


def test_a_peak_cut_off_by_the_end_of_the_window_is_absent() -> None:
    taus, heights, widths = single(4, 10.1, 0.5)
    assert not marks(waves(taus, heights, widths), taus, heights)[1].any()


@pytest.mark.parametrize(("away", "seen"), [(0.0, True), (0.35, True), (-0.35, True), (0.45, False), (-0.45, False)])
def test_a_peak_far_from_the_component_does_not_carry_its_name(away: float, seen: bool) -> None:
    taus, heights, widths = single(4, 6.0, 0.5)
    assert marks(waves(taus, heights, widths), taus + away, heights)[1][0, 4] == seen
