"""The brainstem recipes: named parts with weights, a bound with targets, and typos in either."""

import re

import pytest

from hvae_ref.abr import HierarchicalResponseCVAE, ResponseCVAE
from hvae_ref.cli.recipes import RecipeError, build, load
from hvae_ref.objectives import Constant, LinearWarmup, NegativeElbo, ThreePhases


def test_weights_are_numbers_and_schedules():
    overrides = [
        "objective.weights.global_kl={schedule = 'ThreePhases', start = 0.1, end = 2.0, first = 0.2}",
        "objective.weights.local_kl={schedule = 'LinearWarmup', fraction = 0.5}",
        "objective.weights.peak={schedule = 'Constant', value = 0.25}",
        "objective.weights.static=2",
    ]
    run = build(load("abr-hierarchical", overrides))
    weights = run.objective.weights
    assert weights["global_kl"] == ThreePhases(0.1, 2.0, first=0.2) and weights["static"] == 2
    assert weights["local_kl"] == LinearWarmup(fraction=0.5) and weights["peak"] == Constant(0.25)
    assert run.bound == "elbo_with_targets" and isinstance(run.model, HierarchicalResponseCVAE)


def test_the_two_recipes_differ_in_the_model_and_not_in_its_size():
    one, two = load("abr-cvae"), load("abr-hierarchical")
    assert (one.data, one.training, one.evaluation) == (two.data, two.training, two.evaluation)
    shared = {name: weight for name, weight in two.objective["weights"].items() if name != "local_kl"}
    assert one.objective["weights"] == shared
    models = build(one).model, build(two).model
    assert isinstance(models[0], ResponseCVAE)
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    assert sum(models[0].dims.values()) == sum(models[1].dims.values())


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("objective.weights.globl_kl=1.0", "objective.weights.globl_kl: unknown key; did you mean 'global_kl'?"),
        ("objective.weights.z1_kl=1.0", "objective.weights.z1_kl: unknown key"),
        ("objective.weights.peeks=1.0", "objective.weights.peeks: unknown key; did you mean 'peak'?"),
        ("objective.weights.local_kl=none", "objective.weights.local_kl: missing; 0 leaves a part out"),
        ("objective.weights.peak='much'", "objective.weights.peak: expected a number or a table, got 'much'"),
        ("objective.weights.peak=-1.0", "objective: weights['peak']: expected a finite number ≥ 0 or a schedule"),
        (
            "objective.weights.peak={start = 1.0}",
            "objective.weights.peak.schedule: missing; expected one of Constant, LinearWarmup, Cyclic, ThreePhases",
        ),
        (
            "objective.weights.peak={schedule = 'ThreePhase', start = 0.0, end = 1.0}",
            "objective.weights.peak.schedule: unknown 'ThreePhase'; did you mean 'ThreePhases'?",
        ),
        (
            "objective.weights.peak={schedule = 'ThreePhases', start = 0.0, end = 1.0, frist = 0.1}",
            "objective.weights.peak.frist: unknown key; did you mean 'first'?",
        ),
        (
            "objective.weights.peak={schedule = 'ThreePhases', start = 0.0}",
            "objective.weights.peak.end: missing; ThreePhases needs it",
        ),
        (
            "objective.weights.peak={schedule = 'ThreePhases', start = 0.0, end = 1.0, first = 0.9}",
            "first, second: expected shares that add up to at most 1",
        ),
        ("objective.weights=1.0", "objective.weights: expected a table"),
        ("objective.weights=none", "objective.weights: missing; WeightedLoss needs it"),
        ("objective.beta=1.0", "objective.beta: unknown key"),
        ("objective.bound=elbo_with_target", "did you mean 'elbo_with_targets'?"),
        ("model.latent_dims=[3]", "model.latent_dims: unknown key; did you mean 'local_latent_dim'?"),
        ("model.data_dim=200", "model.data_dim: unknown key"),
        ("model.covariates=['levle']", "model: covariates: unknown 'levle'; did you mean 'level'?"),
        ("data.name=abrr", "did you mean 'abr'?"),
    ],
)
def test_a_mistake_is_told_with_the_right_key(override, told):
    with pytest.raises(RecipeError, match=re.escape(told)):
        build(load("abr-hierarchical", [override]))


def test_weights_belong_to_weighted_parts_alone():
    with pytest.raises(RecipeError, match="objective.weights: unknown key"):
        load("smoke", ["objective.weights.reconstruction=1.0"])


def test_named_levels_may_have_a_beta_each():
    overrides = [
        "objective.name=NegativeElbo",
        "objective.weights=none",
        "objective.bound=none",
        "objective.beta={z_global = 0.5, z_local = {schedule = 'LinearWarmup'}}",
        "training.epochs=1",
    ]
    recipe = load("abr-hierarchical", overrides)
    run = build(recipe)
    assert run.objective == NegativeElbo({"z_global": 0.5, "z_local": LinearWarmup()})
    history = run.fit()
    assert set(history.last.weights) == {"beta/z_global", "beta/z_local"} and not history.last.train.auxiliary


def test_a_subset_of_covariates_reads_its_own_columns():
    run = build(load("abr-cvae", ["model.covariates=['level', 'sex']", "training.epochs=1"]))
    history = run.fit()
    assert run.model.covariates == ("level", "sex") and history.last.validation.auxiliary["static"] >= 0
    assert run.evaluate(iwae_samples=2, information_examples=50).n_examples == 500


def test_the_length_of_the_signal_follows_from_the_data():
    assert build(load("abr-cvae")).model.x_shape == (200,)
