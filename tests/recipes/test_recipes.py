"""Recipes: the shipped ones build and train, overrides are typed, and a typo is an error that knows better."""

import inspect
import re

import pytest
import torch

from hvae_ref import models
from hvae_ref.cli import recipes
from hvae_ref.cli.recipes import Recipe, RecipeError, build, load
from hvae_ref.cli.recipes.schema import MODELS, model_class
from hvae_ref.models import TopDownVAE
from hvae_ref.nn import Bernoulli, Categorical, LogisticMixture, Normal
from hvae_ref.objectives import Constant, Cyclic, FreeBits, Geco, LinearWarmup, MmdPenalty, NegativeElbo
from hvae_ref.training import fit


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_builds_and_takes_its_first_steps(name):
    """Three steps on a hundred examples with the recipe's own objective and configuration."""
    run = build(load(name, ["training.epochs=3"]))
    images = run.data("train").subset(100)
    history = fit(run.model, images, images, step=run.step, config=run.config)
    # Validation draws the same noise after each epoch, so that steps as small as these show.
    assert len(history) == 3 and history.last.validation.log_px > history.epochs[0].validation.log_px
    assert list(history.last.validation.kl) == list(run.model.levels)
    assert load(name).description


def test_the_recipes_that_the_book_names_exist():
    assert {"abr-cvae", "abr-hierarchical"} <= set(recipes.names())
    assert {"digits-latent", "mnist5k-latent"} <= set(recipes.names())
    named = {"digits-vae", "digits-two-level", "digits-ladder", "digits-top-down", "digits-top-down-categorical"}
    assert named | {"digits-flow", "digits-sphere", "mnist5k-vae", "mnist5k-two-level", "smoke"} <= set(recipes.names())


def test_overrides_are_read_as_toml():
    overrides = [
        "training.epochs=3", "training.learning_rate = 2e-3", "model.latent_dims=[5, 3]", "data.binarize=threshold",
        'model.likelihood="Bernoulli"', "training.gradient_clip=none", "model.z2_sees_x=true",
    ]  # fmt: skip
    recipe = load("smoke", overrides)
    run = build(recipe)
    assert (run.config.epochs, run.config.learning_rate) == (3, 0.002)
    assert run.model.dims == {"z2": 3, "z1": 5} and run.model.z2_sees_x is True
    assert run.data("train").binarize == "threshold"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.epoch=3", "training.epoch: unknown key; did you mean 'epochs'?"),
        ("trainin.epochs=3", "unknown table 'trainin' in 'trainin.epochs=3'; did you mean 'training'?"),
        ("model.hiden=3", "model.hiden: unknown key; did you mean 'hidden'?"),
        ("model.name=TopDownVea", "model.name: unknown 'TopDownVea'; did you mean 'TopDownVAE'?"),
        ("data.nam=digits", "data.nam: unknown key; did you mean 'name'?"),
        ("data.name=digit", "did you mean 'digits'?"),
        ("objective.free_bit.nats=1", "objective.free_bit: unknown key; did you mean 'free_bits'?"),
        ("objective.free_bits.nat=1", "objective.free_bits.nat: unknown key; did you mean 'nats'?"),
        ("objective.free_bits=1", "objective.free_bits: expected a table, got 1"),
        ("objective.beta.fractio=1", "objective.beta.fractio: unknown key; did you mean 'fraction'?"),
        ("objective.beta.schedule=Cycle", "objective.beta.schedule: unknown 'Cycle'; did you mean 'Cyclic'?"),
        ("objective.beta={top = 1.0}", "objective.beta: expected a number, a table with schedule, or one for each"),
        ("objective.beta=true", "objective.beta: expected a number or a table, got True"),
        (
            "objective.beta={z1 = {schedule = 'Cyclic', cycle = 2}}",
            "objective.beta.z1.cycle: unknown key; did you mean",
        ),
        ("objective.bound=elbow", "objective.bound: unknown 'elbow'; did you mean 'elbo'?"),
        ("objective.bound=sample", "objective.bound: unknown 'sample'; expected one of elbo, mistaken_shortcut"),
        ("evaluation.split=tset", "evaluation.split: unknown 'tset'; did you mean 'test'?"),
        ("evaluation.iwae_sample=3", "evaluation.iwae_sample: unknown key; did you mean 'iwae_samples'?"),
        ("training.epochs=0", "training: epochs: expected a whole number ≥ 1, got 0"),
        ("model.latent_dims=[1, 2, 3]", "model: latent_dims: expected 2 levels, got 3"),
        ("training.epochs=a b", "put quotes around text"),
        ("epochs=3", "expected table.key=value, such as training.epochs=3, got 'epochs=3'"),
        ("training.epochs", "expected table.key=value"),
        ("data.name=none", "data.name: missing"),
        ("model.name=none", "model.name: missing; expected one of AutoregressiveVAE, BottomUpVAE"),
        ('model.name="my_models.Ladder:Own"', "model.name: expected package.module:Class, got 'my_models.Ladder:Own'"),
        ('model.name="hvae_ref.models:VEA"', "got 'hvae_ref.models:VEA': no class 'VEA' there"),
        ('model.name=":VAE"', "model.name: expected package.module:Class, got ':VAE'"),
    ],
)
def test_a_mistake_is_told_with_the_right_key(override, told):
    with pytest.raises(RecipeError, match=re.escape(told)):
        build(load("smoke", [override]))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.epochs='many'", "training.epochs: expected a whole number, got 'many'"),
        ("training.epochs=1.5", "training.epochs: expected a whole number, got 1.5"),
        ("training.epochs=true", "training.epochs: expected a whole number, got True"),
        ("training.learning_rate='fast'", "training.learning_rate: expected a number, got 'fast'"),
        ("training.gradient_clip=[1]", "training.gradient_clip: expected a number or none, got [1]"),
        ("model.latent_dims=4", "model.latent_dims: expected a list, each a whole number, got 4"),
        ("model.latent_dims=[4, 2.5]", "model.latent_dims: expected a list, each a whole number, got [4, 2.5]"),
        ("model.z2_sees_x=1", "model.z2_sees_x: expected true or false, got 1"),
        ("objective.free_bits.nats='few'", "objective.free_bits.nats: expected a number or a table, each a number"),
        ("objective.beta.fraction='half'", "objective.beta.fraction: expected a number or none, got 'half'"),
        ("data.binarize=3", "data.binarize: expected text or none, got 3"),
        ("evaluation.iwae_samples='all'", "evaluation.iwae_samples: expected a whole number, got 'all'"),
    ],
)
def test_a_value_of_another_kind_is_told_with_its_key_and_the_right_kind(override, told):
    with pytest.raises(RecipeError, match=re.escape(told)):
        load("smoke", [override])


