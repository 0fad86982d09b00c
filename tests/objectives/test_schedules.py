"""Schedules: their values at the points that matter, and their limits at every point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvae_ref.objectives import Constant, Cyclic, LinearWarmup, ThreePhases, TrainingState


def at(schedule, step, total=100):
    return schedule(TrainingState(step, total))


def test_linear_warmup_by_steps_does_not_depend_on_the_length_of_the_run():
    warmup = LinearWarmup(start=0.2, end=1.0, steps=8)
    assert [
        at(warmup, step, total) for step, total in ((0, 10), (4, 10), (4, 1000), (8, 10), (9, 10))
    ] == pytest.approx([0.2, 0.6, 0.6, 1.0, 1.0])


def test_linear_warmup_by_fraction_follows_the_length_of_the_run():
    assert at(LinearWarmup(fraction=0.5), 25, 100) == at(LinearWarmup(fraction=0.5), 250, 1000) == 0.5


def test_a_delay_holds_the_start():
    delayed = LinearWarmup(start=0.0, end=1.0, fraction=0.2, delay=0.4)
    assert [at(delayed, step) for step in (0, 40, 50, 60, 100)] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    assert at(LinearWarmup(steps=10, delay=5.0), 10) == pytest.approx(0.5)


def test_a_warmup_may_go_down():
    assert at(LinearWarmup(start=4.0, end=1.0, fraction=1.0), 50) == pytest.approx(2.5)


def test_cycles_start_over_and_the_run_ends_at_the_top():
    cyclic = Cyclic(start=0.0, end=1.0, cycles=4, rise=0.5)
    assert [at(cyclic, step, 80) for step in (0, 5, 10, 19, 20, 25, 60, 80)] == pytest.approx(
        [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 0.0, 1.0]
    )


@given(
    step=st.integers(0, 2000),
    ends=st.tuples(st.floats(0, 5), st.floats(0, 5)),
    fraction=st.floats(0.01, 1.0),
    delay=st.floats(0.0, 1.0),
    cycles=st.integers(1, 9),
)
def test_a_weight_stays_between_its_ends(step, ends, fraction, delay, cycles):
    start, end = ends
    low, high = min(ends) - 1e-12, max(ends) + 1e-12
    assert low <= at(LinearWarmup(start, end, fraction=fraction, delay=delay * (1 - fraction)), step, 1000) <= high
    assert low <= at(Cyclic(start, end, cycles=cycles, rise=fraction), step, 1000) <= high


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Constant(-1.0), "value"),
        (lambda: LinearWarmup(start=float("nan")), "start"),
        (lambda: LinearWarmup(steps=3, fraction=0.5), "steps, fraction"),
        (lambda: LinearWarmup(steps=0), "steps"),
        (lambda: LinearWarmup(fraction=1.5), "fraction"),
        (lambda: LinearWarmup(delay=-0.1), "delay"),
        (lambda: LinearWarmup(fraction=0.5, delay=0.6), "delay"),
        (lambda: LinearWarmup(delay=500), "delay"),
        (lambda: Cyclic(cycles=0), "cycles"),
        (lambda: Cyclic(rise=0.0), "rise"),
    ],
)
def test_bad_schedules_are_refused_by_name(make, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        make()


def test_three_phases_hold_move_and_hold():
    phases = ThreePhases(0.05, 1.05, first=0.3, second=0.4)
    points = [at(phases, step) for step in (0, 15, 30, 40, 50, 70, 71, 100)]
    assert points == pytest.approx([0.05, 0.05, 0.05, 0.3, 0.55, 1.05, 1.05, 1.05])
    assert at(phases, 500, 1000) == pytest.approx(at(phases, 50))


def test_three_phases_may_go_down_and_may_fill_the_run():
    assert at(ThreePhases(2.0, 0.0, first=0.0, second=1.0), 25) == pytest.approx(1.5)
    assert at(ThreePhases(1.0, 0.0, first=0.7, second=0.3), 100) == pytest.approx(0.0)


@given(
    start=st.floats(0, 10),
    end=st.floats(0, 10),
    first=st.floats(0, 0.5),
    second=st.floats(0.01, 0.5),
    step=st.integers(0, 120),
)
def test_three_phases_stay_between_their_ends(start, end, first, second, step):
    value = at(ThreePhases(start, end, first, second), step)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"start": -1.0}, "start"),
        ({"end": float("inf")}, "end"),
        ({"first": 1.0}, "first"),
        ({"first": -0.1}, "first"),
        ({"second": 0.0}, "second"),
        ({"first": 0.6, "second": 0.5}, "first, second"),
    ],
)
def test_phases_that_do_not_fit_are_refused_by_name(settings, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        ThreePhases(**{"start": 0.0, "end": 1.0} | settings)
