"""What can be found out before the first epoch is: nothing is trained, and nothing is left behind."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hvae_ref.models import VAE
from hvae_ref.training import CheckpointError, ElboStep, Step, StepResult, TrainConfig, fit, load_checkpoint
from tests.training.linear_models import LinearAutoencoder

QUICK = TrainConfig(epochs=3, batch_size=20, learning_rate=0.01, device="cpu")


@pytest.fixture
def untouched(linear):
    """A model, and a check that not a single batch was trained on."""
    model = linear()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    yield model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_folder_that_does_not_exist(untouched, x, tmp_path):
    with pytest.raises(CheckpointError, match="expected an existing folder; create"):
        fit(untouched, x, config=QUICK, checkpoint=tmp_path / "nowhere" / "run.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{}, {"resume": True}, {"overwrite": True}])
def test_a_path_that_is_a_folder(untouched, x, tmp_path, settings):
    path = tmp_path / "run.safetensors"
    path.mkdir()
    with pytest.raises(CheckpointError, match="expected a file to write, got a folder"):
        fit(untouched, x, config=QUICK, checkpoint=path, **settings)
    assert list(tmp_path.iterdir()) == [path] and list(path.iterdir()) == []


def test_a_recipe_that_json_cannot_hold(untouched, x, tmp_path):
    with pytest.raises(CheckpointError, match="recipe: expected text, numbers, lists and dicts"):
        fit(untouched, x, config=QUICK, checkpoint=tmp_path / "run.safetensors", recipe={"net": untouched})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("unchecked")
def test_numbers_of_numpy_and_paths_can_be_held(linear, x, tmp_path):
    path = tmp_path / "run.safetensors"
    config = TrainConfig(
        epochs=np.int64(1), batch_size=np.int32(20), learning_rate=np.float32(0.5), seed=np.uint8(3), device="cpu"
    )
    recipe = {"rate": np.float64(0.5), "n": np.int64(3), "from": Path("data") / "x.csv", "sizes": (1, 2)}
    fit(linear(), x, config=config, checkpoint=path, recipe=recipe)
    found = load_checkpoint(path)
    assert found.config["learning_rate"] == 0.5 and found.config["seed"] == 3
    assert found.recipe == {"rate": 0.5, "n": 3, "from": str(Path("data") / "x.csv"), "sizes": [1, 2]}


def test_settings_of_a_step_that_json_cannot_hold(untouched, x, tmp_path):
    class Odd(ElboStep):
        def settings(self):
            return {"of": object()}

    with pytest.raises(CheckpointError, match="settings: expected text, numbers"):
        fit(untouched, x, step=Odd(), config=QUICK, checkpoint=tmp_path / "run.safetensors")


def test_an_optimizer_whose_settings_json_cannot_hold(untouched, x, tmp_path):
    class Odd(ElboStep):
        def optimizer(self, model, phase, config):
            return torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1))

    with pytest.raises(CheckpointError, match="optimiser's settings cannot be written"):
        fit(untouched, x, step=Odd(), config=QUICK, checkpoint=tmp_path / "run.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_validation_data_of_another_width(x, untouched):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(untouched, x, x[:, :3], config=QUICK)
    torch.manual_seed(0)
    model = VAE.dense(4, (2,), hidden=(8,))
    before = next(model.parameters()).clone()
    with pytest.raises(ValueError, match="^x: expected"):
        fit(model, (x > 0).float(), (x[:, :3] > 0).float(), config=QUICK)
    assert torch.equal(before, next(model.parameters()))


def test_validation_that_fails(untouched, x):
    class Failing(ElboStep):
        def evaluate(self, model, batch, state):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="^mine$"):
        fit(untouched, x, x, step=Failing(), config=QUICK)


def test_a_model_without_parameters(x):
    with pytest.raises(ValueError, match="^model: expected parameters that can be trained, got Identity without any"):
        fit(torch.nn.Identity(), x, config=QUICK)


def test_a_model_that_is_frozen(linear, x):
    with pytest.raises(ValueError, match="^model: expected parameters that can be trained"):
        fit(linear().requires_grad_(False), x, config=QUICK)


def test_the_look_at_validation_moves_no_random_number(x):
    """With and without validation the run is the same."""
    runs = []
    for held_out in (None, (x > 0).float()):
        torch.manual_seed(3)
        model = VAE.dense(4, (2,), hidden=(8,), dropout=0.2)
        runs.append(fit(model, (x > 0).float(), held_out, config=QUICK).curve("loss"))
    assert runs[0] == runs[1]


@dataclass
class Noisy:
    x: torch.Tensor
    noise: list

    def batch_transform(self, x, generator):
        self.noise.append(torch.rand(x.shape, generator=generator))
        return (x > self.noise[-1]).float()


def test_the_noise_of_validation_data_is_not_that_of_the_posterior(x):
    """From one seed for both, posterior samples would follow what the data were drawn with."""
    drawn, noise = [], []

    class Sampling(Step):
        def __call__(self, model, batch, state):
            drawn.append(torch.rand(batch.x.shape))
            return StepResult(model.encoder(batch.x).square().mean())

    fit(LinearAutoencoder(), x, Noisy(x.sigmoid(), noise), step=Sampling(), config=replace(QUICK, epochs=1))
    assert noise and all(a.shape != b.shape or not torch.allclose(a, b) for a in drawn for b in noise)
