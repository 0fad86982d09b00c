"""The configuration: limits of every number, and the learning rate over a run."""

from fractions import Fraction

import numpy as np
import pytest

from hvae_ref.objectives import TrainingState
from hvae_ref.training import TrainConfig


def rates(config, total=100):
    return [config.learning_rate_at(TrainingState(step, total)) for step in range(total)]


def test_a_constant_rate_is_constant():
    assert set(rates(TrainConfig(learning_rate=0.5))) == {0.5}


def test_a_warmup_rises_to_the_full_rate_and_never_starts_at_zero():
    rising = rates(TrainConfig(learning_rate=1.0, warmup=0.1))
    assert rising[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert set(rising[10:]) == {1.0}


def test_cosine_falls_all_the_way_and_passes_the_middle_half_way():
    falling = rates(TrainConfig(learning_rate=2.0, schedule="cosine"))
    assert falling[0] == 2.0 and falling[50] == pytest.approx(1.0) and 0 < falling[-1] < 0.001
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("batch_size", 0), ("checkpoint_every", 0), ("patience", 0), ("learning_rate", 0.0),
        ("learning_rate", float("inf")), ("schedule", "step"), ("warmup", 1.0), ("weight_decay", -0.1),
        ("gradient_clip", 0.0), ("steps_per_epoch", 0), ("ema_decay", 1.0), ("precision", "float16"), ("device", "tpu"),
        ("seed", -1),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchecked")
def test_bad_numbers_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got "):
        TrainConfig(**{name: value})


WHOLE = ("epochs", "batch_size", "checkpoint_every", "patience", "seed", "steps_per_epoch")
REAL = ("learning_rate", "weight_decay", "gradient_clip", "ema_decay", "warmup")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [np.int64(3), np.int32(3), np.uint8(3)])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_of_numpy_are_whole_numbers(name, value):
    found = getattr(TrainConfig(**{name: value}), name)
    assert found == 3 and type(found) is int


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), Fraction(1, 2)])
@pytest.mark.parametrize("name", REAL)
def test_numbers_of_numpy_are_numbers(name, value):
    found = getattr(TrainConfig(**{name: value}), name)
    assert found == 0.5 and type(found) is float


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [True, np.True_, "3", "1e-3", [3], 2.5, np.float64(3.0)])
@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_whole_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected a whole number.*, got "):
        TrainConfig(**{name: value})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [True, np.True_, "1e-3", [0.5], 1j])
@pytest.mark.parametrize("name", REAL)
def test_what_is_no_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected a number.*, got "):
        TrainConfig(**{name: value})


def test_equal_settings_are_equal_whatever_their_types():
    assert TrainConfig(learning_rate=1, seed=3) == TrainConfig(learning_rate=1.0, seed=3)
