"""Objectives: the loss is the weighted sum it says it is, in every combination."""

import pytest
import torch

from hvae_ref.elbo import Elbo
from hvae_ref.objectives import (
    Constant,
    FreeBits,
    Geco,
    LatentSamples,
    LinearWarmup,
    MmdPenalty,
    NegativeElbo,
    TrainingState,
)

HALF_WAY = TrainingState(step=50, total=100)


@pytest.fixture
def elbo():
    return Elbo(torch.tensor([-10.0, -14.0]), {"z2": torch.tensor([0.0, 1.0]), "z1": torch.tensor([2.0, 4.0])})


@pytest.fixture
def latents():
    return LatentSamples(
        {level: torch.randn(20, 2) + 1 for level in ("z2", "z1")},
        {level: torch.randn(20, 2) for level in ("z2", "z1")},
    )


def test_plain_negative_elbo_is_the_mean_of_minus_the_value(elbo):
    assert NegativeElbo()(elbo).item() == pytest.approx(-elbo.value.mean().item())


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (2.0, 12 + 2 * 0.5 + 2 * 3),
        (Constant(2.0), 12 + 2 * 0.5 + 2 * 3),
        (LinearWarmup(fraction=1.0), 12 + 0.5 * 0.5 + 0.5 * 3),
        ({"z2": 0.0, "z1": LinearWarmup(fraction=1.0)}, 12 + 0.5 * 3),
    ],
)
def test_beta_weighs_each_level(elbo, beta, expected):
    assert NegativeElbo(beta)(elbo, HALF_WAY).item() == pytest.approx(expected)


def test_everything_together(elbo, latents):
    objective = NegativeElbo({"z2": 0.5, "z1": 2.0}, free_bits=FreeBits(1.0), mmd=MmdPenalty(7.0))
    expected = 12 + 0.5 * 1.0 + 2.0 * 3.0 + MmdPenalty(7.0)(latents).item()
    assert objective(elbo, HALF_WAY, latents).item() == pytest.approx(expected)
    geco = Geco({"z2": 0.5, "z1": 2.0}, constraint=5.0, free_bits=FreeBits(1.0), mmd=MmdPenalty(7.0))
    assert geco(elbo, HALF_WAY, latents).item() == pytest.approx(expected - 5.0)


def test_a_penalty_asks_for_latents(elbo):
    objective = NegativeElbo(mmd=MmdPenalty())
    assert objective.needs_latents and not NegativeElbo().needs_latents
    with pytest.raises(ValueError, match="latents: expected LatentSamples"):
        objective(elbo)


def test_levels_must_match(elbo):
    with pytest.raises(ValueError, match="beta: expected a weight for level 'z2'"):
        NegativeElbo({"z1": 1.0})(elbo)
    with pytest.raises(ValueError, match=r"beta: expected the levels \['z2', 'z1'\], got \['z3'\]"):
        NegativeElbo({"z1": 1.0, "z2": 1.0, "z3": 1.0})(elbo)


def test_the_report_holds_the_weights_in_force():
    report = NegativeElbo({"z2": LinearWarmup(fraction=1.0), "z1": 1.0}).report(("z2", "z1"), HALF_WAY)
    assert report == {"beta/z2": 0.5, "beta/z1": 1.0}


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="beta: expected"):
        NegativeElbo(-1.0)


def test_a_state_of_another_objective_is_refused():
    with pytest.raises(ValueError, match="state: expected the keys"):
        NegativeElbo().load_state_dict(Geco(constraint=1.0).state_dict())


def distortion(value):
    return Elbo(torch.tensor([-value]), {"z1": torch.zeros(1)})


def test_calling_geco_changes_nothing(elbo):
    geco = Geco(constraint=5.0)
    before = geco.state_dict()
    geco(elbo)
    assert all(torch.equal(geco.state_dict()[name], value) or name == "excess" for name, value in before.items())
    assert geco(elbo).item() == geco(elbo).item()


def test_geco_follows_the_paper_step_by_step():
    """Algorithm 1 written out in plain numbers."""
    geco = Geco(constraint=20.0, rate_of_change=0.01, decay=0.9)
    multiplier, average = 1.0, None
    for value in (30.0, 10.0, 25.0):
        assert geco(distortion(value)).item() == pytest.approx(multiplier * (value - 20.0), rel=1e-6)
        geco.update(distortion(value), TrainingState())
        average = value - 20.0 if average is None else 0.9 * average + 0.1 * (value - 20.0)
        multiplier *= torch.tensor(0.01 * average).exp().item()
    assert geco.report(("z1",), TrainingState())["multiplier"] == pytest.approx(multiplier, rel=1e-6)


def test_the_multiplier_stays_within_its_limits():
    for value, limit in ((1e6, 1e4), (-1e6, 1e-4)):
        geco = Geco(constraint=0.0)
        for _ in range(20):
            geco.update(distortion(value), TrainingState())
        assert geco.state_dict()["multiplier"].item() == pytest.approx(limit)


def test_geco_reaches_its_constraint():
    """A one-number model, −log p = 4 (1 − w)² + 1 and KL = w²: the constrained optimum is where −log p = 2.

    At that w the multiplier balances the gradients, λ · 8 (1 − w) = 2 w.
    """
    torch.manual_seed(0)
    w = torch.zeros((), requires_grad=True)
    geco = Geco(constraint=2.0, rate_of_change=0.02, decay=0.5)
    for _ in range(3000):
        elbo = Elbo(-(4 * (1 - w) ** 2 + 1)[None], {"z1": (w**2)[None]})
        (gradient,) = torch.autograd.grad(geco(elbo), w)
        with torch.no_grad():
            w -= 0.02 * gradient
        geco.update(elbo, TrainingState())
    assert w.item() == pytest.approx(0.5, abs=1e-3)
    assert geco.state_dict()["multiplier"].item() == pytest.approx(2 * 0.5 / (8 * 0.5), abs=1e-3)


def test_geco_goes_on_from_its_state():
    first = Geco(constraint=3.0)
    for value in (9.0, 5.0):
        first.update(distortion(value), TrainingState())
    second = Geco(constraint=3.0)
    second.load_state_dict(first.state_dict())
    for geco in (first, second):
        geco.update(distortion(4.0), TrainingState())
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    fresh = Geco(constraint=3.0)
    fresh.load_state_dict(Geco(constraint=3.0).state_dict())
    fresh.update(distortion(4.0), TrainingState())
    assert fresh.state_dict()["excess"].item() == pytest.approx(1.0)


def test_with_several_processes_all_learn_the_same_multiplier():
    geco = Geco(constraint=0.0, rate_of_change=0.1)
    geco.update(distortion(1.0), TrainingState(average=lambda excess: excess + 4.0))
    assert geco.state_dict()["multiplier"].item() == pytest.approx(torch.tensor(0.5).exp().item())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"constraint": float("inf")}, "constraint"),
        ({"constraint": 1.0, "rate_of_change": 0.0}, "rate_of_change"),
        ({"constraint": 1.0, "decay": 1.0}, "decay"),
    ],
)
def test_bad_geco_settings_are_refused_by_name(settings, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        Geco(**settings)
