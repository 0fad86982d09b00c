"""Conditional generation, measured on the generator itself, as it is and with its waves moved or stretched."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hvae_ref.abr import generation_errors, mean_response_errors, true_draws, without_noise
from hvae_ref.abr.data import generate
from hvae_ref.abr.measures.conditional_generation import compare_draws
from hvae_ref.evaluation import paired_test

DRAWS = 60


def test_the_generator_has_no_error_but_that_of_chance(generator_model, loud):
    errors = generation_errors(generator_model(), loud, draws=DRAWS)
    for measure in ("latency", "amplitude"):
        one = errors[measure]
        assert len(one.error) == len(loud)
        low, high = one.interval()
        assert low <= one.error.mean() <= high < 0.5 * one.spread.mean()
        assert one.error.mean() == pytest.approx(one.floor.mean(), rel=0.7)
        np.testing.assert_allclose(one.model_spread, one.spread, rtol=0.5)
        assert one.summary()["within_twice_spread"] == 1.0
    assert errors["latency"].unit == "ms" and errors["amplitude"].unit == "µV"


def test_a_shift_of_the_waves_is_the_error_of_the_latency(generator_model, loud):
    latency = generation_errors(generator_model(shift=6), loud, draws=DRAWS)["latency"]
    assert latency.signed.mean() == pytest.approx(0.3, abs=0.06)
    assert latency.interval()[0] > latency.floor.mean()


def test_a_gain_is_the_error_of_the_amplitude(generator_model, loud):
    amplitude = generation_errors(generator_model(gain=1.5), loud, draws=DRAWS)["amplitude"]
    truth = generation_errors(generator_model(), loud, draws=DRAWS)["amplitude"]
    assert amplitude.signed.mean() > 0.1 > truth.error.mean()
    assert paired_test(truth.error, amplitude.error).high < 0


def test_a_model_without_differences_between_people_has_too_small_a_spread(generator_model, loud):
    same = generator_model(factors={"delay": 0.0, "gain": 0.0, "iv_v_split": 0.0})
    latency = generation_errors(same, loud, draws=DRAWS)["latency"]
    assert latency.model_spread.mean() < 0.6 * latency.spread.mean()
    assert abs(latency.signed.mean()) < 0.06


def test_mean_responses_of_the_generator_of_a_late_one_and_of_one_that_ignores_the_condition(generator_model, loud):
    own = mean_response_errors(generator_model(), loud, draws=DRAWS)
    assert own["model"].shape == (len(loud),)
    assert own["model"].mean() == pytest.approx(own["chance"].mean().item(), rel=0.3)
    late = mean_response_errors(generator_model(shift=6), loud, draws=DRAWS)
    assert (late["model"] > 2 * late["chance"]).all()
    # Conditions that differ in level alone: one response for all of them is off by what level does.
    levels = loud[:1].repeat(4, 1)
    levels[:, 0] = torch.tensor([30.0, 50.0, 70.0, 90.0])
    spread = true_draws(levels, DRAWS, noise=False).mean(0)
    ignored = mean_response_errors(generator_model(), levels, draws=DRAWS)["ignoring the condition"]
    torch.testing.assert_close(ignored, (spread - spread.mean(0)).square().mean(1).sqrt())
    with pytest.raises(ValueError, match="condition: expected at least 2 rows, got 1"):
        mean_response_errors(generator_model(), loud[:1])


def test_without_noise_leaves_waves_and_drift():
    data = generate(50, seed=3)
    noise = data.x - without_noise(data)
    sweeps = data.condition[:, 6]
    assert (noise.std(1) * sweeps.sqrt()).mean().item() == pytest.approx(2.0, rel=0.15)
    assert torch.equal(without_noise(generate(data.condition, seed=3, factors={"drift": 0.0})), data.truth.clean)
    with pytest.raises(ValueError, match="expected generated responses, got recordings"):
        without_noise(replace(data, truth=None))


def test_true_draws_are_of_their_conditions(loud):
    draws = true_draws(loud, 3, seed=4)
    assert draws.shape == (3, len(loud), 200) and not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(true_draws(loud, 3, noise=False, seed=4), draws, atol=0.15, rtol=0)
    clean = true_draws(loud, 200, noise=False).mean(0)
    torch.testing.assert_close(clean, generate(loud, factors=dict.fromkeys(("delay", "drift"), 0.0)).truth.clean,
                               atol=0.35, rtol=0)  # fmt: skip


def test_conditions_without_the_wave_are_left_out_and_counted():
    values = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.0, 5.0, 9.0])
    missing = values.clone()
    missing[:30, 1] = torch.nan
    result = compare_draws(missing, values, values + 1.0, "ms")
    assert len(result.error) == 2 and result.compared.tolist() == [True, False, True]
    np.testing.assert_allclose(result.error, 0, atol=1e-6)
    np.testing.assert_allclose(result.floor, 1, rtol=1e-5)
    np.testing.assert_allclose(result.spread, values[:, [0, 2]].std(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_draws(torch.zeros(3, 2), torch.zeros(3, 1), torch.zeros(3, 2), "ms"), "expected shapes"),
        (lambda: compare_draws(*[torch.full((3, 2), torch.nan)] * 3, "ms"), "half of all draws have the wave"),
        (lambda: generation_errors(torch.nn.Linear(1, 1), torch.zeros(1, 7), draws=1), "draws: expected at least 2"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
