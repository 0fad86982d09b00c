"""WeightedLoss: named parts that add up to the loss, and refusals that know better."""

import pytest
import torch

from hvae_ref.elbo import Elbo
from hvae_ref.objectives import Constant, LinearWarmup, NegativeElbo, ThreePhases, TrainingState, WeightedLoss

WEIGHTS = {
    "reconstruction": 1.0,
    "global_kl": ThreePhases(0.1, 1.0, first=0.2, second=0.5),
    "local_kl": LinearWarmup(fraction=0.5),
    "static": 0.0,
    "peak": 0.3,
}


@pytest.fixture
def elbo():
    torch.manual_seed(0)
    kl = {"z_global": torch.rand(7), "z_local": torch.rand(7)}
    return Elbo(-10 * torch.rand(7), kl, {"static": torch.rand(7), "peak": torch.rand(7)})


@pytest.mark.parametrize("step", [0, 30, 45, 100])
def test_the_weighted_parts_add_up_to_the_loss_exactly(elbo, step):
    objective, state = WeightedLoss(WEIGHTS), TrainingState(step, 100)
    parts = objective.parts(elbo)
    assert list(parts) == ["reconstruction", "global_kl", "local_kl", "static", "peak"]
    assert all(part.shape == () for part in parts.values())
    total = sum(objective.weight_of(name, state) * part for name, part in parts.items())
    assert torch.equal(objective(elbo, state), total)
    assert torch.equal(objective(elbo, state), sum(objective.weighted(elbo, state).values()))


def test_the_loss_by_hand(elbo):
    loss = WeightedLoss(WEIGHTS)(elbo, TrainingState(45, 100))
    by_hand = -elbo.log_px + 0.55 * elbo.kl["z_global"] + 0.9 * elbo.kl["z_local"] + 0.3 * elbo.auxiliary["peak"]
    assert loss.item() == pytest.approx(by_hand.mean().item(), rel=1e-6)


def test_with_weights_of_one_for_the_bound_alone_the_loss_is_the_negative_elbo(elbo):
    weights = {"reconstruction": 1.0, "global_kl": 1.0, "local_kl": 1.0, "static": 0.0, "peak": 0.0}
    assert WeightedLoss(weights)(elbo).item() == pytest.approx(-elbo.value.mean().item(), rel=1e-6)
    assert WeightedLoss(weights)(elbo).item() == pytest.approx(NegativeElbo()(elbo).item(), rel=1e-6)


def test_levels_with_numbers_keep_their_names():
    elbo = Elbo(torch.zeros(2), {"z2": torch.ones(2), "z1": torch.ones(2)})
    assert WeightedLoss({"reconstruction": 1.0, "z2_kl": 2.0, "z1_kl": 3.0})(elbo).item() == 5.0


def test_a_part_without_weight_gets_gradients_of_zero():
    parameter = torch.ones(3, requires_grad=True)
    elbo = Elbo(torch.zeros(3), {"z_global": torch.zeros(3)}, {"peak": parameter.square()})
    WeightedLoss({"reconstruction": 1.0, "global_kl": 1.0, "peak": 0.0})(elbo).backward()
    assert torch.equal(parameter.grad, torch.zeros(3))


def test_the_report_gives_every_weight():
    report = WeightedLoss(WEIGHTS).report(("z_global", "z_local"), TrainingState(45, 100))
    assert report == pytest.approx(
        {
            "weight/reconstruction": 1.0,
            "weight/global_kl": 0.55,
            "weight/local_kl": 0.9,
            "weight/static": 0.0,
            "weight/peak": 0.3,
        }
    )


def test_weights_are_a_copy():
    weights = dict(WEIGHTS)
    objective = WeightedLoss(weights)
    weights["peak"] = 7.0
    assert objective.weight_of("peak", TrainingState()) == 0.3
    assert objective == WeightedLoss(WEIGHTS) and objective != WeightedLoss(weights)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"globl_kl": 1.0}, "got 'globl_kl'; did you mean 'global_kl'\\?"),
        ({"kl": 1.0}, "expected names among reconstruction, global_kl, local_kl, static, peak, got 'kl'"),
        ({"presence": 1.0}, "got 'presence'"),
    ],
)
def test_unknown_parts_are_refused_with_the_nearest_name(elbo, change, told):
    with pytest.raises(ValueError, match=f"^weights: .*{told}"):
        WeightedLoss(WEIGHTS | change)(elbo)


@pytest.mark.parametrize("part", ["reconstruction", "local_kl", "peak"])
def test_a_part_without_a_weight_is_refused(elbo, part):
    weights = {name: weight for name, weight in WEIGHTS.items() if name != part}
    with pytest.raises(ValueError, match=f"^weights: expected .* got none for {part}"):
        WeightedLoss(weights)(elbo)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "0.5", True, None])
def test_what_is_no_weight_is_refused(weight):
    with pytest.raises(ValueError, match=r"^weights\['peak'\]: expected a finite number ≥ 0 or a schedule"):
        # The checks of tests/conftest.py would refuse some of these before the class can.
        WeightedLoss.__post_init__(type("Bare", (), {"weights": {"peak": weight}})())


def test_no_weights_at_all_are_refused():
    with pytest.raises(ValueError, match="^weights: expected a weight for every part"):
        WeightedLoss({})


def test_schedules_and_numbers_mix():
    elbo = Elbo(torch.tensor([-1.0]), {"z_global": torch.tensor([2.0])})
    assert WeightedLoss({"reconstruction": 2, "global_kl": Constant(0.5)})(elbo).item() == 3.0