def test_unknown_recipes_and_files_are_told(tmp_path):
    with pytest.raises(RecipeError, match="unknown recipe 'smok'; did you mean 'smoke'?"):
        load("smok")
    with pytest.raises(RecipeError, match="no such file"):
        load(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text("[model\n")
    with pytest.raises(RecipeError, match="mine.toml: "):
        load(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text('[modle]\nname = "VAE"\n')
    with pytest.raises(RecipeError, match="unknown table 'modle'; did you mean 'model'?"):
        load(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text('model = "VAE"\n')
    with pytest.raises(RecipeError, match="model: expected a table"):
        load(str(tmp_path / "mine.toml"))


def objective(*overrides):
    return build(load("smoke", ["objective.free_bits=none", "objective.beta=1.0", *overrides])).objective


def test_every_objective_can_be_written_down():
    assert objective() == NegativeElbo(1.0)
    assert objective("objective.beta=4.0").beta == 4.0
    # KL annealing, once and in cycles
    assert objective('objective.beta={schedule="LinearWarmup", steps=5}') == NegativeElbo(LinearWarmup(steps=5))
    assert objective('objective.beta={schedule="Cyclic", cycles=2}') == NegativeElbo(Cyclic(cycles=2))
    # hierarchical β: a weight or a schedule for each level
    each = objective('objective.beta={z2={schedule="LinearWarmup", delay=0.2}, z1={schedule="Constant", value=0.5}}')
    assert each == NegativeElbo({"z2": LinearWarmup(delay=0.2), "z1": Constant(0.5)})
    assert objective("objective.beta={z2=0.5, z1=1.0}") == NegativeElbo({"z2": 0.5, "z1": 1.0})
    together = objective(
        'objective.free_bits={nats={z2=1.0, z1=0.0}, over="example"}', 'objective.mmd={weight=3.0, levels=["z1"]}'
    )
    assert together == NegativeElbo(
        1.0, free_bits=FreeBits({"z2": 1.0, "z1": 0.0}, "example"), mmd=MmdPenalty(3.0, levels=("z1",))
    )
    assert objective("objective.name=Geco", "objective.constraint=20.0") == Geco(1.0, constraint=20.0)
    with pytest.raises(RecipeError, match="^objective.constraint: missing"):
        objective("objective.name=Geco")


def test_the_bound_is_the_recipes_too():
    run = build(load("smoke", ["objective.bound=mistaken_shortcut", "training.epochs=1"]))
    assert run.bound == "mistaken_shortcut" and len(run.fit()) == 1


def test_the_seed_gives_the_first_weights_and_leaves_torch_alone():
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    a, b, c = (build(load("smoke"), seed=seed).model.state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    torch.testing.assert_close(a, b)
    assert any(not torch.allclose(a[name], c[name]) for name in a)
    assert build(load("smoke"), seed=1).config.seed == 1


def test_a_recipe_goes_through_a_checkpoint():
    recipe = load("digits-top-down", ["training.epochs=2"])
    again = Recipe.from_dict(recipe.to_dict())
    assert again == recipe
    assert isinstance(build(again).model, TopDownVAE)


def test_shapes_and_values_follow_from_the_data():
    model = build(load("digits-vae")).model
    assert model.x_shape == (64,) and model.likelihood == LogisticMixture(17, components=3)
    assert build(load("smoke")).model.likelihood == Bernoulli()
    images = ["data.layout=image", "data.condition=label", "model.condition={name='Labels', classes=10}"]
    model = build(load("digits-two-level", [*images, "model.likelihood=Categorical"])).model
    assert model.x_shape == (1, 8, 8) and model.likelihood == Categorical(17) and model.observe.condition.size == 10
    model = build(load("smoke", ["model.likelihood={name='Normal', unit=4.0}"])).model
    assert model.likelihood == Normal(unit=4.0)


def test_a_builder_is_named():
    run = build(load("mnist5k-conv", ["model.hidden=4"]))
    assert run.model.x_shape == (1, 28, 28) and len(run.model.shapes["z1"]) == 3
    model = build(load("digits-ladder", ["model.builder=dense"])).model
    assert type(model).__name__ == "LadderVAE" and model.x_shape == (64,)


def test_a_conditional_run_trains_and_is_measured():
    overrides = ["data.condition=label", "model.condition={name='Labels', classes=10}", "training.epochs=1"]
    run = build(load("smoke", overrides))
    assert len(run.fit()) == 1 and run.evaluate(iwae_samples=2).n_examples == 447


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.builder=convolutionl", "model.builder: unknown 'convolutionl'; "),
        ("model.likelihood=Bernouli", "model.likelihood.name: unknown 'Bernouli'; did you mean 'Bernoulli'?"),
        ("model.likelihood=3", "model.likelihood: expected a name or a table with one, got 3"),
        ("model.likelihood={components=3}", "model.likelihood.name: missing; expected one of Bernoulli"),
        ("model.likelihood={name='LogisticMixture', component=3}", "model.likelihood.component: unknown key; did you"),
        ("model.likelihood={name='Normal', scale='wide'}", "model.likelihood.scale: expected a number or none"),
        ("model.likelihood={name='Normal', scale=-1.0}", "model.likelihood: scale: expected a number > 0, got -1.0"),
        ("model.condition={name='Label', classes=10}", "model.condition.name: unknown 'Label'; did you mean 'Labels'?"),
        ("model.condition={name='Labels', classes=1}", "model.condition: classes: expected at least 2, got 1"),
        ("model.condition=Labels", "model.condition.classes: missing; Labels needs it"),
        ("data.layout=picture", "data: layout: expected one of vector, image, got 'picture'"),
        ("data.condition=labels", "data: condition: expected one of label, got 'labels'; did you mean 'label'?"),
    ],
)
def test_a_mistake_in_a_part_is_told(override, told):
    with pytest.raises(RecipeError, match=re.escape(told)):
        build(load("smoke", [override]))


def test_evaluation_follows_the_recipe_and_what_is_asked():
    run = build(load("smoke"))
    result = run.evaluate(iwae_samples=4)
    assert (result.n_examples, result.iwae_samples) == (447, 4)
    assert run.evaluate(split="validation", iwae_samples=4).n_examples == 350
    assert run.evaluate(iwae_samples=4).negative_elbo == pytest.approx(result.negative_elbo)


def test_a_model_of_one_s_own_is_named_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        "from hvae_ref.models import TwoLevelVAE\n\n\nclass Mine(TwoLevelVAE):\n"
        '    """A model that stands outside of the package."""\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = recipes.build(recipes.load("smoke", ['model.name="my_models:Mine"']))
    assert type(run.model).__name__ == "Mine"
    with pytest.raises(RecipeError, match="model.latent_dim: unknown key; did you mean 'latent_dims'"):
        recipes.load("smoke", ['model.name="my_models:Mine"', "model.latent_dim=3"])


def test_a_package_that_an_own_model_lacks_is_told_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "needy_models.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        recipes.load("smoke", ['model.name="needy_models:Mine"'])


def test_every_model_of_the_package_is_found_by_its_name():
    found = {name for name in models.__all__ if inspect.isclass(kind := getattr(models, name))
             and issubclass(kind, models.LatentVariableModel) and not inspect.isabstract(kind)}  # fmt: skip
    # A top-down model has nets from outside alone: the builders belong to the two that name their posteriors.
    assert found - {"TopDownModel"} <= MODELS.keys()
    for name in MODELS:
        assert model_class({"name": name}).__name__ == name
