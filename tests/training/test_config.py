"""The configuration: limits of every number, and the learning rate over a run."""

import pytest

from hvae_ref.objectives import Progress
from hvae_ref.training import TrainConfig


def rates(config, total=100):
    return [config.learning_rate_at(Progress(step, total)) for step in range(total)]


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
        ("gradient_clip", 0.0), ("ema_decay", 1.0), ("precision", "float16"), ("device", "tpu"), ("seed", -1),
    ],
)  # fmt: skip
def test_bad_numbers_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got "):
        TrainConfig(**{name: value})
