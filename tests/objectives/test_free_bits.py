"""Free bits: what is charged, and where the gradient stops."""

import pytest
import torch

from hvae_ref.objectives import FreeBits, TrainingState


def charged(free_bits, values, state=None):
    kl = torch.tensor(values, requires_grad=True)
    loss = free_bits("z1", kl, state)
    loss.backward()
    return loss.item(), kl.grad.tolist()


def test_over_the_batch_only_the_mean_counts():
    assert charged(FreeBits(1.0), [0.0, 4.0]) == (2.0, [0.5, 0.5])
    assert charged(FreeBits(3.0), [0.0, 4.0]) == (3.0, [0.0, 0.0])


def test_over_examples_each_counts_for_itself():
    assert charged(FreeBits(1.0, over="example"), [0.0, 4.0]) == (2.5, [0.0, 0.5])


def test_zero_nats_charge_everything():
    for over in ("batch", "example"):
        assert charged(FreeBits(0.0, over=over), [1.0, 3.0]) == (2.0, [0.5, 0.5])


def test_each_level_may_have_its_own_floor():
    free_bits = FreeBits({"z2": 2.0, "z1": 0.0})
    kl = torch.tensor([1.0, 1.0])
    assert (free_bits("z2", kl).item(), free_bits("z1", kl).item()) == (2.0, 1.0)
    with pytest.raises(ValueError, match="nats: expected a number for level 'z3'"):
        free_bits("z3", kl)


def test_with_several_processes_the_mean_of_all_decides():
    """This process lies under the floor, all together above it: the gradient must flow as with one process."""
    together = TrainingState(average=lambda mean: mean + 10.0)
    assert charged(FreeBits(3.0), [0.0, 4.0], together) == (2.0, [0.5, 0.5])


@pytest.mark.parametrize(
    ("settings", "named"), [({"nats": -1.0}, "nats"), ({"nats": {"z1": -1.0}}, "nats"), ({"over": "unit"}, "over")]
)
def test_bad_settings_are_refused_by_name(settings, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        FreeBits(**settings)
